"""Settings of the pipeline on Kubeflow, overridden by `--set kubeflow.field=value`."""

import dataclasses
import re

from components.settings import SettingsError

# Kubernetes' names of objects (DNS-1123 labels), quantities, and qualified names of labels, taints and resources.
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kKMGT]i?)?")
_QUALIFIED_NAME = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclasses.dataclass(frozen=True)
class KubeflowSettings:
    """How the pipeline runs on a cluster. Steps are named as in Kubeflow: in lower case with hyphens, such as `trainer`.

    Attributes:
      image: Container image of every step; a tag that never moves, because Kubeflow caches by it.
      accelerated_image: Image of the accelerated steps; empty for the same.
      cpu: CPUs of a step, as Kubernetes writes them (`2`, `500m`).
      memory: Memory of a step (`4Gi`).
      resources: Exceptions, each `step:cpu:memory`.
      accelerator: Kubernetes' name of the accelerator's resource, such as `nvidia.com/gpu`; not a product's name, which the
        backend would write into the pod's limits as it stands. Empty for none.
      accelerator_count: How many of them an accelerated step gets; each is accounted whole.
      accelerated: Steps that get the accelerator, of those that the task has.
      node_selector: Labels of the nodes for accelerated steps, each `label=value`, such as
        `cloud.google.com/gke-accelerator=nvidia-l4`.
      tolerations: Taints that accelerated steps tolerate, each `key:effect` or `key=value:effect`. Empty with an accelerator:
        that accelerator's own, which is what cloud providers put on such nodes.
      retries: How often a step whose command failed is tried again, within seven days of its first start. A step whose pod was
        deleted is not tried again: Argo calls that an error, and Kubeflow has Argo retry failures only.
      cache: Whether a step whose inputs, settings and image are those of an earlier run takes that run's outputs.
      uncached: Steps that never do. What is served changes without `baseline`'s inputs changing.
      claim: PersistentVolumeClaim with the pushed models, the checkpoints and data in files, mounted in every step; empty for
        none.
      mount: Where it is mounted; the model servers mount it at the same path, because their configuration names it.
      serving_dir: Folder that the model servers read; empty for `serving` in the volume. TensorFlow also writes to gs://.
      pipeline_root: Where a run's artifacts go, such as s3://bucket/folder; empty for the installation's own. `submit` hands it
        to the run, because the backend does not read it from the compiled pipeline.
      run_as_user: User and group of every step, by number: the image's, who owns the files in the volume. The Pod Security
        Standard `restricted` wants one that is not root. `none` leaves it to the image: Kubeflow before 2.16 refuses the field.
      app_dir: Where the code lies in the image.
      artifact_root: Folder under which the launcher keeps its copies of artifacts: `/` for Kubeflow's; a relative one is in
        the container's working directory.
    """

    image: str = "charseq:0.1.0"
    accelerated_image: str = ""
    cpu: str = "1"
    memory: str = "4Gi"
    resources: tuple[str, ...] = ("trainer:4:8Gi", "tuner:4:8Gi", "transform:2:4Gi")
    accelerator: str = ""
    accelerator_count: int = 1
    accelerated: tuple[str, ...] = ("trainer", "tuner")
    node_selector: tuple[str, ...] = ()
    tolerations: tuple[str, ...] = ()
    retries: int = 2
    cache: bool = True
    uncached: tuple[str, ...] = ("baseline",)
    claim: str = "charseq"
    mount: str = "/charseq"
    serving_dir: str = ""
    pipeline_root: str = ""
    run_as_user: int | None = 1000
    app_dir: str = "/app"
    artifact_root: str = "/"

    def __post_init__(self) -> None:
        for name in ("image", "accelerated_image"):
            _check_image(name, getattr(self, name))
        for name in ("cpu", "memory"):
            _check_quantity(f"kubeflow.{name}", getattr(self, name))
        for entry in self.resources:
            _check_resources(entry)
        if self.accelerator and ("/" not in self.accelerator or not _QUALIFIED_NAME.fullmatch(self.accelerator)):
            raise SettingsError(
                f"kubeflow.accelerator is {self.accelerator!r}; it is the resource's name in Kubernetes, such as "
                "nvidia.com/gpu (the product goes into kubeflow.node_selector)"
            )
        if self.accelerator_count < 1:
            raise SettingsError(f"kubeflow.accelerator_count is {self.accelerator_count}; it must be at least 1")
        for entry in self.node_selector:
            label, equals, _ = entry.partition("=")
            if not equals or not _QUALIFIED_NAME.fullmatch(label):
                raise SettingsError(f"kubeflow.node_selector: {entry!r} is not label=value")
        for entry in self.tolerations:
            _parse_toleration(entry)
        if self.retries < 0:
            raise SettingsError(f"kubeflow.retries is {self.retries}; it must not be negative")
        if self.run_as_user is not None and self.run_as_user < 1:
            raise SettingsError(f"kubeflow.run_as_user is {self.run_as_user}; it must be at least 1, because 0 is root")
        if "baseline" not in self.uncached:
            raise SettingsError(
                "kubeflow.uncached must name baseline: what is served changes without its inputs changing"
            )
        _check_storage(self)

    @property
    def models(self) -> str:
        """Folder of the pushed models."""
        return self.serving_dir or f"{self.mount}/serving"

    def step_resources(self, step: str) -> tuple[str, str]:
        """Returns CPU and memory of a step."""
        for entry in self.resources:
            name, cpu, memory = entry.split(":")
            if name == step:
                return cpu, memory
        return self.cpu, self.memory

    @property
    def node_labels(self) -> dict[str, str]:
        """Labels of the nodes for accelerated steps."""
        return {label: value for label, _, value in (entry.partition("=") for entry in self.node_selector)}

    @property
    def accelerator_tolerations(self) -> list[dict[str, str]]:
        """Kubernetes' tolerations of accelerated steps."""
        entries = self.tolerations or ((f"{self.accelerator}:NoSchedule",) if self.accelerator else ())
        return [_parse_toleration(entry) for entry in entries]


def _check_image(name: str, image: str) -> None:
    if not image and name == "accelerated_image":
        return
    tag = image.rpartition("/")[2].partition(":")[2] or image.partition("@")[2]
    if not tag or tag == "latest":
        raise SettingsError(
            f"kubeflow.{name} is {image!r}; it needs a tag that never moves (not latest), such as registry/charseq:0.1.0: "
            "steps are cached by it"
        )


def _check_quantity(name: str, quantity: str) -> None:
    if not _QUANTITY.fullmatch(quantity):
        raise SettingsError(f"{name} is {quantity!r}; it is a quantity of Kubernetes, such as 2, 500m or 4Gi")


def _check_resources(entry: str) -> None:
    parts = entry.split(":")
    if len(parts) != 3:
        raise SettingsError(f"kubeflow.resources: {entry!r} is not step:cpu:memory, such as trainer:4:8Gi")
    for quantity in parts[1:]:
        _check_quantity(f"kubeflow.resources: {entry!r}", quantity)


def _parse_toleration(entry: str) -> dict[str, str]:
    taint, colon, effect = entry.rpartition(":")
    key, equals, value = taint.partition("=")
    if not colon or effect not in _EFFECTS or not _QUALIFIED_NAME.fullmatch(key):
        raise SettingsError(
            f"kubeflow.tolerations: {entry!r} is not key:effect or key=value:effect with effect {', '.join(_EFFECTS)}"
        )
    if equals:
        return {"key": key, "operator": "Equal", "value": value, "effect": effect}
    return {"key": key, "operator": "Exists", "effect": effect}


def _check_storage(settings: KubeflowSettings) -> None:
    if settings.pipeline_root and not re.match(r"(gs|s3|minio)://[^/]", settings.pipeline_root):
        raise SettingsError(
            f"kubeflow.pipeline_root is {settings.pipeline_root!r}; Kubeflow's launcher copies artifacts from and to "
            "gs://, s3:// and minio://, such as s3://bucket/folder"
        )
    if settings.claim and not _OBJECT_NAME.fullmatch(settings.claim):
        raise SettingsError(
            f"kubeflow.claim is {settings.claim!r}; names of Kubernetes objects are lower case letters, digits and hyphens"
        )
    for name in ("mount", "app_dir"):
        if not getattr(settings, name).startswith("/"):
            raise SettingsError(f"kubeflow.{name} is {getattr(settings, name)!r}; it is an absolute path")
    scheme = settings.models.partition("://")[0] if "://" in settings.models else ""
    if scheme not in ("", "gs"):
        raise SettingsError(
            f"kubeflow.serving_dir is {settings.serving_dir!r}; TensorFlow, and TensorFlow Serving too, open gs:// alone of "
            "the object stores: mount another through the claim of its CSI driver, and leave kubeflow.serving_dir empty"
        )
    if not scheme and not settings.claim:
        raise SettingsError(
            "kubeflow.claim is empty, so models would be pushed into a pod that goes away; name a PersistentVolumeClaim, or "
            "set kubeflow.serving_dir=gs://bucket/folder"
        )

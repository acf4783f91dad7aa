"""The manifests: valid for every supported Kubernetes, and what they promise."""

import dataclasses
import json
import re
import tomllib

import kubernetes_validate
import pytest
from kubernetes_validate.utils import all_versions, major_minor
from packaging.version import Version

from components.settings import architecture_from_values
from components.trainer.fixed_length.models import StringSettings
from pipeline.beam.settings import BeamSettings
from pipeline.config.task_files import load_task
from pipeline.kubeflow.settings import KubeflowSettings
from serving.contract.layout import CONFIG_NAME
from serving.contract.model_config import read_config
from serving.server.flag_table import UNSUPPORTED
from serving.server.flags import parse_flags
from tests.k8s.conftest import APPLIED, K8S, OVERLAYS, containers, named, of_kind, pods

pytestmark = pytest.mark.e2e

VERSIONS = sorted({major_minor(v) for v in all_versions() if Version(v) >= Version("1.29")}, key=Version)


def test_from_1_29_to_the_newest():
    assert VERSIONS[0] == "1.29"
    assert len(VERSIONS) >= 9


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", APPLIED)
def test_every_object_is_valid(rendered, folder, version):
    for item in rendered(folder):
        if item["kind"] in ("InferenceService", "TFJob", "FlinkDeployment"):
            continue  # custom resources: their schemas are in the cluster
        assert kubernetes_validate.validate(item, version, strict=True) == version


def test_a_wrong_field_is_found(rendered):
    (service, *_) = of_kind(rendered("overlays/cpu"), "Service")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service | {"specs": {}}, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("folder", APPLIED)
def test_pods_are_restricted(rendered, folder):
    found = pods(rendered(folder))
    assert found
    for name, spec in found:
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] == security["fsGroup"] == 1000, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            assert key not in spec, name
        kinds = {kind for volume in spec.get("volumes", []) for kind in volume if kind != "name"}
        assert kinds <= {"persistentVolumeClaim", "configMap", "emptyDir"}, name
        for container in containers(spec):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, container["name"]
            assert security["readOnlyRootFilesystem"] is True, container["name"]
            assert security["capabilities"] == {"drop": ["ALL"]}, container["name"]
            assert not any("hostPort" in port for port in container.get("ports", [])), container["name"]


@pytest.mark.parametrize("folder", APPLIED)
def test_containers_have_requests_and_limits(rendered, folder):
    for _, spec in pods(rendered(folder)):
        for container in containers(spec):
            for kind in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][kind].keys(), container["name"]


@pytest.mark.parametrize("folder", APPLIED)
def test_images_have_a_tag_that_does_not_move(rendered, folder):
    for _, spec in pods(rendered(folder)):
        for container in containers(spec):
            image = container.get("image", f"x:{container.get('runtimeVersion')}")
            assert re.fullmatch(r"[^:]+:\d+\.\d+\.\d+(-gpu)?", image), image


@pytest.mark.parametrize("folder", APPLIED)
def test_gpus_are_in_the_gpu_overlay_and_in_training_alone(rendered, folder):
    for _, spec in pods(rendered(folder)):
        limits = [container["resources"]["limits"] for container in containers(spec)]
        has = any("nvidia.com/gpu" in limit for limit in limits)
        images = [container.get("image", "") for container in containers(spec)]
        assert has == (folder in ("overlays/gpu", "training"))
        assert has == any(image.endswith("-gpu") for image in images)
        assert has == (
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec.get("tolerations", [])
        )
        assert has == ("nodeSelector" in spec)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_probes_ask_for_the_health_that_the_server_is_told_to_have(rendered, folder):
    for _, spec in pods(rendered(folder)):
        server = named(spec["containers"], "serving")
        assert "--enable_grpc_healthcheck_service=true" in server["args"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert server[probe]["grpc"] == {"port": 8500, "service": "PredictionService"}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_ports_agree_with_the_servers_flags(rendered, folder):
    objects = rendered(folder)
    for _, spec in pods(objects):
        server = named(spec["containers"], "serving")
        flags = parse_flags(_arguments(server))
        assert {port["name"]: port["containerPort"] for port in server["ports"]} == {
            "grpc": flags.port,
            "rest": flags.rest_api_port,
        }
    names = {"grpc", "rest"}
    for service in of_kind(objects, "Service"):
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in names
            assert port["port"] == {"grpc": 8500, "rest": 8501}[port["name"]]
    (policy,) = of_kind(objects, "NetworkPolicy")
    assert {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]} == names


@pytest.mark.parametrize("folder", OVERLAYS)
def test_flags_are_the_servers_and_files_they_name_are_mounted(rendered, folder):
    for _, spec in pods(rendered(folder)):
        server = named(spec["containers"], "serving")
        mounts = [mount["mountPath"] for mount in server["volumeMounts"]]
        for argument in _arguments(server):
            name, _, value = argument.removeprefix("--").partition("=")
            assert name not in UNSUPPORTED
            if value.startswith("/"):
                assert any(value.startswith(f"{mount}/") for mount in mounts), argument
        assert {m["mountPath"] for m in server["volumeMounts"] if not m.get("readOnly")} == {"/tmp"}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_selectors_find_the_pods_they_are_meant_for(rendered, folder):
    objects = rendered(folder)
    labels = {}
    for deployment in of_kind(objects, "Deployment"):
        template = deployment["spec"]["template"]["metadata"]["labels"]
        labels[deployment["metadata"]["name"]] = template
        assert deployment["spec"]["selector"]["matchLabels"].items() <= template.items()

    def selected(selector):
        return {name for name, pod in labels.items() if selector.items() <= pod.items()}

    everything = {"serving-stable", "serving-canary"} if folder == "overlays/canary" else {"serving-stable"}
    assert set(labels) == everything
    services = of_kind(objects, "Service")
    assert selected(named(services, "serving")["spec"]["selector"]) == everything
    assert selected(named(services, "serving-pods")["spec"]["selector"]) == {"serving-stable"}
    assert named(services, "serving-pods")["spec"]["clusterIP"] == "None"
    (policy,) = of_kind(objects, "NetworkPolicy")
    assert selected(policy["spec"]["podSelector"]["matchLabels"]) == everything
    (budget,) = of_kind(objects, "PodDisruptionBudget")
    assert selected(budget["spec"]["selector"]["matchLabels"]) == {"serving-stable"}
    (autoscaler,) = of_kind(objects, "HorizontalPodAutoscaler")
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == "serving-stable"
    assert "replicas" not in named(of_kind(objects, "Deployment"), "serving-stable")["spec"]


@pytest.mark.parametrize("folder", APPLIED)
def test_what_is_referred_to_is_there(rendered, folder):
    objects = rendered(folder)
    names = {(item["kind"], item["metadata"]["name"]) for item in objects}
    for _, spec in pods(objects):
        if "serviceAccountName" in spec:
            assert ("ServiceAccount", spec["serviceAccountName"]) in names
        for volume in spec.get("volumes", []):
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert ("PersistentVolumeClaim", claim) in names
        for container in containers(spec):
            volumes = {volume["name"] for volume in spec.get("volumes", [])}
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes


def test_a_stable_server_follows_what_promote_writes_and_a_canary_does_not(rendered):
    files = {}
    for name, spec in pods(rendered("overlays/canary")):
        files[name] = parse_flags(_arguments(named(spec["containers"], "serving"))).model_config_file
    assert files["serving-stable"] == f"{KubeflowSettings().models}/{CONFIG_NAME}"
    assert files["serving-canary"].startswith("/etc/serving/")


def test_the_volume_is_the_pipelines(rendered):
    settings = KubeflowSettings()
    (claim,) = of_kind(rendered("overlays/cpu"), "PersistentVolumeClaim")
    assert claim["metadata"]["name"] == settings.claim
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for folder in (*OVERLAYS, "tools"):
        for _, spec in pods(rendered(folder)):
            mounts = [m for c in containers(spec) for m in c["volumeMounts"] if m["name"] == "charseq"]
            assert {mount["mountPath"] for mount in mounts} == {settings.mount}
    (config,) = read_config(K8S / "base" / "config" / "models.config").model_config_list.config
    assert config.base_path == f"{settings.models}/{config.name}"
    (service,) = of_kind(rendered("overlays/kserve"), "InferenceService")
    assert service["spec"]["predictor"]["model"]["storageUri"] == f"pvc://{settings.claim}/serving/sums"


def test_the_tools_run_the_pipelines_image(rendered):
    ((_, spec),) = pods(rendered("tools"))
    version = tomllib.loads((K8S.parent / "pyproject.toml").read_text())["project"]["version"]
    assert spec["containers"][0]["image"] == KubeflowSettings().image == f"charseq:{version}"
    (pod,) = of_kind(rendered("tools"), "Pod")
    (policy,) = of_kind(rendered("overlays/cpu"), "NetworkPolicy")
    allowed = [
        source["podSelector"]["matchLabels"]
        for source in policy["spec"]["ingress"][0]["from"]
        if "podSelector" in source
    ]
    assert any(labels.items() <= pod["metadata"]["labels"].items() for labels in allowed)


def test_workers_get_what_they_understand(rendered):
    ((_, spec),) = pods(rendered("training"))
    (worker,) = spec["containers"]
    assert worker["name"] == "tensorflow", "the name that the training operator looks for"
    arguments = dict(argument.removeprefix("--").split("=", 1) for argument in worker["args"])
    assert set(arguments) == {"examples", "transform_graph", "custom_config", "output"}
    config = json.loads(arguments["custom_config"])
    settings = architecture_from_values(StringSettings, config["train"])
    assert settings == dataclasses.replace(load_task("sums").train, batch_size=settings.batch_size)
    assert settings.batch_size % spec_of(rendered("training"))["replicas"] == 0
    for path in (arguments["examples"], arguments["output"], config["checkpoint_root"]):
        assert path.startswith(f"{KubeflowSettings().mount}/")


def test_flink_has_workers_beside_each_task_manager_and_the_volume(rendered):
    objects = rendered("flink")
    found = dict(pods(objects))
    task_manager = found["taskManager"]
    workers = named(task_manager["containers"], "workers")
    assert workers["command"] == ["python", "-m", "pipeline.beam.worker_pool"]
    host, _, port = BeamSettings().worker_pool.partition(":")
    assert host == "localhost"
    assert workers["args"] == [f"--port={port}"], "and no --host: whoever reaches it can run any code"
    assert workers["image"] == KubeflowSettings().image
    mounts = {mount["name"]: mount["mountPath"] for mount in workers["volumeMounts"]}
    assert mounts["charseq"] == KubeflowSettings().mount
    server = named(found["charseq-beam"]["containers"], "job-server")
    flags = dict(argument.removeprefix("--").split("=") for argument in server["args"])
    (deployment,) = of_kind(objects, "FlinkDeployment")
    assert flags["flink-master"] == f"{deployment['metadata']['name']}-rest:8081"
    (service,) = of_kind(objects, "Service")
    assert {p["name"]: str(p["port"]) for p in service["spec"]["ports"]} == {
        "jobs": flags["job-port"],
        "artifacts": flags["artifact-port"],
    }
    # What the jar of `charseq flink` is made of, which is what has been run.
    pom = (K8S.parent / "pipeline" / "flink" / "pom.xml").read_text()
    runner = re.search(r"beam-runners-flink-([\d.]+)<", pom)[1]
    version = re.search(r"<beam.version>([\d.]+)<", pom)[1]
    assert server["image"] == f"apache/beam_flink{runner}_job_server:{version}"
    assert deployment["spec"]["image"].startswith(f"flink:{runner}.")


def test_flink_is_reached_by_few(rendered):
    policies = of_kind(rendered("flink"), "NetworkPolicy")
    assert len(policies) == 2
    for policy in policies:
        assert policy["spec"]["policyTypes"] == ["Ingress"]
        for rule in policy["spec"]["ingress"]:
            assert rule["from"]
            assert all(source["podSelector"]["matchLabels"] for source in rule["from"])


@pytest.mark.parametrize("folder", APPLIED)
def test_applying_twice_changes_nothing(rendered, folder):
    """What the API server would add to a list that it replaces as a whole, each apply would take out again."""
    for item in rendered(folder):
        assert "status" not in item
        assert "creationTimestamp" not in item["metadata"]
        for path, value in _walk(item):
            assert value is not None, path
            if path[-1] == "ports":
                for port in value:
                    assert port["protocol"] == "TCP", path
            if path[-1] in ("containers", "env", "volumes", "volumeMounts"):
                keys = [entry.get("mountPath", entry.get("name")) for entry in value]
                assert len(set(keys)) == len(keys), path


def spec_of(objects):
    (job,) = of_kind(objects, "TFJob")
    return job["spec"]["tfReplicaSpecs"]["Worker"]


def _arguments(container):
    """The arguments with environment variables as Kubernetes expands them."""
    values = {entry["name"]: entry["value"] for entry in container.get("env", [])}
    return [re.sub(r"\$\((\w+)\)", lambda found: values[found[1]], argument) for argument in container["args"]]


def _walk(value, path=()):
    """Returns the path and value of everything in an object."""
    yield (path or ("",)), value
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from _walk(entry, (*path, key))

"""Settings of Beam's jobs, overridden by `--set beam.field=value`."""

import dataclasses
import re
from typing import Literal

from components.settings import SettingsError
from pipeline.beam.forked_worker import prepare_to_fork

# The components whose work grows with the data and is cut into shards. Evaluator uses Beam too, and stays here: it keeps what
# it computes in the memory of one process, and takes seconds.
DISTRIBUTED = ("ExampleGen", "Transform")

# How long a worker waits for its next stage.
_WORKER_MILLISECONDS = 60_000

_ADDRESS = re.compile(r"[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")

# The settings that a runner reads, beside `components`, `temp_location` and `options`, which all but the local one do.
_READ: dict[str, tuple[str, ...]] = {
    "local": ("workers",),
    "flink": ("job_server", "job_server_jar", "flink_master", "worker_pool", "parallelism"),
    "spark": ("job_server", "job_server_jar", "spark_master", "worker_pool"),
    "dataflow": ("project", "region", "image"),
}
_READ_BY_CLUSTERS = ("temp_location", "options", "components")


@dataclasses.dataclass(frozen=True)
class BeamSettings:
    """Where Beam's jobs run.

    Attributes:
      runner: `local` is this machine. The others run the jobs of `components` on a cluster, and the rest here.
      components: Components that run on the cluster. ExampleGen and Transform are those whose work grows with the data.
      workers: local: processes of the direct runner. 0 is one for each core. 1 is this process itself, which is fastest for
        small data.
      job_server: flink, spark: HOST:PORT of a Beam job server that is running, such as `charseq flink` starts.
      flink_master: flink, instead of `job_server`: HOST:PORT of the JobManager's REST interface. Beam starts a job server
        here, for which it needs Java, and downloads its jar unless `job_server_jar` names one.
      spark_master: spark, instead of `job_server`: the master's URL, such as spark://host:7077.
      job_server_jar: Path or URL of the job server's jar.
      worker_pool: flink, spark: HOST:PORT of the pool that starts Python workers (`python -m pipeline.beam.worker_pool`),
        as a task manager sees it. Each task manager has its own pool.
      parallelism: flink: how many shards are worked on at the same time. 0 takes the cluster's own setting.
      temp_location: Folder that every worker can read and write (a shared volume, or gs://). The inputs and outputs of a
        job lie there while it runs. Empty: they stay in the root, and every worker must see the root under the same path.
      project: dataflow: the Google Cloud project.
      region: dataflow: the region, such as europe-west4.
      image: dataflow: the image of the workers.
      options: Any other options of Beam, each as name=value without dashes, such as `sdk_worker_parallelism=2`.
    """

    runner: Literal["local", "flink", "spark", "dataflow"] = "local"
    components: tuple[str, ...] = DISTRIBUTED
    workers: int = 1
    job_server: str = ""
    flink_master: str = ""
    spark_master: str = ""
    job_server_jar: str = ""
    worker_pool: str = "localhost:50000"
    parallelism: int = 0
    temp_location: str = ""
    project: str = ""
    region: str = ""
    image: str = ""
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.runner not in _READ:
            raise SettingsError(f"beam.runner is {self.runner!r}; it is one of {', '.join(_READ)}")
        for name in ("workers", "parallelism"):
            if getattr(self, name) < 0:
                raise SettingsError(f"beam.{name} is {getattr(self, name)}; it must not be negative")
        for component in self.components:
            if component not in DISTRIBUTED:
                raise SettingsError(
                    f"beam.components: {component!r} runs on this machine only; there are {', '.join(DISTRIBUTED)}"
                )
        for name in ("job_server", "flink_master", "worker_pool"):
            address = getattr(self, name)
            if address and not _ADDRESS.fullmatch(address):
                raise SettingsError(f"beam.{name} is {address!r}; it is HOST:PORT")
        for option in self.options:
            if not re.fullmatch(r"[A-Za-z]\w*(=.*)?", option, re.DOTALL):
                raise SettingsError(
                    f"beam.options: {option!r} is not name=value, such as sdk_worker_parallelism=2 (without dashes)"
                )
        self._check_unread()
        if self.runner in ("flink", "spark"):
            self._check_portable()
        if self.runner == "dataflow":
            self._check_dataflow()

    def prepare(self) -> None:
        """Begins what the workers of this machine need time for; in the background, and best before TFX is imported."""
        if self.workers != 1:
            prepare_to_fork()

    @property
    def pipeline_args(self) -> list[str]:
        """Beam's own command-line arguments, for what runs here."""
        # Not DirectRunner, which since Beam 2.65 tries to download another runner first, and then is this one.
        runner = "FnApiRunner" if self.workers == 1 else "pipeline.beam.runner.WorkerProcessRunner"
        # The image is not used. Without one TFX packs its own sources for the workers, a second in every component.
        return [f"--runner={runner}", f"--direct_num_workers={self.workers}", "--sdk_container_image=none"]

    def component_args(self, component: str) -> list[str]:
        """Returns the arguments of a component, which come after `pipeline_args` and of which the last counts.

        Args:
          component: Its name, such as `SumsExampleGen`.
        """
        return self._cluster_args() if component.endswith(self.components) else []

    @property
    def job_args(self) -> list[str]:
        """The arguments of a job that is no component of a pipeline, such as a batch prediction."""
        return self.pipeline_args + self._cluster_args()

    def _cluster_args(self) -> list[str]:
        if self.runner == "local":
            return []
        args = self._dataflow_args() if self.runner == "dataflow" else self._portable_args()
        if self.temp_location:
            args.append(f"--temp_location={self.temp_location}")
        return args + [f"--{option}" for option in self.options]

    def _portable_args(self) -> list[str]:
        if self.job_server:
            args = ["--runner=PortableRunner", f"--job_endpoint={self.job_server}"]
        else:
            name = "Flink" if self.runner == "flink" else "Spark"
            master = (
                f"--flink_master={self.flink_master}"
                if self.flink_master
                else f"--spark_master_url={self.spark_master}"
            )
            args = [f"--runner={name}Runner", master]
            if self.job_server_jar:
                args.append(f"--{self.runner}_job_server_jar={self.job_server_jar}")
        args += ["--environment_type=EXTERNAL", f"--environment_config={self.worker_pool}"]
        # Otherwise workers end with each stage, and others are started for the next.
        args.append(f"--environment_cache_millis={_WORKER_MILLISECONDS}")
        return [*args, f"--parallelism={self.parallelism}"] if self.parallelism else args

    def _dataflow_args(self) -> list[str]:
        return [
            "--runner=DataflowRunner",
            f"--project={self.project}",
            f"--region={self.region}",
            f"--sdk_container_image={self.image}",
        ]

    def _check_unread(self) -> None:
        """Refuses settings that would change nothing."""
        read = (*_READ[self.runner], *(() if self.runner == "local" else _READ_BY_CLUSTERS))
        for field in dataclasses.fields(self):
            if field.name == "runner" or field.name in read or getattr(self, field.name) == field.default:
                continue
            if field.name == "workers":  # of the components that stay here
                continue
            runners = [
                name for name in _READ if field.name in (*_READ[name], *(_READ_BY_CLUSTERS if name != "local" else ()))
            ]
            raise SettingsError(
                f"beam.{field.name} is of no use with beam.runner={self.runner}: set beam.runner={' or '.join(runners)}"
            )

    def _check_portable(self) -> None:
        master = f"{self.runner}_master"
        if bool(self.job_server) == bool(getattr(self, master)):
            address = "HOST:PORT" if self.runner == "flink" else "spark://HOST:PORT"
            raise SettingsError(
                f"beam.runner={self.runner} needs one of beam.job_server=HOST:PORT (a Beam job server that is running, such as "
                f"`charseq flink` starts) and beam.{master}={address} (Beam starts one here, with Java)"
            )
        if self.spark_master and "://" not in self.spark_master:
            raise SettingsError(f"beam.spark_master is {self.spark_master!r}; it is a URL such as spark://host:7077")
        if self.job_server_jar and self.job_server:
            raise SettingsError(
                f"beam.job_server_jar is of no use with beam.job_server; give beam.{master} or leave it out"
            )
        if not self.worker_pool:
            raise SettingsError("beam.worker_pool is empty; it is HOST:PORT of the pool beside each task manager")

    def _check_dataflow(self) -> None:
        for name, example in (
            ("project", "my-project"),
            ("region", "europe-west4"),
            ("temp_location", "gs://bucket/beam"),
            ("image", "REGISTRY/charseq:0.1.0-dataflow"),
        ):
            if not getattr(self, name):
                raise SettingsError(f"beam.runner=dataflow needs beam.{name}, such as {example}")
        if not self.temp_location.startswith("gs://"):
            raise SettingsError(
                f"beam.temp_location is {self.temp_location!r}; Dataflow's workers see only gs://, such as gs://bucket/beam"
            )

"""The built-in model server: puts manager, services, gRPC and REST together."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvloop

from charseq_client.messages import model_server_config_pb2
from serving.contract.errors import Code, ServingError
from serving.contract.model_config import PLATFORM, read_config
from serving.contract.processors import count_processors
from serving.page import PATH as PAGE_PATH
from serving.page import Page, PageModel, render
from serving.server.batching.model import BatchedModel
from serving.server.batching.parameters import read_batching_parameters, read_model_parameters
from serving.server.batching.scheduler import BatchScheduler
from serving.server.event_loop import EventLoop
from serving.server.flags import Flags
from serving.server.grpc.health import Health
from serving.server.grpc.server import GrpcServer, bracketed
from serving.server.grpc.tls import server_credentials
from serving.server.model_service import ModelService
from serving.server.models.limits import RequestLimits
from serving.server.models.manager import ModelManager
from serving.server.models.saved_model import SavedModel
from serving.server.models.serving_folder import ServingFolder
from serving.server.models.sources import ConfigFilePoller, ModelSources
from serving.server.models.tensorflow_c_api import library
from serving.server.models.tensors import encode_as_content, encode_as_field
from serving.server.models.version_states import LoadRetries
from serving.server.models.warmup import run_warmup
from serving.server.monitoring import Metrics, prometheus_path
from serving.server.prediction_service import PredictionService
from serving.server.request_log import RequestLogs
from serving.server.rest.api import RestApi
from serving.server.session_config import apply_xla, session_config

if TYPE_CHECKING:
    from serving.server.rest.http_server import HttpServer

logger = logging.getLogger(__name__)

# Where the flags say 0. TensorFlow Serving has one thread for both then, which a slow load or a long request holds up.
_LOAD_THREADS, _UNLOAD_THREADS = 2, 8


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
      host: The address.
      grpc_port: The port for gRPC; 0 for none but a UNIX socket.
      rest_api_port: The port for REST; 0 for none.
    """

    host: str
    grpc_port: int
    rest_api_port: int = 0

    def authority(self, port: int) -> str:
        """Returns host and port as they stand in a target or an address."""
        return f"{bracketed(self.host)}:{port}"


class ModelServer:
    """A server and its models. :meth:`start`, then :meth:`stop`."""

    def __init__(self, flags: Flags) -> None:
        """Sets the server up; nothing is loaded and no port is taken yet."""
        self._flags = flags
        self._metrics_path = prometheus_path(flags.monitoring_config_file) if flags.monitoring_config_file else ""
        self._metrics = Metrics() if self._metrics_path else None
        self._logs = RequestLogs(_tags(flags), self._metrics)
        self._sources = ModelSources(
            _first_config(flags),
            folder=ServingFolder(flags.serving_dir, flags.removal_wait_seconds) if flags.serving_dir else None,
            allow_unavailable_labels=flags.allow_version_labels_for_unavailable_models,
            logs=self._logs,
        )
        self._manager = ModelManager(
            self._sources.sources,
            self._load,
            poll_seconds=flags.file_system_poll_wait_seconds,
            retries=LoadRetries(flags.max_num_load_retries, flags.load_retry_interval_micros / 1e6),
            num_load_threads=flags.num_load_threads or _LOAD_THREADS,
            num_unload_threads=flags.num_unload_threads or _UNLOAD_THREADS,
        )
        self._config = session_config(flags)
        self._limits = RequestLimits(flags.max_request_rows)
        self._events = EventLoop("grpc", uvloop.new_event_loop)
        self._batches: BatchScheduler | None = None
        if flags.enable_batching:
            parameters = read_batching_parameters(flags.batching_parameters_file, count_processors())
            self._batches = BatchScheduler(parameters, self._events.loop)
        self._credentials = server_credentials(flags.ssl_config_file) if flags.ssl_config_file else None
        self._stopping = threading.Event()
        self._server: GrpcServer | None = None
        self._rest: HttpServer | None = None
        self._poller: ConfigFilePoller | None = None

    def start(self) -> Address:
        """Loads the models that are there, then begins to answer.

        Returns:
          Where.

        Raises:
          ServingError: TensorFlow's libraries are missing, the port is taken, or the one model of
            ``--model_base_path`` does not load.
        """
        flags = self._flags
        try:
            library()
        except (OSError, ImportError) as error:
            raise ServingError(Code.FAILED_PRECONDITION, str(error)) from error
        apply_xla(flags)
        for sentence in flags.without_effect:
            logger.warning(sentence)
        if flags.rest_api_port and not flags.rest_port:
            logger.error("--port and --rest_api_port are both %d: REST is not served.", flags.port)
        self._events.start()
        check = flags.enable_signature_method_name_check
        encode = encode_as_content if flags.enable_serialization_as_tensor_content else encode_as_field
        models = ModelService(self._manager, self._sources)
        self._server = GrpcServer(
            PredictionService(self._manager, encode, check_method_name=check, metrics=self._metrics, logs=self._logs),
            models,
            events=self._events,
            max_threads=flags.threads,
            metrics=self._metrics,
            health=Health() if flags.enable_grpc_healthcheck_service else None,
            options=flags.channel_arguments,
        )
        # The ports first: an address in use should not cost the user the time of loading.
        grpc_port = 0
        if flags.port or not flags.grpc_socket_path:
            grpc_port = self._server.listen(flags.bind_address, flags.port, self._credentials)
        if flags.grpc_socket_path:
            self._server.listen_on_socket(flags.grpc_socket_path, self._credentials)
        address = Address(flags.bind_address, grpc_port, flags.rest_port)
        if flags.rest_port:
            from serving.server.rest.http_server import HttpServer  # half of the imports, which gRPC alone does without

            self._rest = HttpServer(
                RestApi(
                    PredictionService(self._manager, check_method_name=check, metrics=self._metrics, logs=self._logs),
                    models,
                    flags.rest_api_timeout_in_ms,
                    self._metrics,
                ),
                flags.bind_address,
                flags.rest_port,
                num_threads=flags.rest_threads,
                timeout_s=flags.rest_api_timeout_in_ms / 1000,
                max_body_bytes=flags.rest_api_max_body_mib << 20,
                grace_s=flags.shutdown_grace_seconds,
                idle_s=flags.rest_api_idle_timeout_seconds,
                cors=flags.rest_api_enable_cors_support,
                pages=self._pages(address.grpc_port),
            )
        self._sources.start(self._manager)
        self._manager.start()
        if not flags.serving_dir and not self._manager.wait_until_any_version(timeout_s=2):
            path = flags.model_config_file or flags.model_base_path
            logger.warning("Waiting for a version: there is no folder with a number for a name in %s yet.", path)
            self._manager.wait_until_any_version()
        self._manager.wait_until_settled()
        if self._stopping.is_set():
            return address
        if not flags.serving_dir:
            self._sources.require_available(set(self._manager.models()))
        if flags.model_config_file and flags.model_config_file_poll_wait_seconds:
            self._poller = ConfigFilePoller(
                self._sources, flags.model_config_file, flags.model_config_file_poll_wait_seconds
            )
            self._poller.start()
        self._server.start()
        if self._rest is not None:
            self._rest.start()
        self._server.set_serving(True)
        return address

    def stop(self) -> bool:
        """Takes no new requests, lets those in progress finish within the grace period, frees the models.

        Returns:
          False if requests were still running when the grace period was over.
        """
        self._stopping.set()
        if self._server is not None:
            self._server.set_serving(False)
        if self._poller is not None:
            self._poller.stop()
        stopping = []
        with ThreadPoolExecutor(2, "stop") as both:  # within one grace period
            if self._rest is not None:
                stopping.append(both.submit(self._rest.stop))
            if self._server is not None:
                stopping.append(both.submit(self._server.stop, self._flags.shutdown_grace_seconds))
        for stop in stopping:
            stop.result()  # or what it raised would be lost
        if self._batches is not None:
            self._batches.close()
        freed = self._manager.stop(timeout_s=1)
        self._logs.close()
        self._events.stop()
        return freed

    def abandon_start(self) -> None:
        """Makes a :meth:`start` that waits for a model return."""
        self._stopping.set()
        self._manager.interrupt()

    def _load(self, path: str) -> SavedModel:
        """Loads and warms up the version in a folder."""
        tags = _tags(self._flags)
        parameters = self._batches.parameters if self._batches is not None else None
        if self._flags.enable_per_model_batching_parameters:
            parameters = read_model_parameters(path)
        started, model = time.monotonic(), None
        try:
            if self._batches is None or parameters is None:
                model = SavedModel(path, tags, self._config, self._limits)
            else:
                model = BatchedModel(self._batches, parameters, path, tags, self._config)
        finally:
            if self._metrics is not None:
                self._metrics.loaded(path, time.monotonic() - started, success=model is not None)
        try:
            if self._flags.enable_model_warmup:
                run_warmup(model, max(self._flags.num_request_iterations_for_warmup, 1))
        except BaseException:
            model.close()
            raise
        return model

    def _pages(self, grpc_port: int) -> dict[str, Callable[[], Page]]:
        """Returns what the REST port has beside the API."""
        pages: dict[str, Callable[[], Page]] = {}
        if self._metrics is not None:
            metrics = self._metrics
            pages[self._metrics_path] = lambda: Page(metrics.page())
        if self._flags.page:
            pages[PAGE_PATH] = lambda: self._page(grpc_port)
        return pages

    def _page(self, grpc_port: int) -> Page:
        """Returns the page to try the models on."""
        labels = self._manager.labels
        models = [PageModel(name, labels.names(name)) for name in self._manager.models()]
        return render(models, grpc=f":{grpc_port}", tls=self._credentials is not None)


def _tags(flags: Flags) -> list[str]:
    return [tag for tag in flags.saved_model_tags.split(",") if tag]


def _first_config(flags: Flags) -> Any:
    """Returns the ``ModelServerConfig`` to begin with.

    Raises:
      ServingError: ``--model_config_file`` cannot be read.
    """
    if flags.model_config_file:
        return read_config(flags.model_config_file)
    config = model_server_config_pb2.ModelServerConfig()
    if flags.model_base_path:
        entry = {"name": flags.model_name, "base_path": flags.model_base_path, "model_platform": PLATFORM}
        config.model_config_list.config.add(**entry)
    return config

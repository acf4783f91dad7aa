"""How to start a server for pushed models: TensorFlow Serving where it is installed, else the built-in one."""

import shutil
import sys
from pathlib import Path

from serving.contract.errors import ServingError
from serving.contract.layout import CONFIG_NAME
from serving.contract.model_config import config_lock, folder_config, follow_moved_folder, read_config, write_config

TENSORFLOW_MODEL_SERVER = "tensorflow_model_server"

# A model says itself how its requests are batched. Within a request one operation follows another, each too small to share:
# threads to hand them between only cost. Run on the thread that asks (-1), a batch of sums takes half the time.
_FOR_SMALL_MODELS = (
    "--enable_batching=true",
    "--enable_per_model_batching_parameters=true",
    "--tensorflow_intra_op_parallelism=1",
    "--tensorflow_inter_op_parallelism=-1",
)


def server_command(
    serving_dir: str | Path,
    *,
    port: int = 8500,
    rest_port: int | None = None,
    bind_address: str | None = None,
    ready_file: str | Path | None = None,
    config_file: str | Path | None = None,
    executable: str | None = None,
    page: bool = False,
    verbose: bool = False,
) -> list[str]:
    """Returns the command that serves every model below a folder.

    Args:
      serving_dir: Folder with ``<model>/<version>/saved_model.pb``.
      port: Port for gRPC; 0 for a free one (built-in server only).
      rest_port: Port for REST; None for none.
      bind_address: Address to listen on (built-in server only; TensorFlow Serving listens on all of them).
      ready_file: File that the built-in server writes its ports to when it is ready.
      config_file: Where the ``model_config_list`` for TensorFlow Serving is written; ``models.config`` in
        ``serving_dir`` by default.
      executable: ``tensorflow_model_server`` or a path to it; None to look for it on PATH. ``builtin`` for the built-in
        server whatever there is.
      page: Have the built-in server serve the page to try the models on.
      verbose: Have the built-in server log what it loads.

    Returns:
      Program and arguments.

    Raises:
      ValueError: TensorFlow Serving would be started but there is no model for it, or it lacks what was asked for.
    """
    tensorflow_serving = None
    if executable != "builtin":
        tensorflow_serving = shutil.which(executable or TENSORFLOW_MODEL_SERVER)
        if executable and not tensorflow_serving:
            raise ValueError(
                f"There is no {executable} on PATH; install it, or leave the choice to the built-in server."
            )
    if tensorflow_serving is None:
        command = [
            sys.executable,
            "-m",
            "serving",
            f"--serving_dir={serving_dir}",
            f"--port={port}",
            *_FOR_SMALL_MODELS,
        ]
        optional = {"rest_api_port": rest_port, "bind_address": bind_address, "ready_file": ready_file}
        command += [f"--{name}={value}" for name, value in optional.items() if value is not None]
        return [*command, *(["--page"] if page else []), *(["--verbose"] if verbose else [])]
    if page:
        raise ValueError(
            "TensorFlow Serving serves no pages; leave --page out, and beside it start "
            f"`charseq page --server http://127.0.0.1:{rest_port}`."
        )
    if port == 0 or ready_file is not None or bind_address is not None:
        raise ValueError(
            "TensorFlow Serving picks no free port, writes no ready file and listens on every address; "
            "give a port alone, or use the built-in server."
        )
    config = Path(config_file) if config_file else Path(serving_dir) / CONFIG_NAME
    write_model_config(serving_dir, config)
    command = [tensorflow_serving, f"--port={port}", f"--model_config_file={config.resolve()}", *_FOR_SMALL_MODELS]
    # A push lists its model in the file.
    command.append("--model_config_file_poll_wait_seconds=1")
    # At its start no version is loaded yet that the labels in the file could name.
    command.append("--allow_version_labels_for_unavailable_models=true")
    return [*command, f"--rest_api_port={rest_port}"] if rest_port is not None else command


def write_model_config(serving_dir: str | Path, config_file: Path) -> None:
    """Writes the ``model_config_list`` of every model below a folder, in text format.

    What the file says already, such as the version that a rollout made stable, is kept.

    Args:
      serving_dir: Folder with ``<model>/<version>/saved_model.pb``.
      config_file: The file to write; replaced as a whole.

    Raises:
      ValueError: there is no model, and TensorFlow Serving does not start without one; or the file is damaged.
    """
    nothing = ValueError(f"There is no model below {serving_dir} yet; push one first (charseq run).")
    if not Path(serving_dir).is_dir():
        raise nothing
    with config_lock(serving_dir):
        try:
            existing = read_config(config_file) if config_file.exists() else None
        except ServingError as error:
            raise ValueError(f"{error.message}; correct or remove that file.") from error
        config = folder_config(serving_dir, existing)
        follow_moved_folder(config, serving_dir)
        if not config.model_config_list.config:
            raise nothing
        write_config(config_file, config)

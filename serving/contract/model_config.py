"""``ModelServerConfig``: which models to serve, which of their versions, and what the versions are called."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from charseq_client.messages import model_server_config_pb2
from serving.contract.errors import Code, ServingError, invalid_argument
from serving.contract.layout import CONFIG_NAME, LOCK_NAME
from serving.contract.versions import ModelSource, VersionPolicy, models_in_folder, models_named

# Model to label to version.
Assignments = Mapping[str, Mapping[str, int]]

PLATFORM = "tensorflow"
_TENSORFLOW_TYPE = 1  # ModelType.TENSORFLOW, which older files have instead of the platform

# First line of a file that `write_config` wrote; then comes its folder, as JSON.
_WRITTEN_IN = b"# Written in the folder: "

# A configuration is a few hundred bytes per model; what is larger is some other file.
_MAX_FILE_BYTES = 1 << 24


def read_config(path: str | Path, directory: int | None = None) -> Any:
    """Reads a ``ModelServerConfig`` in text format.

    The paths in it are absolute, because TensorFlow Serving asks for that. If the file was written in another folder, that
    folder was moved, copied or mounted here: models of that folder are then looked for in this one.

    Args:
      path: The file.
      directory: A descriptor of its folder, for who must read it from the folder that was opened, whatever has its name now.

    Raises:
      ServingError: the file cannot be read, or is no such configuration.
    """
    try:
        with open(
            path if directory is None else Path(path).name, "rb", opener=partial(os.open, dir_fd=directory)
        ) as file:
            text = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise ServingError(Code.NOT_FOUND, f"{path}; No such file or directory") from error
    except OSError as error:
        raise ServingError(Code.FAILED_PRECONDITION, f"{path} cannot be read: {error.strerror}") from error
    if len(text) > _MAX_FILE_BYTES:
        raise invalid_argument(f"{path} is larger than {_MAX_FILE_BYTES} bytes; that is no model configuration.")
    try:
        config = text_format.Parse(text.decode(), model_server_config_pb2.ModelServerConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise invalid_argument(f"Invalid protobuf file: '{path}': {error}") from error
    before, here = _written_in(text), _folder_of(path)
    if before and before != here:
        for entry in config.model_config_list.config:
            if entry.base_path.startswith(f"{before}/"):
                entry.base_path = here + entry.base_path.removeprefix(before)
    return config


def _written_in(text: bytes) -> str:
    """Returns the folder in which a file says that it was written; empty if it does not say."""
    line = text.partition(b"\n")[0]
    if not line.startswith(_WRITTEN_IN):
        return ""
    try:
        folder = json.loads(line.removeprefix(_WRITTEN_IN))
    except ValueError:
        return ""
    return folder if isinstance(folder, str) else ""


def _folder_of(path: str | Path) -> str:
    return os.path.dirname(os.path.abspath(path))


def write_config(path: str | Path, config: Any) -> None:
    """Replaces a configuration file as a whole: aside first, then renamed.

    Raises:
      OSError: it cannot be written.
    """
    target = Path(path)
    aside = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with aside.open("w") as file:
            file.write(f"{_WRITTEN_IN.decode()}{json.dumps(_folder_of(path))}\n")
            file.write(text_format.MessageToString(config))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def config_lock(serving_dir: str | Path) -> Iterator[None]:
    """Keeps two who change the configuration of a serving folder apart, for a ``with`` statement.

    Raises:
      OSError: the folder cannot be written to.
    """
    with (Path(serving_dir) / LOCK_NAME).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def register(serving_dir: str | Path, name: str) -> bool:
    """Lists a model of a serving folder in the folder's configuration, from which TensorFlow Serving learns of it.

    What the file says already, of this model and of others, is kept. The model is served by the policy ``latest``.

    Args:
      serving_dir: Folder with ``<model>/<version>/saved_model.pb``.
      name: The model.

    Returns:
      False if it was listed already.

    Raises:
      ServingError: the file that is there is no configuration.
      OSError: it cannot be written.
    """
    folder = Path(serving_dir).absolute()
    with config_lock(folder):
        path = folder / CONFIG_NAME
        config = model_server_config_pb2.ModelServerConfig()
        if path.exists():
            config = read_config(path)
            elsewhere = _written_in(path.read_bytes()) not in ("", _folder_of(path))
            if follow_moved_folder(config, folder) or elsewhere:
                write_config(path, config)
        if any(entry.name == name for entry in config.model_config_list.config):
            return False
        config.model_config_list.config.add(name=name, base_path=str(folder / name), model_platform=PLATFORM)
        write_config(path, config)
        return True


def follow_moved_folder(config: Any, serving_dir: str | Path) -> bool:
    """Corrects a folder's configuration after somebody has moved the folder: its paths are absolute.

    An entry is corrected if there is nothing at its path, and the serving folder has a model of its name.

    Args:
      config: The ``ModelServerConfig``; it is changed.
      serving_dir: Folder with ``<model>/<version>/saved_model.pb``.

    Returns:
      Whether an entry was corrected.
    """
    gone = [
        entry
        for entry in config.model_config_list.config
        if os.path.isabs(entry.base_path) and not os.path.lexists(entry.base_path)
    ]
    there = {source.name: source for source in models_named(str(serving_dir), [entry.name for entry in gone])}
    for entry in gone:
        if entry.name in there:
            entry.base_path = there[entry.name].base_path
    return bool(there)


def folder_config(serving_dir: str | Path, existing: Any | None = None) -> Any:
    """Returns the configuration of every model below a folder.

    Args:
      serving_dir: Folder with ``<model>/<version>/saved_model.pb``.
      existing: A configuration whose entries are kept: policies, labels and models elsewhere.

    Returns:
      The ``ModelServerConfig``; the models that ``existing`` does not name get the policy ``latest``.
    """
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.SetInParent()
    if existing is not None:
        config.CopyFrom(existing)
    named = {entry.name for entry in config.model_config_list.config}
    for source in models_in_folder(str(serving_dir)):
        if source.name not in named:
            config.model_config_list.config.add(name=source.name, base_path=source.base_path, model_platform=PLATFORM)
    return config


def validate(entries: Iterable[Any]) -> None:
    """Checks the entries of a ``model_config_list``.

    Raises:
      ServingError: INVALID_ARGUMENT, two have one name, a path is relative, or a platform is not said.
    """
    names: set[str] = set()
    for entry in entries:
        if entry.name in names:
            raise invalid_argument(f"Illegal to list model {entry.name} multiple times in config list")
        names.add(entry.name)
        if not os.path.isabs(entry.base_path):
            raise invalid_argument(
                f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}"
            )
        if entry.model_platform and entry.model_type:
            raise invalid_argument(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and "
                f"ModelServerConfig::model_platform, model name is {entry.name}"
            )
        if not entry.model_platform and entry.model_type != _TENSORFLOW_TYPE:
            raise invalid_argument(
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                f"ModelServerConfig::model_platform, model name is {entry.name}"
            )


def validate_platforms(entries: Iterable[Any]) -> None:
    """Checks that all models are TensorFlow's.

    Raises:
      ServingError: INVALID_ARGUMENT, one is not.
    """
    for entry in entries:
        if _platform(entry) != PLATFORM:
            raise invalid_argument(f"Model {entry.name} requests unsupported platform {entry.model_platform}")


def validate_change(before: Iterable[Any], after: Iterable[Any]) -> None:
    """Checks that no model changes its platform.

    Raises:
      ServingError: INVALID_ARGUMENT, one does.
    """
    platforms = {entry.name: _platform(entry) for entry in before}
    for entry in after:
        old, new = platforms.get(entry.name), _platform(entry)
        if old is not None and new != old:
            raise invalid_argument(
                f"Illegal to change a model's platform. For model {entry.name} platform was {old} and new platform "
                f"requested is {new}"
            )


def _platform(entry: Any) -> str:
    return str(entry.model_platform or PLATFORM)


def source_of(entry: Any) -> ModelSource:
    """Returns the model that an entry names, with its policy."""
    policy = entry.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        chosen = VersionPolicy("all")
    elif kind == "specific":
        chosen = VersionPolicy("specific", versions=frozenset(policy.specific.versions))
    else:
        chosen = VersionPolicy("latest", policy.latest.num_versions)
    return ModelSource(entry.name, entry.base_path, chosen)


def labels_of(entries: Iterable[Any]) -> Assignments:
    """Returns model to label to version."""
    return {entry.name: dict(entry.version_labels) for entry in entries if entry.version_labels}

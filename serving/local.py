"""A pushed model that answers in this process: no server, and TensorFlow's libraries without its Python package.

>>> with LocalModel("runs/serving/sums") as model:
...     model.predict(["12+34"]).strings("text")
['46']
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from charseq_client.answers import Prediction, PredictionError, read_prediction
from charseq_client.arrays import Value, to_proto
from charseq_client.messages import DEFAULT_SIGNATURE, config_pb2, predict_pb2, types_pb2
from charseq_client.signatures import fill_inputs, find_signature
from charseq_client.tensors import Tensor
from serving.contract.errors import Code, ServingError
from serving.contract.layout import CONFIG_NAME, STABLE
from serving.contract.model_config import folder_config, read_config, source_of
from serving.contract.versions import has_saved_model, parse_version, versions_on_disk
from serving.server.models.saved_model import SavedModel


class LocalModel:
    """A model that is loaded here. Safe from many threads at a time; close it or use it as a context manager.

    Attributes:
      name: Name of the model: of the folder that holds its versions.
      version: The version; 0 for a SavedModel whose folder is not named by a number.
      signatures: Signature key to ``tensorflow.SignatureDef``.
    """

    def __init__(self, folder: str | Path, *, version: int | None = None, threads: int = 0) -> None:
        """Loads a version.

        Args:
          folder: A version's folder, with ``saved_model.pb``, or the folder of a model's versions.
          version: Which version, if `folder` is a model's; by default the one that a server of that folder answers with: the
            one labelled ``stable``, else the newest.
          threads: Runs of the model that can go on at a time; 0 for one a processor.

        Raises:
          PredictionError: NOT_FOUND, there is no such version; any other, TensorFlow cannot load it.
        """
        path = find_version(folder, version)
        self.path = str(path)
        self.version = parse_version(path.name) or 0
        self.name = path.parent.name if self.version else path.name
        config = config_pb2.ConfigProto()
        # An operation has one thread. Several runs at a time use the processors better, and an answer does not depend on how
        # many processors there are.
        config.intra_op_parallelism_threads = 1
        config.inter_op_parallelism_threads = threads
        config.experimental.disable_thread_spinning = True
        try:
            self._model = SavedModel(str(path), config=config.SerializeToString())
        except ServingError as error:
            raise PredictionError(error.code, f"{path} cannot be loaded: {error.message}") from error
        self.signatures: dict[str, Any] = dict(self._model.signature_defs)

    def predict(
        self,
        inputs: Mapping[str, Value] | Sequence[str],
        *,
        signature: str = DEFAULT_SIGNATURE,
        output_filter: Sequence[str] | None = None,
        **values: Value,
    ) -> Prediction:
        """Runs the model.

        Args:
          inputs: Texts, one a row, for a signature that takes one text a row; or input name to values, as for
            :meth:`charseq_client.blocking.Client.predict`. Numbers of any kind become the floats that an input takes.
          signature: The signature to run.
          output_filter: Names of the outputs wanted; all by default.
          values: With texts: further inputs by name, such as ``length=[100]``.

        Raises:
          PredictionError: The model refused; the codes and texts are a server's.
          ValueError: The inputs cannot be those of a model, or there is no such signature.
        """
        definition = find_signature(self.signatures, signature)
        if isinstance(inputs, str):
            raise ValueError("give a list of texts, not one text: [text]")
        named = dict(inputs) | values if isinstance(inputs, Mapping) else fill_inputs(definition, inputs, values)
        protos = {name: to_proto(name, _as_floats(definition.inputs.get(name), value)) for name, value in named.items()}
        try:
            answer = self._model.predict(self._model.signature(signature), protos, output_filter or ())
        except ServingError as error:
            raise PredictionError(error.code, error.message) from error
        response = predict_pb2.PredictResponse.FromString(answer)
        response.model_spec.name = self.name
        response.model_spec.version.value = self.version
        response.model_spec.signature_name = signature
        return read_prediction([response])

    def close(self) -> None:
        """Frees the model. No call may be in progress; a second call does nothing."""
        self._model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _as_floats(info: Any, value: Value) -> Value:
    """Returns numbers of any kind as the floats that an input takes; TensorFlow itself converts nothing. Others as they are."""
    kinds = {types_pb2.DT_FLOAT: np.float32, types_pb2.DT_DOUBLE: np.float64}
    if info is None or info.dtype not in kinds or isinstance(value, Tensor):
        return value
    try:
        array = np.asarray(value)
    except ValueError:  # rows of several lengths, of which the message of `to_proto` is better
        return value
    return array.astype(kinds[info.dtype], copy=False) if array.dtype.kind in "iuf" else value


def find_version(folder: str | Path, version: int | None = None) -> Path:
    """Returns the folder of a version, as an absolute path.

    Args:
      folder: A version's folder, or the folder of a model's versions.
      version: Which of a model's versions; by default the one that a server answers with.

    Raises:
      PredictionError: NOT_FOUND, there is no SavedModel, or no such version; the message says what there is.
    """
    path = Path(os.path.abspath(os.path.expanduser(folder)))
    if has_saved_model(str(path)):
        if version is not None and parse_version(path.name) != version:
            raise PredictionError(Code.NOT_FOUND, f"{path} is one version, and not {version}; leave the version out.")
        return path
    versions = {
        number: found for number, found in (versions_on_disk(str(path)) or {}).items() if has_saved_model(found)
    }
    if not versions:
        known = "; ".join(sorted(entry.name for entry in path.iterdir() if entry.is_dir())) if path.is_dir() else ""
        there = f"; it has the folders {known}" if known else "" if path.is_dir() else ": there is no such folder"
        raise PredictionError(
            Code.NOT_FOUND, f"{path} holds no SavedModel and no versions of one{there}. Name runs/serving/MODEL."
        )
    chosen = _served(path, set(versions)) if version is None else version
    if chosen not in versions:
        raise PredictionError(
            Code.NOT_FOUND, f"{path} has no version {chosen}; it has {', '.join(map(str, sorted(versions)))}."
        )
    return Path(versions[chosen])


def _served(path: Path, versions: set[int]) -> int:
    """Returns the version that requests without a version get from a server of the folder above."""
    file = path.parent / CONFIG_NAME
    try:
        config = folder_config(path.parent, read_config(file)) if file.exists() else None
    except ServingError as error:
        raise PredictionError(error.code, error.message) from error
    entry = next((e for e in config.model_config_list.config if e.name == path.name), None) if config else None
    if entry is None:
        return max(versions)
    if STABLE in entry.version_labels:
        return int(entry.version_labels[STABLE])
    return max(source_of(entry).policy.select(versions), default=max(versions))

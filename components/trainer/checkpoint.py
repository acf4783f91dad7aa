"""Checkpoints of a training in progress: killed at any moment and started again, it ends with the same weights.

Not keras.callbacks.BackupAndRestore, which forgets what other callbacks count (EarlyStopping's patience) and the history so
far, and which a kill during its write can leave without a whole file.
"""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.trainer.weights_file import BestWeights, read_arrays, write_arrays
from components.trainer.workers import is_chief

# What Keras's callbacks remember from one epoch to the next.
_REMEMBERED = {
    keras.callbacks.EarlyStopping: ("wait", "best", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    BestWeights: ("best",),
}


# Part of a checkpoint's name. Raise it when a change of code makes older checkpoints wrong to go on from.
_FORMAT = 3


def checkpoint_name(train_json: str, vocabulary: list[str], *fingerprints: str) -> str:
    """Returns a name for all that the weights depend on: settings, vocabulary, and fingerprints of the data."""
    parts = [str(_FORMAT), keras.__version__, train_json, json.dumps(vocabulary), *fingerprints]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def fingerprint(*arrays: npt.NDArray[Any]) -> str:
    """Returns a hash of the shapes, types and contents of arrays, for `checkpoint_name`."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def discard_checkpoint(directory: str) -> None:
    """Removes the checkpoint of a training whose model is safe elsewhere."""
    if is_chief() and tf.io.gfile.exists(directory):
        tf.io.gfile.rmtree(directory)


class TrainingState(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves weights, optimizer, random states, history and patience after an epoch, and restores them.

    Attributes:
      history: Logs of every epoch from the first, those before a restart included.
      seconds: Seconds of training, those before a restart included (as far as they were saved).
      finished: Whether the training was over when it was saved.
    """

    def __init__(self, directory: str, every_seconds: float, callbacks: Sequence[keras.callbacks.Callback]):
        """Makes the callback.

        Args:
          directory: Folder of this training's checkpoint, on any file system that TensorFlow opens. Its name must follow from
            all that the result depends on, since whatever lies there is continued.
          every_seconds: Least time between two checkpoints.
          callbacks: Callbacks whose memory (patience, best value) is part of the state; they run before this one.
        """
        super().__init__()
        self._path = os.path.join(directory, "checkpoint.npz")
        self._every_seconds = every_seconds
        self._callbacks = {type(callback).__name__: callback for callback in callbacks if type(callback) in _REMEMBERED}
        self._remembered: dict[str, dict[str, Any]] = {}
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0
        self.finished = False

    def restore(self, model: keras.Model) -> int:
        """Restores a compiled model from the checkpoint, if there is one.

        Returns:
          The epoch to go on with, 0 at first.
        """
        self.set_model(model)
        model.optimizer.build(model.trainable_variables)
        arrays = read_arrays(self._path)
        if arrays:
            state = json.loads(str(arrays["state"]))
            for index, variable in enumerate(self._variables()):
                variable.assign(arrays[str(index)])
            self.history, self.seconds, self.finished = state["history"], state["seconds"], state["finished"]
            self._remembered = state["callbacks"]
        return len(self.history)

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        for name, memory in self._remembered.items():  # their own on_train_begin has just reset them
            vars(self._callbacks[name]).update(memory)
        self._resumed_at = self._saved_at = time.monotonic()
        self._seconds_before = self.seconds

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        now = time.monotonic()
        self.history.append({name: float(value) for name, value in (logs or {}).items()})
        self.seconds = self._seconds_before + now - self._resumed_at
        if now - self._saved_at >= self._every_seconds:
            self._save()
            self._saved_at = time.monotonic()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        # For whoever dies between here and the export.
        self.finished = True
        self._save()

    def _variables(self) -> list[keras.Variable]:
        metrics = {id(variable) for variable in self.model.metrics_variables}
        weights = [variable for variable in self.model.variables if id(variable) not in metrics]
        return [*weights, *self.model.optimizer.variables]

    def _save(self) -> None:
        if not is_chief():
            return
        state = {
            "history": self.history,
            "seconds": self.seconds,
            "finished": self.finished,
            "callbacks": {
                name: {field: getattr(callback, field) for field in _REMEMBERED[type(callback)]}
                for name, callback in self._callbacks.items()
            },
        }
        arrays = {str(index): np.asarray(variable) for index, variable in enumerate(self._variables())}
        write_arrays(self._path, {"state": np.array(json.dumps(state, default=float)), **arrays})

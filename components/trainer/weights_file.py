"""Files of weights while a training lasts: written whole or not at all, also when the power fails."""

import io
import logging
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.files import write_file
from components.trainer.workers import is_chief

_LOG = logging.getLogger("charseq.trainer")


def write_arrays(path: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Writes arrays into a file, on any file system that TensorFlow opens; the folders above it are made."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    write_file(path, content.getvalue())


def read_arrays(path: str) -> dict[str, npt.NDArray[Any]]:
    """Returns the arrays of a file; none if there is no file, or if a power cut or a full disk has left a damaged one."""
    if not tf.io.gfile.exists(path):
        return {}
    with tf.io.gfile.GFile(path, "rb") as file:
        content = io.BytesIO(file.read())
    try:
        with np.load(content, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        _LOG.warning("%s is damaged and left out: %s", path, error)
        return {}


class BestWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the weights of the epoch whose figure is the least.

    Not keras.callbacks.ModelCheckpoint, which a kill or a full disk leaves without a whole file.
    """

    def __init__(self, path: str, monitor: str):
        """Makes the callback.

        Args:
          path: The file of the weights, on any file system that TensorFlow opens.
          monitor: The figure's name in the logs.
        """
        super().__init__()
        self._path, self._monitor = path, monitor
        self.best = float("inf")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        figure = (logs or {}).get(self._monitor)
        if figure is None or not figure < self.best:
            return
        self.best = float(figure)
        if is_chief():
            write_arrays(self._path, {str(index): np.asarray(v) for index, v in enumerate(self.model.weights)})

    def restore(self, model: keras.Model) -> None:
        """Gives a model the best weights; leaves it as it is if no epoch had a figure."""
        for name, array in read_arrays(self._path).items():
            model.weights[int(name)].assign(array)

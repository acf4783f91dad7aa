"""What a training leaves for people to look at: history, curves, diagram, and the model in Keras's formats."""

import dataclasses
import io
import json
import os

import h5py
import keras
import numpy as np
import numpy.typing as npt
from keras.src.legacy.saving import legacy_h5_format

from components.files import write_file
from components.trainer.fitting import Training
from components.trainer.keras_internals import layer_connections
from components.trainer.pictures import LayerSummary, draw_curves, draw_diagram, to_png

# As many as reference 2 shows.
SAMPLED_PREDICTIONS = 40


@dataclasses.dataclass(frozen=True)
class SampledPrediction:
    """A model's answer to an unseen example, all as text.

    Attributes:
      expression: What was asked.
      answer: The right answer.
      predicted: The model's.
    """

    expression: str
    answer: str
    predicted: str


def write_run_files(training: Training, run_dir: str) -> None:
    """Writes history.json, curves.png, model.png, model.keras and model.h5 into `run_dir`."""
    model = training.model
    layers = summarize_layers(model)
    title = f"{model.name}: {model.count_params():,} parameters"
    history = {
        "epochs": training.history,
        "seconds": training.seconds,
        "parameters": model.count_params(),
        "model": title,
        "layers": [dataclasses.asdict(layer) for layer in layers],
    }
    write_file(os.path.join(run_dir, "history.json"), json.dumps(history, indent=1).encode())
    write_file(os.path.join(run_dir, "curves.png"), to_png(draw_curves({"": training.history})))
    write_file(os.path.join(run_dir, "model.png"), to_png(draw_diagram(layers, title)))
    model.save(os.path.join(run_dir, "model.keras"))
    write_file(os.path.join(run_dir, "model.h5"), _to_hdf5(model))


def _to_hdf5(model: keras.Model) -> bytes:
    """Returns a model in Keras's older format. It is made in memory: HDF5 ends the process if a disk is full."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        legacy_h5_format.save_model_to_hdf5(model, file)  # keras.saving takes no open file for this format
    return content.getvalue()


def summarize_layers(model: keras.Model) -> list[LayerSummary]:
    """Returns a model's layers from input to output."""
    feeding = layer_connections(model)
    return [
        LayerSummary(
            layer.name,
            type(layer).__name__,
            str(getattr(layer.output, "shape", "")),
            layer.count_params(),
            tuple(source for source, target in feeding if target == layer.name),
        )
        for layer in model.layers
    ]


def spread(count: int, most: int) -> npt.NDArray[np.int64]:
    """Returns indices that are evenly spread over `count` rows, at most `most`."""
    return np.unique(np.linspace(0, count - 1, most).astype(np.int64))

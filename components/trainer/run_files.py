"""What a training leaves for people to look at: history, curves, diagram, and the model in Keras's formats."""

import dataclasses
import json
import os

import keras
import numpy as np
import numpy.typing as npt

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
    for name in ("model.keras", "model.h5"):
        model.save(os.path.join(run_dir, name))


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

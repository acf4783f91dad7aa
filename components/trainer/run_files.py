"""What a training leaves for people to look at: history, curves, diagram, predictions, and the model in Keras's formats."""

import io
import json
import os
from collections.abc import Sequence

import keras
import matplotlib
import matplotlib.figure
import numpy as np

from components.files import write_file
from components.trainer.fitting import Training
from components.trainer.input_pipeline import TokenArrays

# As many as reference 2 shows.
SAMPLED_PREDICTIONS = 40


def write_run_files(training: Training, run_dir: str) -> None:
    """Writes history.json, curves.png, model.png, model.keras and model.h5 into `run_dir`."""
    history = {"epochs": training.history, "seconds": training.seconds, "parameters": training.model.count_params()}
    write_file(os.path.join(run_dir, "history.json"), json.dumps(history, indent=1).encode())
    write_file(os.path.join(run_dir, "curves.png"), _to_png(draw_curves(training.history)))
    write_file(os.path.join(run_dir, "model.png"), _to_png(draw_diagram(training.model)))
    for name in ("model.keras", "model.h5"):
        training.model.save(os.path.join(run_dir, name))


def write_predictions(model: keras.Model, eval_arrays: TokenArrays, vocabulary: Sequence[str], run_dir: str) -> None:
    """Writes predictions.txt, of a seq2seq model, into `run_dir`."""
    predictions = sample_predictions(model, eval_arrays, vocabulary)
    write_file(os.path.join(run_dir, "predictions.txt"), predictions.encode())


def draw_curves(history: Sequence[dict[str, float]]) -> matplotlib.figure.Figure:
    """Draws loss and accuracy per character over the epochs, training and validation."""
    figure = matplotlib.figure.Figure(figsize=(10, 4), layout="constrained")
    for axes, metric, title in zip(
        figure.subplots(1, 2),
        ("loss", "accuracy"),
        ("loss (nats per character)", "accuracy per character"),
        strict=True,
    ):
        for key, label in ((metric, "training"), (f"val_{metric}", "validation")):
            points = [(epoch, logs[key]) for epoch, logs in enumerate(history, 1) if key in logs]
            axes.plot(*zip(*points, strict=True), label=label, marker="." if len(points) < 40 else "")
        if metric == "loss":
            axes.set_yscale("log")
        axes.set(xlabel="epoch", title=title)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def draw_diagram(model: keras.Model) -> matplotlib.figure.Figure:
    """Draws a model's layers from input to output, each with its output shape and parameters, and what feeds what.

    Not keras.utils.plot_model, which needs Graphviz's programs on the machine.
    """
    rows = {layer.name: row for row, layer in enumerate(model.layers)}
    figure = matplotlib.figure.Figure(figsize=(7, 0.75 * len(rows) + 0.6), layout="constrained")
    axes = figure.subplots()
    for layer in model.layers:
        shape = str(getattr(layer.output, "shape", ""))
        text = f"{layer.name}  ({type(layer).__name__})\n{shape}   {layer.count_params():,} parameters"
        row = rows[layer.name]
        axes.text(0.5, -row, text, ha="center", va="center", fontsize=9, bbox={"boxstyle": "round", "fc": "#e8eef7"})
    for source, target in _connections(model):
        begin, end = rows[source], rows[target]
        # A connection that passes other layers goes around them, the longer the wider.
        around = end - begin > 1
        xy, xytext = ((0.68, -end), (0.68, -begin)) if around else ((0.5, -end + 0.3), (0.5, -begin - 0.3))
        style = f"arc3,rad={-min(0.5, 0.9 / (end - begin))}" if around else "arc3"
        axes.annotate("", xy, xytext, arrowprops={"arrowstyle": "->", "connectionstyle": style})
    axes.set(xlim=(0, 1.1), ylim=(-len(rows) + 0.4, 0.6), title=f"{model.name}: {model.count_params():,} parameters")
    axes.axis("off")
    return figure


def _connections(model: keras.Model) -> list[tuple[str, str]]:
    """Returns which layer feeds which, by name, each pair once."""
    pairs = (
        (parent.operation.name, layer.name)
        for layer in model.layers
        for node in layer._inbound_nodes
        for parent in node.parent_nodes
    )
    names = {layer.name for layer in model.layers}
    return [pair for pair in dict.fromkeys(pairs) if names.issuperset(pair)]


def sample_predictions(model: keras.Model, arrays: TokenArrays, vocabulary: Sequence[str]) -> str:
    """Returns answers to 40 examples spread over a split, one a line, with a tick for the right ones."""
    rows = np.unique(np.linspace(0, len(arrays) - 1, SAMPLED_PREDICTIONS).astype(int))
    # Called, not model.predict, which would compile a function for this one batch.
    best = np.argmax(model(arrays.tokens[rows].astype(np.int32), training=False), axis=-1)
    lines = []
    for tokens, target, prediction in zip(arrays.tokens[rows], arrays.targets[rows], best, strict=True):
        expression, answer, predicted = (
            "".join(vocabulary[index] for index in indices) for indices in (tokens, target, prediction)
        )
        lines.append(f"{expression} = {predicted} " + ("✓" if predicted == answer else f"✗ (right: {answer})"))
    return "\n".join(lines) + "\n"


def _to_png(figure: matplotlib.figure.Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()

"""Learning curves and the diagram of a model, drawn from what a training has written down: no Keras here."""

import dataclasses
import io
import re
from collections.abc import Mapping, Sequence

import matplotlib
import matplotlib.figure
from matplotlib.ticker import LogLocator, NullFormatter

# Strong enough on white and on black, and told apart by people who see no red or green; runs beside each other are told
# apart by colour, training and validation by the stroke.
_COLOURS = ("#2f7fc1", "#d9660a")

_GRID = "#888888"

# The titles of the curves, by what was measured beside the loss.
_TITLES = {"accuracy": ("loss (nats per character)", "accuracy per character")}


@dataclasses.dataclass(frozen=True)
class LayerSummary:
    """A layer of a model.

    Attributes:
      name: Its name.
      kind: Its class.
      shape: Shape of its output, as text.
      parameters: Their number.
      inputs: Names of the layers that feed it.
    """

    name: str
    kind: str
    shape: str
    parameters: int
    inputs: tuple[str, ...]


def draw_curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> matplotlib.figure.Figure:
    """Draws the loss and what was measured beside it, such as accuracy, over the epochs, training and validation.

    Args:
      histories: Logs of every epoch, under the name of the run; one run may have the empty name.
    """
    figure = matplotlib.figure.Figure(figsize=(10, 4), layout="constrained")
    measure = measure_of(histories)
    titles = _TITLES.get(measure, ("loss", measure.replace("_", " ")))
    for axes, metric, title in zip(figure.subplots(1, 2), ("loss", measure), titles, strict=True):
        for (name, history), colour in zip(histories.items(), _COLOURS, strict=False):
            for key, kind, stroke in ((metric, "training", ":"), (f"val_{metric}", "validation", "-")):
                points = [(epoch, logs[key]) for epoch, logs in enumerate(history, 1) if key in logs]
                style = {"color": colour, "linestyle": stroke, "marker": "." if len(points) < 40 else ""}
                axes.plot(*zip(*points, strict=True), label=f"{name} {kind}".strip(), **style)
        if metric == "loss":
            axes.set_yscale("log")
            lowest, highest = axes.get_ylim()
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if highest < 100 * lowest else (1,)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel="epoch", title=title)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(color=_GRID, alpha=0.3)
        axes.legend(frameon=False)
    return figure


def measure_of(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Returns the name of what was measured beside the loss in the logs of epochs: `accuracy`, or what a family has."""
    logs = next((log for history in histories.values() for log in history), {})
    return next(
        (name for name in logs if name not in ("loss", "learning_rate") and not name.startswith("val_")), "accuracy"
    )


def draw_diagram(layers: Sequence[LayerSummary], title: str) -> matplotlib.figure.Figure:
    """Draws a model's layers from input to output, each with its output shape and parameters, and what feeds what.

    Not keras.utils.plot_model, which needs Graphviz's programs on the machine.
    """
    rows = {layer.name: row for row, layer in enumerate(layers)}
    figure = matplotlib.figure.Figure(figsize=(5, 0.75 * len(rows) + 0.6), layout="constrained")
    axes = figure.subplots()
    for row, layer in enumerate(layers):
        text = f"{layer.name}  ({layer.kind})\n{layer.shape}   {layer.parameters:,} parameters"
        box = {"boxstyle": "round", "fc": "none", "ec": _COLOURS[0]}
        axes.text(0.5, -row, text, ha="center", va="center", fontsize=9, bbox=box)
    for layer in layers:
        for source in layer.inputs:
            begin, end = rows[source], rows[layer.name]
            # A connection that passes other layers goes around them, the longer the wider.
            around = end - begin > 1
            xy, xytext = ((0.8, -end), (0.8, -begin)) if around else ((0.5, -end + 0.3), (0.5, -begin - 0.3))
            style = f"arc3,rad={-min(0.5, 0.9 / (end - begin))}" if around else "arc3"
            axes.annotate("", xy, xytext, arrowprops={"arrowstyle": "->", "connectionstyle": style})
    axes.set(xlim=(0.1, 1.2), ylim=(-len(rows) + 0.4, 0.6), title=title)
    axes.axis("off")
    return figure


def to_png(figure: matplotlib.figure.Figure) -> bytes:
    """Returns a figure as a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def to_svg(figure: matplotlib.figure.Figure) -> str:
    """Returns a figure as an element for a page: on the page's background, in its text colour, its words being text."""
    content = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    svg = content.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    # Matplotlib leaves out a fill that is black, the default.
    return svg.replace("#000000", "currentColor").replace("<svg ", '<svg fill="currentColor" ', 1)

"""Settings of a language model's training."""

import dataclasses
import math
from typing import ClassVar, Literal

from components.settings import SettingsError
from components.trainer.settings import FitSettings, by_size, check_least, check_shares

Cell = Literal["lstm", "gru"]
Inputs = Literal["one_hot", "scaled", "embedding"]
Keep = Literal["last", "best_loss", "best_val_loss"]

# Streams: rows of a batch by the characters of training up to which each holds. A larger batch is faster, but a short text
# would make too few steps of it. To read a short text more often does not help: it is soon known by heart (docs/tasks.md).
_BATCH_SIZES = ((30_000, 4), (100_000, 8), (300_000, 16), (math.inf, 32))

# Streams: how often a text is read. One that is longer than this is read less often, by the square root of the ratio.
_EPOCHS, _LONG = 4, 1_000_000


@dataclasses.dataclass(frozen=True)
class LanguageModelSettings(FitSettings):
    """What the language models share.

    Attributes:
      cell: Kind of the recurrent layers.
      layers: Recurrent layers, one upon the other.
      units: Width of each.
      inputs: How a character enters: as a one-hot vector, as its index divided by the number of characters (reference 4), or
        as a learned vector.
      embedding: Width of that learned vector.
      tie_weights: Whether the output layer's kernel is the table of those vectors; `embedding` is then `units`.
      input_dropout: Share of a learned vector's elements that are dropped, the same ones over a segment.
      output_dropout: Share of each recurrent layer's outputs that are dropped.
      weight_dropout: `lstm` only: share of the recurrent kernel that is dropped (DropConnect; Merity et al. 2017), the same
        one over a step.
      plateau_factor: By how much ReduceLROnPlateau multiplies the learning rate when the loss no longer falls; 1 is never.
      plateau_patience: Epochs without a better loss before it does.
      smallest_learning_rate: Where it stops.
      keep: Whose weights are exported: the last epoch's, or those of the epoch with the best loss or val_loss.
      temperatures: At which text is written after every epoch.
      sample_length: Characters of such a text.
      max_length: Most characters that the model generates, or reads as a prompt, in one request.
    """

    SPACE: ClassVar[tuple[str, ...]] = ("learning_rate=1e-3:1e-2", "output_dropout=0.0:0.5", "units=128|256|512")

    cell: Cell = "lstm"
    layers: int = 1
    units: int = 128
    inputs: Inputs = "one_hot"
    embedding: int = 64
    tie_weights: bool = False
    input_dropout: float = 0.0
    output_dropout: float = 0.0
    weight_dropout: float = 0.0
    plateau_factor: float = 1.0
    plateau_patience: int = 1
    smallest_learning_rate: float = 0.0
    keep: Keep = "last"
    temperatures: tuple[float, ...] = (0.2, 0.5, 1.0, 1.2)
    sample_length: int = 400
    max_length: int = 100_000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "layers", "units", "embedding", "plateau_patience", "sample_length", "max_length")
        check_least(self, 0, "smallest_learning_rate", *(f"{kind}_dropout" for kind in ("input", "output", "weight")))
        check_shares(self, "input_dropout", "output_dropout", "weight_dropout")
        if self.tie_weights and (self.inputs != "embedding" or self.embedding != self.units):
            raise SettingsError(
                "train.tie_weights needs train.inputs=embedding and train.embedding as large as train.units "
                f"({self.units}); they are {self.inputs} and {self.embedding}"
            )
        if self.weight_dropout and self.cell != "lstm":
            raise SettingsError("train.weight_dropout works with train.cell=lstm only; set it to 0")
        if not 0 < self.plateau_factor <= 1:
            raise SettingsError(f"train.plateau_factor is {self.plateau_factor}; it lies above 0 and up to 1")
        if self.plateau_factor < 1 and self.warmup:
            raise SettingsError("train.plateau_factor needs a constant learning rate: set train.warmup=0")
        if any(not 0 <= temperature < math.inf for temperature in self.temperatures):
            raise SettingsError(f"train.temperatures is {self.temperatures}; each is 0 or more")


@dataclasses.dataclass(frozen=True)
class StreamSettings(LanguageModelSettings):
    """How to train a model that reads a text as a stream: every prediction reads all that came before.

    The defaults are those of the task `text`, the best that we know for three minutes of two cores. `resolve` chooses what is 0
    here by the length of the text.

    Attributes:
      architecture: `stream`: the states after all characters predict the next one.
      segment: Characters through which a gradient goes back. A shorter one makes more steps of an epoch, and what counts in
        the first epochs is their number: with 64 instead of 128 the held-out loss falls as far in half the time.
      carry_state: Whether the state at a segment's end is that at the next one's start, rows of a batch being consecutive
        streams of the text. Otherwise segments are drawn at random and start from nothing.
      ngrams: With `inputs=embedding`, each character's vector is added to those of the n-grams that it ends, from 2 to so many
        characters; with 1 there are no such vectors. They let a training of few epochs end where one of many more does
        (docs/tasks.md).
      ngram_dropout: Share of the n-grams that are left out in training.
      batch_size: Rows of a batch, streams of the text beside each other; 0 chooses it by the length of the text.
      epochs: How often the text is read; 0 chooses it by the length of the text.
    """

    TRAINER: ClassVar[str] = "components.trainer.language_model.streams"
    SPACE: ClassVar[tuple[str, ...]] = ("learning_rate=3e-3:2e-2", "output_dropout=0.0:0.5", "units=128|256|512")
    FOUND: ClassVar[tuple[str, ...]] = ("batch_size", "epochs")

    architecture: Literal["stream"] = "stream"
    inputs: Inputs = "embedding"
    units: int = 448
    segment: int = 64
    carry_state: bool = True
    ngrams: int = 4
    ngram_dropout: float = 0.3
    batch_size: int = 0
    output_dropout: float = 0.2
    weight_dropout: float = 0.1
    learning_rate: float = 1e-2
    warmup: float = 0.03
    weight_decay: float = 0.02
    beta_2: float = 0.99
    clip_norm: float = 1.0
    epochs: int = 0
    # A step takes a tenth of a second.
    steps_per_execution: int = 20
    histograms: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "segment", "ngrams")
        check_shares(self, "ngram_dropout")

    @property
    def longest_ngram(self) -> int:
        """Characters of the longest n-gram that has a vector; with 1 there is no such n-gram."""
        return self.ngrams if self.inputs == "embedding" else 1


def resolve(settings: StreamSettings, characters: int) -> StreamSettings:
    """Returns settings with nothing left open.

    Args:
      settings: The user's.
      characters: Length of the training split.
    """
    most_rows = max((characters - 1) // settings.segment, 1)
    rows = by_size(_BATCH_SIZES, characters)
    epochs = max(round(_EPOCHS * math.sqrt(min(_LONG / max(characters, 1), 1))), 1)
    return dataclasses.replace(
        settings, batch_size=settings.batch_size or min(rows, most_rows), epochs=settings.epochs or epochs
    )


@dataclasses.dataclass(frozen=True)
class WindowSettings(LanguageModelSettings):
    """How to train a model that reads a window: every prediction starts from nothing. The defaults are reference 3's.

    Attributes:
      architecture: `window`: a window's last state predicts the one character after it.
      window: Characters that a prediction reads.
    """

    TRAINER: ClassVar[str] = "components.trainer.language_model.windows"

    architecture: Literal["window"] = "window"
    window: int = dataclasses.field(default=40, metadata={"derived": "data.context"})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "window")

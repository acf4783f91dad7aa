"""Settings of the seq2seq model, and what those that are left open become."""

import dataclasses
import math
from typing import Any, ClassVar, Literal

from components.settings import SettingsError
from components.trainer.settings import FitSettings, by_size, check_least, check_shares

# By number of pairs up to which each holds. A larger batch is faster, but few pairs would make too few steps of it.
_BATCH_SIZES = ((1_000, 16), (10_000, 32), (50_000, 64), (math.inf, 128))

# XLA compiles for some 15 s for each shape: with few pairs that is more than the padding that another shape spares. In batches
# of English words 18% of the tokens are padding with 4 shapes, and 9% with 8.
_SHAPES = ((1_000, 1), (3_000, 2), (50_000, 4), (math.inf, 8))

# Three narrow networks that answer together learn more of few pairs than a wide one does in the same time. With many pairs the
# wide one learns more (docs/tasks.md). It needs smaller steps.
_MEMBERS = ((50_000, 3), (math.inf, 1))
_UNITS = ((50_000, 128), (math.inf, 256))
_EMBEDDING = ((50_000, 64), (math.inf, 96))
_LEARNING_RATE = ((50_000, 4e-3), (math.inf, 2e-3))

# Many pairs leave a network of this width little room to learn them by heart.
_DROPOUT = ((20_000, 0.3), (50_000, 0.2), (math.inf, 0.1))

# Epochs: a factor times a power of the number of pairs; the smaller of the two holds. 101 for 12 pairs, 46 for 300, 40 for
# 3,600. Up to 1,000 pairs an epoch has twice the steps for each pair. The wide network gets more, 18 for 115,000: after 12 it
# still learned a good deal (docs/tasks.md).
_FEW_EPOCHS = ((1_000, (185, -0.244)), (math.inf, (152, -0.163)))
_MANY_EPOCHS = ((50_000, (1_060, -0.4)), (math.inf, (1_900, -0.4)))
_FEWEST_EPOCHS = 2

_FOUND = -1.0


@dataclasses.dataclass(frozen=True)
class Seq2SeqSettings(FitSettings):
    """How to train a seq2seq model. `resolve` chooses what is 0 here, and a dropout of -1, by the data.

    Attributes:
      architecture: Reads the input in both directions, and attends to it while it writes the answer token by token.
      learning_rate: The peak of the learning rate; 0 chooses it by the data.
      units: Width of an LSTM; 0 chooses it by the data.
      embedding: Width of a token's vector; 0 chooses it by the data.
      layers: Bidirectional layers of the encoder.
      members: Networks that are trained side by side and answer together, by the mean of their probabilities; 0 chooses it by
        the data.
      dropout: Share of elements that training drops; -1 chooses it by the data.
      label_smoothing: Share of each label that all tokens have equally.
      shapes: Most shapes of a batch, each of which XLA compiles; 0 chooses it by the data.
      beam: Answers that decoding keeps until it knows the best; 1 is greedy.
      length_penalty: Power of an answer's length by which its log-probability is divided before answers of a beam are compared
        (Wu et al. 2016); 0 compares probabilities.
    """

    TRAINER: ClassVar[str] = "components.trainer.seq2seq.trainer"
    SPACE: ClassVar[tuple[str, ...]] = ("learning_rate=1e-3:1e-2", "dropout=0.1:0.4", "units=64|128|192")
    FOUND: ClassVar[tuple[str, ...]] = ("batch_size", "epochs", "learning_rate")

    architecture: Literal["seq2seq"] = "seq2seq"
    learning_rate: float = 0.0
    warmup: float = 0.05
    weight_decay: float = 0.01
    beta_2: float = 0.98
    clip_norm: float = 1.0
    batch_size: int = 0
    epochs: int = 0
    units: int = 0
    embedding: int = 0
    layers: int = 2
    members: int = 0
    dropout: float = _FOUND
    label_smoothing: float = 0.05
    shapes: int = 0
    # A beam of 4 takes about twice as long, and made no fewer errors (docs/tasks.md).
    beam: int = 1
    length_penalty: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 0, "units", "embedding", "members", "shapes", "length_penalty")
        check_least(self, 1, "layers", "beam")
        check_shares(self, *(["dropout"] if self.dropout != _FOUND else []), "label_smoothing")
        if self.optimizer == "muon":
            # Its matrices are those of one network; here those of all lie in one variable.
            raise SettingsError("train.optimizer is muon, which seq2seq cannot use; set it to adam or rmsprop")


def resolve(settings: Seq2SeqSettings, pairs: int) -> Seq2SeqSettings:
    """Returns settings with nothing left open.

    Few pairs are seen often and many seldom, so that a training of 120,000 pairs takes some eight times as long as one of
    3,600, and not thirty times. The figures behind the constants are in docs/tasks.md.

    Args:
      settings: The user's.
      pairs: Number of training pairs.
    """
    found: dict[str, Any] = {
        "batch_size": by_size(_BATCH_SIZES, pairs),
        "epochs": max(_FEWEST_EPOCHS, min(_epochs(table, pairs) for table in (_FEW_EPOCHS, _MANY_EPOCHS))),
        "learning_rate": by_size(_LEARNING_RATE, pairs),
        "units": by_size(_UNITS, pairs),
        "embedding": by_size(_EMBEDDING, pairs),
        "members": by_size(_MEMBERS, pairs),
        "shapes": by_size(_SHAPES, pairs),
    }
    changes: dict[str, Any] = {name: getattr(settings, name) or value for name, value in found.items()}
    # A batch is never larger than the data.
    changes["batch_size"] = min(changes["batch_size"], max(1, pairs))
    if settings.dropout == _FOUND:
        changes["dropout"] = by_size(_DROPOUT, pairs)
    return dataclasses.replace(settings, **changes)


def _epochs(table: tuple[tuple[float, tuple[float, float]], ...], pairs: int) -> int:
    """Returns the epochs for so many pairs, by the factor and the power of the table's row."""
    factor, power = by_size(table, pairs)
    epochs: int = round(factor * pairs**power)
    return epochs

"""Settings of the seq2seq model, and what those that are left open become."""

import dataclasses
from typing import Any, ClassVar, Literal

from components.settings import SettingsError
from components.trainer.settings import FitSettings, check_least, check_shares


@dataclasses.dataclass(frozen=True)
class Seq2SeqSettings(FitSettings):
    """How to train a seq2seq model. What is 0 here is found from the data by `resolve`.

    Attributes:
      architecture: Reads the input in both directions, and attends to it while it writes the answer token by token.
      units: Width of an LSTM; 0 is found.
      embedding: Width of a token's vector; 0 is found.
      layers: Bidirectional layers of the encoder.
      members: Networks that are trained side by side and answer together, by the mean of their probabilities; 0 is found.
      dropout: Share of elements that training drops.
      label_smoothing: Share of each label that all tokens have equally.
      shapes: Most shapes of a batch, each of which XLA compiles; 0 is found.
      beam: Answers that decoding keeps until it knows the best; 1 is greedy.
      length_penalty: Power of an answer's length by which its log-probability is divided before answers of a beam are compared
        (Wu et al. 2016); 0 compares probabilities.
    """

    TRAINER: ClassVar[str] = "components.trainer.seq2seq.trainer"
    SPACE: ClassVar[tuple[str, ...]] = ("learning_rate=1e-3:1e-2", "dropout=0.1:0.4", "units=64|128|192")
    LEAST: ClassVar[int] = 0

    architecture: Literal["seq2seq"] = "seq2seq"
    learning_rate: float = 4e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    beta_2: float = 0.98
    batch_size: int = 0
    epochs: int = 0
    units: int = 0
    embedding: int = 0
    layers: int = 2
    members: int = 0
    dropout: float = 0.25
    label_smoothing: float = 0.05
    shapes: int = 0
    beam: int = 4
    length_penalty: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 0, "units", "embedding", "members", "shapes", "length_penalty")
        check_least(self, 1, "layers", "beam")
        check_shares(self, "dropout", "label_smoothing")
        if self.optimizer == "muon":
            # Its matrices are those of one network; here those of all lie in one variable.
            raise SettingsError("train.optimizer is muon, which seq2seq cannot use; set it to adam or rmsprop")


def resolve(settings: Seq2SeqSettings, pairs: int) -> Seq2SeqSettings:
    """Returns settings with nothing left open.

    Args:
      settings: The user's.
      pairs: Number of training pairs.
    """
    found: dict[str, Any] = {
        "batch_size": 32,
        "epochs": 20,
        "units": 128,
        "embedding": 64,
        "members": 2,
        "shapes": 4,
    }
    chosen = {name: getattr(settings, name) or value for name, value in found.items()}
    return dataclasses.replace(settings, **chosen)

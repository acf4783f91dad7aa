"""Settings of the Trainer for the seq2seq family."""

import dataclasses
from typing import Literal, get_args

from components.settings import SettingsError

Architecture = Literal["simple_rnn", "lstm", "sums"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How to train. The defaults are those of reference 2.

    Attributes:
      architecture: Which model `components.trainer.models` builds.
      units: Width of the recurrent layers.
      learning_rate: Adam's; the peak where a schedule is used.
      batch_size: Examples of one step.
      epochs: Passes over the training examples, at most.
      patience: Stop after so many epochs without a better val_loss; 0 never stops early.
      validate_every: Epochs from one validation to the next; the last epoch always is one.
      seed: Of initial weights and of the order of examples.
      precision: Keras's dtype policy. bfloat16 pays on CPUs that have AVX512-BF16 or AMX, and on GPUs.
      deterministic: TensorFlow's op determinism: the same weights on a GPU too, more slowly. CPU kernels used here are
        deterministic without it.
      compiled: Whether steps are compiled by XLA.
      steps_per_execution: Steps of one call into TensorFlow; more spare Python's part of a short step.
      histograms: Whether TensorBoard gets a histogram of every weight at every epoch.
      checkpoint_seconds: Least time between two checkpoints; about what a kill may cost.
      checkpoint_dir: Where checkpoints lie. Empty: in the pipeline's root.
    """

    architecture: Architecture = "lstm"
    units: int = 128
    learning_rate: float = 1e-3
    batch_size: int = 128
    epochs: int = 200
    patience: int = 0
    validate_every: int = 1
    seed: int = 17
    precision: Precision = "float32"
    deterministic: bool = False
    compiled: bool = False
    steps_per_execution: int = 16
    histograms: bool = True
    checkpoint_seconds: float = 10.0
    checkpoint_dir: str = ""

    def __post_init__(self) -> None:
        for name, choices in (("architecture", get_args(Architecture)), ("precision", get_args(Precision))):
            if getattr(self, name) not in choices:
                raise SettingsError(f"train.{name} is {getattr(self, name)!r}; it is one of {', '.join(choices)}")
        for name in ("units", "batch_size", "epochs", "validate_every", "steps_per_execution"):
            if getattr(self, name) < 1:
                raise SettingsError(f"train.{name} is {getattr(self, name)}; it must be at least 1")
        if self.learning_rate <= 0:
            raise SettingsError(f"train.learning_rate is {self.learning_rate}; it must be positive")
        if self.patience < 0:
            raise SettingsError(f"train.patience is {self.patience}; it is a number of epochs, or 0 for never")

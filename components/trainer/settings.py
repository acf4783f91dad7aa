"""Settings of the Trainer."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

from components.settings import SettingsError

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Optimizer = Literal["adam", "rmsprop", "muon"]

SettingsT = TypeVar("SettingsT", bound="FitSettings")
ValueT = TypeVar("ValueT")


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """How any model is fitted. The defaults are those of reference 2.

    A class for each architecture adds what that architecture has, in a field `architecture` the names that it stands for, and:

    Attributes:
      TRAINER: Module with the architecture's `run_fn` for TFX's Trainer and `train_fn` for the Tuner.
      SPACE: What the Tuner tries out unless `tune.space` says otherwise.
      FOUND: Those of batch_size, epochs and learning_rate that the data chooses if they are 0.
      optimizer: Keras's Adam (AdamW with weight decay), RMSprop, or Muon (Jordan et al. 2024: steps equally long in all
        directions of a matrix), which leaves embeddings, biases and the output layer to AdamW.
      learning_rate: The learning rate; its peak if there is a schedule.
      warmup: Share of the steps in which the learning rate rises. After that it falls to zero as a cosine. With 0 it stays
        constant.
      weight_decay: Weight decay of AdamW and Muon; 0 is plain Adam.
      beta_2: Adam's decay of the second moment. 0.98 instead of Adam's usual 0.999 cuts the errors of `attention` on unseen
        sums to a quarter (docs/tasks.md): its gradients change their scale faster than a thousand steps.
      clip_norm: Bound on the norm of all gradients together; with 0 there is no bound.
      batch_size: Examples of one step.
      epochs: Passes over the training examples, at most.
      patience: Stop after this number of validations without a better val_loss; with 0 the training never stops early.
      validate_every: Validate after so many epochs, and always after the last one.
      seed: Seed of the initial weights and of the order of examples.
      precision: Keras's dtype policy. bfloat16 and float16 are for GPUs. On a CPU steps take longer with them, even if it
        multiplies bfloat16 in hardware (docs/performance.md).
      deterministic: TensorFlow's op determinism: training on a GPU then gives the same weights every time, but is slower.
        The CPU kernels used here are deterministic without it.
      compiled: Whether steps are compiled by XLA. It fuses the many small operations of an unrolled recurrence: 1.7 times
        the examples per second of reference 2, five times those of `attention`; the loss curve stays the same.
      steps_per_execution: Most steps in one call into TensorFlow, which saves Python's share of short steps; 0 is a whole
        epoch. The number is lowered until it divides the epoch.
      parts: Into how many parts a step splits its batch, if it is compiled for CPUs and its rows are independent (no
        dropout, no carried state). 0 is one part for each core, or more if rows are long, each of at least 32 rows. The
        last bits of the weights depend on it. Streams of text are split too, into parts of at least 16 rows; what dropout
        drops then depends on it.
      histograms: Whether TensorBoard gets a histogram of every weight at every epoch.
      warm_start: Whether the training begins from the weights of the version that is being served, as far as the sizes allow.
        Tokens that are new begin from nothing. Fewer epochs are enough then: set `train.epochs`.
      checkpoint_seconds: Least seconds between two checkpoints. If a training is killed, it loses about this time.
      checkpoint_dir: Folder of the checkpoints. Empty: in the pipeline's root.
    """

    TRAINER: ClassVar[str]
    SPACE: ClassVar[tuple[str, ...]] = ("learning_rate=1e-3:1e-2", "units=32|64|128")
    FOUND: ClassVar[tuple[str, ...]] = ()

    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    warmup: float = 0.0
    weight_decay: float = 0.0
    beta_2: float = 0.999
    clip_norm: float = 0.0
    batch_size: int = 128
    epochs: int = 200
    patience: int = 0
    validate_every: int = 1
    seed: int = 17
    precision: Precision = "float32"
    deterministic: bool = False
    compiled: bool = True
    steps_per_execution: int = 0
    parts: int = 0
    histograms: bool = True
    warm_start: bool = False
    checkpoint_seconds: float = 10.0
    checkpoint_dir: str = ""

    def __post_init__(self) -> None:
        check_choices(self)
        check_least(self, 1, *(name for name in ("batch_size", "epochs", "validate_every") if name not in self.FOUND))
        check_least(self, 0, *self.FOUND)
        check_least(
            self, 0, "weight_decay", "clip_norm", "patience", "steps_per_execution", "parts", "checkpoint_seconds"
        )
        if self.learning_rate <= 0 and "learning_rate" not in self.FOUND:
            raise SettingsError(f"train.learning_rate is {self.learning_rate}; it must be positive")
        check_shares(self, "warmup", "beta_2")
        if self.optimizer == "rmsprop" and self.weight_decay:
            raise SettingsError("RMSprop has no train.weight_decay; set it to 0 or train.optimizer=adam")


def apply_hyperparameters(settings: SettingsT, hyperparameters: dict[str, Any] | None) -> SettingsT:
    """Returns settings with the Tuner's best values in place; as they are if there was no Tuner.

    Args:
      settings: Those of the training.
      hyperparameters: What TFX hands the Trainer: the config of a keras_tuner.HyperParameters, or None.
    """
    if hyperparameters is None:
        return settings
    return dataclasses.replace(settings, **hyperparameters["values"])


def by_size(table: Sequence[tuple[float, ValueT]], size: int) -> ValueT:
    """Returns the value of the first row of (largest size, value) that holds for a size of data."""
    return next(value for largest, value in table if size <= largest)


def check_choices(settings: Any) -> None:
    """Raises SettingsError where a field has none of the values of its Literal."""
    for name, hint in get_type_hints(type(settings)).items():
        if get_origin(hint) is Literal and getattr(settings, name) not in get_args(hint):
            choices = ", ".join(get_args(hint))
            raise SettingsError(f"train.{name} is {getattr(settings, name)!r}; it is one of {choices}")


def check_least(settings: Any, least: int, *names: str) -> None:
    """Raises SettingsError where a field is smaller than `least`."""
    for name in names:
        if getattr(settings, name) < least:
            reason = f"be at least {least}" if least else "not be negative"
            raise SettingsError(f"train.{name} is {getattr(settings, name)}; it must {reason}")


def check_shares(settings: Any, *names: str) -> None:
    """Raises SettingsError where a field does not lie from 0 to below 1."""
    for name in names:
        if not 0 <= getattr(settings, name) < 1:
            raise SettingsError(f"train.{name} is {getattr(settings, name)}; it lies from 0 to below 1")

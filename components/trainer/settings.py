"""Settings of the Trainer."""

import dataclasses
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

from components.settings import SettingsError

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Optimizer = Literal["adam", "rmsprop", "muon"]

SettingsT = TypeVar("SettingsT", bound="FitSettings")


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """How any model is fitted. The defaults are those of reference 2.

    A class for each architecture adds what that architecture has, in a field `architecture` the names that it stands for, and:

    Attributes:
      TRAINER: Module with the architecture's `run_fn` for TFX's Trainer and `train_fn` for the Tuner.
      SPACE: What the Tuner tries out unless `tune.space` says otherwise.
      optimizer: Keras's Adam (AdamW with weight decay), RMSprop, or Muon (Jordan et al. 2024: steps equally long in all
        directions of a matrix), which leaves embeddings, biases and the output layer to AdamW.
      learning_rate: The peak where the schedule is used.
      warmup: Share of the steps over which the learning rate rises before it falls to zero as a cosine; 0 keeps it constant.
      weight_decay: AdamW's and Muon's; 0 is plain Adam.
      beta_2: Adam's decay of the second moment. 0.98 instead of Adam's usual 0.999 cuts the errors of `attention` on unseen
        sums to a quarter (docs/tasks.md): its gradients change their scale faster than a thousand steps.
      clip_norm: Bound on the norm of all gradients together; with 0 there is no bound.
      batch_size: Examples of one step.
      epochs: Passes over the training examples, at most.
      patience: Stop after so many validations without a better val_loss; 0 never stops early.
      validate_every: Epochs from one validation to the next; the last epoch always is one.
      seed: Seed of the initial weights and of the order of examples.
      precision: Keras's dtype policy. bfloat16 and float16 are for GPUs: on a CPU, even one that multiplies bfloat16 itself,
        XLA's steps take longer with it (docs/performance.md).
      deterministic: TensorFlow's op determinism: the same weights on a GPU too, more slowly. The CPU kernels used here are
        deterministic without it.
      compiled: Whether steps are compiled by XLA. It fuses the many small operations of an unrolled recurrence: 1.7 times
        the examples per second of reference 2, five times those of `attention`; the loss curve stays the same.
      steps_per_execution: Most steps of one call into TensorFlow, sparing Python's part of a short step; 0 is a whole epoch.
        As many are made as divide an epoch without a rest.
      parts: Into how many parts a step splits its batch, where its rows have nothing to do with each other (no dropout, no
        carried state) and it is compiled for CPUs; 0 is one for each core, or more of long rows, of 32 rows at least. The last
        bits of the weights depend on it.
      histograms: Whether TensorBoard gets a histogram of every weight at every epoch.
      warm_start: Whether the training begins from the weights of the version that is being served, as far as the sizes allow.
        Tokens that are new begin from nothing. Fewer epochs are enough then: set `train.epochs`.
      checkpoint_seconds: Least time between two checkpoints; about what a kill may cost.
      checkpoint_dir: Where checkpoints lie. Empty: in the pipeline's root.
    """

    TRAINER: ClassVar[str]
    SPACE: ClassVar[tuple[str, ...]] = ("learning_rate=1e-3:1e-2", "units=32|64|128")
    # The value of epochs and batch_size where a family finds them from the data: 0.
    LEAST: ClassVar[int] = 1

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
        check_least(self, self.LEAST, "batch_size", "epochs")
        check_least(self, 1, "validate_every")
        check_least(
            self, 0, "weight_decay", "clip_norm", "patience", "steps_per_execution", "parts", "checkpoint_seconds"
        )
        if self.learning_rate <= 0:
            raise SettingsError(f"train.learning_rate is {self.learning_rate}; it must be positive")
        check_shares(self, "warmup", "beta_2")
        if self.optimizer == "rmsprop" and self.weight_decay:
            raise SettingsError("train.weight_decay is not RMSprop's; set it to 0 or train.optimizer=adam")


def apply_hyperparameters(settings: SettingsT, hyperparameters: dict[str, Any] | None) -> SettingsT:
    """Returns settings with the Tuner's best values in place; as they are if there was no Tuner.

    Args:
      settings: Those of the training.
      hyperparameters: What TFX hands the Trainer: the config of a keras_tuner.HyperParameters, or None.
    """
    if hyperparameters is None:
        return settings
    return dataclasses.replace(settings, **hyperparameters["values"])


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

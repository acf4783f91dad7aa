"""What a training tells a display of its progress, and by which logger; neither Keras nor TensorFlow is imported."""

import dataclasses

# A display sets this logger to DEBUG and adds a handler: the attribute `progress` of a record is a TrainingProgress.
PROGRESS_LOGGER = "charseq.progress"


@dataclasses.dataclass(frozen=True)
class TrainingProgress:
    """How far a training is.

    Attributes:
      epoch: The epoch that it is in or has just ended, from 1.
      epochs: How many there will be.
      first_epoch: The epoch that this process began with: later than 1 where it goes on from a checkpoint.
      logs: Loss and the family's measure (such as accuracy) of this epoch so far, and the latest of the validation (val_).
      seconds_left: How long it will take still; None as long as nothing is known.
    """

    epoch: int
    epochs: int
    first_epoch: int
    logs: dict[str, float]
    seconds_left: float | None

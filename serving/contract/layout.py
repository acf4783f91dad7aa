"""The names in a serving folder: ``<serving_dir>/models.config`` and ``<serving_dir>/<model>/<version>/...``."""

import os
from dataclasses import dataclass
from typing import Final

# In the serving folder: the ``ModelServerConfig`` that sets policies and labels.
CONFIG_NAME: Final = "models.config"

# Beside it: who changes it holds this file's lock.
LOCK_NAME: Final = ".rollout.lock"

# The labels that a rollout gives: the version for everyone, and the one on trial.
STABLE: Final = "stable"
CANARY: Final = "canary"

# In the folder of a version, with "/" on every system: TensorFlow Serving's own names.
SAVED_MODEL_NAMES: Final = ("saved_model.pb", "saved_model.pbtxt")
WARMUP_PATH: Final = "assets.extra/tf_serving_warmup_requests"
BATCHING_PARAMETERS_NAME: Final = "batching_params.pbtxt"

# Likewise: the data statistics that the drift check of the next run compares with.
STATISTICS_PATH: Final = "assets.extra/FeatureStats.pb"

# Likewise: statistics of the requests that the training data would make, which logged requests are compared with.
REQUEST_STATISTICS_PATH: Final = "assets.extra/RequestStats.pb"

# Weights in the form that training needs them, within a version, for a training that begins from them.
WEIGHTS_PATH: Final = "assets.extra/weights.npz"


# What a program needs that answers strings by the signature ``numeric``, without TensorFlow's tables: JSON.
NUMERIC_PATH: Final = "assets.extra/numeric.json"


@dataclass(frozen=True)
class ModelFolder:
    """The folder of a model's versions, in a serving folder.

    Attributes:
      serving_dir: The serving folder; an object store's address too.
      name: The model's name.
    """

    serving_dir: str
    name: str

    @classmethod
    def at(cls, path: str) -> "ModelFolder":
        """Returns what a path says; it may end with a slash."""
        return cls(*os.path.split(path.rstrip("/")))

    @property
    def path(self) -> str:
        """The folder itself."""
        return os.path.join(self.serving_dir, self.name)

    @property
    def config_path(self) -> str:
        """The file of the serving folder that sets the model's policy and labels."""
        return os.path.join(self.serving_dir, CONFIG_NAME)

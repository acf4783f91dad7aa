"""What is served now, read from the folder that the model server reads."""

import os

import tensorflow as tf

# Data statistics that Pusher leaves in a version, for the drift check of the next run.
STATISTICS_PATH = os.path.join("assets.extra", "FeatureStats.pb")


def list_versions(model_dir: str) -> list[int]:
    """Returns the versions in a model's folder in ascending order; as for a model server, other names do not count."""
    if not tf.io.gfile.isdir(model_dir):
        return []
    names = (name.rstrip("/") for name in tf.io.gfile.listdir(model_dir))
    return sorted(int(name) for name in names if name.isdecimal() and name.isascii())


def served_version(model_dir: str) -> int | None:
    """Returns the version that a model server serves from a folder: the highest that is a SavedModel; None if none is."""
    for version in reversed(list_versions(model_dir)):
        if tf.io.gfile.exists(os.path.join(model_dir, str(version), "saved_model.pb")):
            return version
    return None

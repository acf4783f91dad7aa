"""What is served now, read from the folder that the model server reads."""

import os
from typing import Any

import tensorflow as tf
from google.protobuf import text_format

from charseq_client.messages import model_server_config_pb2
from serving.contract.layout import SAVED_MODEL_NAMES, STABLE, ModelFolder
from serving.contract.versions import parse_version


def list_versions(model_dir: str) -> list[int]:
    """Returns the versions in a model's folder in ascending order; as for a model server, other names do not count."""
    if not tf.io.gfile.isdir(model_dir):
        return []
    found = (parse_version(name.rstrip("/")) for name in tf.io.gfile.listdir(model_dir))
    return sorted(version for version in found if version is not None)


def served_version(model_dir: str) -> int | None:
    """Returns the version that an unversioned request to a model server gets; None if none is served.

    That is the one labelled `stable` in the serving folder's `models.config` (a rollout or rollback has put it there), else
    the highest that the file allows, else the highest; of those that are SavedModels.
    """
    config = _read_config(model_dir)
    candidates = list_versions(model_dir)
    if STABLE in config.version_labels:
        candidates = [config.version_labels[STABLE]]
    elif config.model_version_policy.specific.versions:
        candidates = [v for v in candidates if v in config.model_version_policy.specific.versions]
    for version in reversed(candidates):
        if any(tf.io.gfile.exists(os.path.join(model_dir, str(version), name)) for name in SAVED_MODEL_NAMES):
            return version
    return None


def _read_config(model_dir: str) -> Any:
    """Returns what the serving folder's configuration says of a model; an empty one if it says nothing."""
    folder = ModelFolder.at(model_dir)
    config = model_server_config_pb2.ModelServerConfig()
    if tf.io.gfile.exists(folder.config_path):
        with tf.io.gfile.GFile(folder.config_path) as file:
            text_format.Parse(file.read(), config)
    return next(
        (c for c in config.model_config_list.config if c.name == folder.name), model_server_config_pb2.ModelConfig()
    )

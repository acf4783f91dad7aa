"""Rollout and rollback of the versions in a serving folder, without a failed request.

:mod:`serving.rollout.canary` tries a version with recorded requests before it promotes it.
"""

from serving.rollout.operations import (
    Model,
    Rollout,
    Version,
    follow_latest,
    list_models,
    promote,
    rollback,
    set_canary,
)
from serving.rollout.server import RolloutError

__all__ = [
    "Model",
    "Rollout",
    "RolloutError",
    "Version",
    "follow_latest",
    "list_models",
    "promote",
    "rollback",
    "set_canary",
]

"""A folder of models, which may be away for a moment: what is in it, as far as that is to be believed.

A volume that is mounted again, a link that is replaced, a folder that is copied back: for some time nothing is there, or not
all of it. The rules:

* While the folder cannot be read, or is empty (which a mount point without its volume is), nothing changes.
* A model, or ``models.config``, that is missing in a folder with something in it is believed to be gone after some seconds.
"""

import logging
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from charseq_client.messages import model_server_config_pb2
from serving.contract.errors import ServingError
from serving.contract.layout import CONFIG_NAME
from serving.contract.model_config import follow_moved_folder, read_config, validate, validate_platforms
from serving.contract.versions import ModelSource, models_named

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FolderContent:
    """What a serving folder holds.

    Attributes:
      models: The models in it, by name.
      has_config: Whether there is a ``models.config``.
      new_config: What that says, if it is new, and an empty configuration if it is gone since the last look; else None.
    """

    models: Mapping[str, ModelSource]
    has_config: bool
    new_config: Any | None = None


class ServingFolder:
    """Looks into a serving folder again and again.

    Attributes:
      path: The folder's absolute path.
      is_away: Whether there was nothing to be seen of it at the last look.
    """

    def __init__(self, path: str, removal_wait_s: float) -> None:
        """Sets it up.

        Args:
          path: The folder.
          removal_wait_s: How long what was there must be missing to be taken for gone, in seconds.
        """
        self.path = os.path.abspath(path)
        self._removal_wait_s = removal_wait_s
        self.is_away = False
        self._content = FolderContent({}, has_config=False)
        self._config_seen: tuple[int, ...] | None = None
        self._last_seen: dict[str, float] = {}  # models and models.config; on time.monotonic()
        self._missing: set[str] = set()

    def look(self) -> FolderContent:
        """Returns what is in the folder now; what was in it before while it is away."""
        found = self._look()
        if self.is_away != (found is None):
            self.is_away = found is None
            if self.is_away:
                logger.warning("%s cannot be read or is empty; what is served stays as it is.", self.path)
            else:
                logger.warning("%s is there again.", self.path)
        self._content = found or replace(self._content, new_config=None)
        return self._content

    def _look(self) -> FolderContent | None:
        # One descriptor for all of it: what is read is of one folder, even if another takes its name meanwhile.
        try:
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return None
        try:
            names = os.listdir(directory)
            if not names and self._content.models:
                return None
            found = {source.name: source for source in models_named(self.path, names)}
            new_config = self._look_at_config(directory)
        except OSError:
            return None
        finally:
            os.close(directory)
        known = {**self._content.models, **found}
        models = {name: source for name, source in known.items() if self._is_there(name, name in found)}
        return FolderContent(models, self._config_seen is not None, new_config)

    def _look_at_config(self, directory: int) -> Any | None:
        """Returns the configuration if it is new and good, an empty one if it is gone; else None."""
        path = Path(self.path) / CONFIG_NAME
        seen = _identity(directory)
        if seen == self._config_seen or (seen is None and self._is_there(CONFIG_NAME, now=False)):
            self._is_there(CONFIG_NAME, now=seen is not None)
            return None
        self._config_seen = seen
        config = model_server_config_pb2.ModelServerConfig()
        if seen is None:
            return config
        self._is_there(CONFIG_NAME, now=True)
        try:
            config = read_config(path, directory)
            follow_moved_folder(config, self.path)
            validate(config.model_config_list.config)
            validate_platforms(config.model_config_list.config)
        except ServingError as error:
            logger.error("%s is not taken over, what was served before stays: %s", path, error)
            return None
        return config

    def _is_there(self, name: str, now: bool) -> bool:
        """Says whether something counts as being in the folder.

        Args:
          name: A model's name, or ``models.config``.
          now: Whether it is there at this look.
        """
        if now:
            self._last_seen[name] = time.monotonic()
            self._missing.discard(name)
            return True
        missing_s = time.monotonic() - self._last_seen.get(name, -math.inf)
        if missing_s >= self._removal_wait_s:
            return False
        if name not in self._missing:
            self._missing.add(name)
            message = "%s is missing in %s; it counts as removed if it is not back in %g s."
            logger.warning(message, name, self.path, self._removal_wait_s)
        return True


def _identity(directory: int) -> tuple[int, ...] | None:
    """Describes the configuration file so that a replacement is noticed; None if there is none."""
    try:
        status = os.stat(CONFIG_NAME, dir_fd=directory)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns

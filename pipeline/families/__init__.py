"""Families: what differs between kinds of data. To add one, make a folder and register it in a line.

Ours are registered here. A family of another distribution is registered by its entry point:

    [project.entry-points."charseq.families"]
    reversal = "my_package.reversal:FAMILY"
"""

import importlib.metadata
from collections.abc import Mapping
from typing import Any

from components.settings import SettingsError
from pipeline.config.values import nearest
from pipeline.families.family import Family

_GROUP = "charseq.families"

_OURS = {
    "sums": "pipeline.families.sums.family:FAMILY",
    "pairs": "pipeline.families.pairs.family:FAMILY",
    "dates": "pipeline.families.dates.family:FAMILY",
    "text": "pipeline.families.text.family:FAMILY",
    "series": "pipeline.families.series.family:FAMILY",
}


def list_families() -> list[str]:
    """Returns the names of all families, ours first."""
    return list(_registered())


def find_family(name: str) -> Family:
    """Returns a family.

    Raises:
      SettingsError: There is none of that name, or the package that registers it does not have it.
    """
    registered = _OURS if name in _OURS else _registered()  # a look at all distributions takes a while
    if name not in registered:
        raise SettingsError(f"there is no family {name!r}{nearest(name, registered)}")
    try:
        family: Family = importlib.metadata.EntryPoint(name, registered[name], _GROUP).load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"the family {name!r} cannot be loaded from {registered[name]}: {error}; mend or reinstall its package"
        ) from error
    return family


def _registered() -> dict[str, str]:
    return _OURS | {point.name: point.value for point in importlib.metadata.entry_points(group=_GROUP)}


def family_of(config: Mapping[str, Any]) -> Family | None:
    """Returns the family of a run's noted configuration; None if the run noted none, or if it is not installed here."""
    try:
        return find_family(str(config.get("family", "")))
    except SettingsError:
        return None

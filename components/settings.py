"""Settings: frozen dataclasses that cross TFX's boundaries as JSON.

TFX hands a component's parameters to its executor as strings, so every settings class goes through JSON once, in one way.
"""

import dataclasses
import json
import typing
from typing import Any, TypeVar

SettingsT = TypeVar("SettingsT")


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it, the reason and the remedy."""

    kind = "setting"
    meaning = (
        "A setting, a task, a folder or a program cannot be used. Nothing was run, or the component that met "
        "it has ended."
    )
    remedy = (
        "Correct what the message names: with --set, in the task file, or by another folder. `charseq "
        "settings FAMILY` lists all settings."
    )


def to_json(settings: Any) -> str:
    """Returns a dataclass as JSON with sorted keys, so that equal settings are equal strings (TFX caches by them)."""
    return json.dumps(dataclasses.asdict(settings), sort_keys=True)


def from_json(settings_class: type[SettingsT], text: str) -> SettingsT:
    """Returns the dataclass that `to_json` wrote.

    Args:
      settings_class: A dataclass whose fields are numbers, strings, booleans, None or tuples of those.
      text: JSON of its fields.

    Raises:
      SettingsError: `text` has a field that is not in the class, or a value that the class refuses.
    """
    fields = {field.name for field in dataclasses.fields(settings_class)}  # type: ignore[arg-type]
    values = json.loads(text)
    if unknown := sorted(set(values) - fields):
        raise SettingsError(f"{settings_class.__name__} has no setting {', '.join(unknown)}; it has {sorted(fields)}")
    return settings_class(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def architecture_from_json(union: Any, text: str) -> Any:
    """Returns the dataclass that `to_json` wrote, of the class of a union that has its `architecture`.

    Args:
      union: A union of dataclasses with a field `architecture`, a Literal.
      text: JSON of the fields of one of them.

    Raises:
      SettingsError: As for `from_json`.
    """
    architecture = json.loads(text)["architecture"]
    for option in typing.get_args(union):
        if architecture in typing.get_args(typing.get_type_hints(option)["architecture"]):
            return from_json(option, text)
    raise SettingsError(f"there is no architecture {architecture!r} here")

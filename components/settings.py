"""Settings: frozen dataclasses that cross TFX's boundaries as JSON.

TFX hands a component's parameters to its executor as strings, so every settings class goes through JSON once, in one way. TFX
makes JSON of a `custom_config` itself, which therefore takes the values of settings.
"""

import dataclasses
import json
import typing
from collections.abc import Mapping
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


def to_values(settings: Any) -> dict[str, Any]:
    """Returns a dataclass's fields and their values, in the order of their names (TFX caches by them)."""
    return dict(sorted(dataclasses.asdict(settings).items()))


def to_json(settings: Any) -> str:
    """Returns a dataclass as JSON; equal settings are equal strings."""
    return json.dumps(to_values(settings))


def from_json(settings_class: type[SettingsT], text: str) -> SettingsT:
    """Returns the dataclass that `to_json` wrote; see `from_values`."""
    return from_values(settings_class, json.loads(text))


def from_values(settings_class: type[SettingsT], values: Mapping[str, Any]) -> SettingsT:
    """Returns the dataclass that `to_values` took apart.

    Args:
      settings_class: A dataclass whose fields are numbers, strings, booleans, None or tuples of those.
      values: Its fields, tuples as lists.

    Raises:
      SettingsError: `values` has a field that is not in the class, or a value that the class refuses.
    """
    fields = {field.name for field in dataclasses.fields(settings_class)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - fields):
        raise SettingsError(f"{settings_class.__name__} has no setting {', '.join(unknown)}; it has {sorted(fields)}")
    return settings_class(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def architecture_from_values(union: Any, values: Mapping[str, Any]) -> Any:
    """Returns the dataclass that `to_values` took apart, of the class of a union that has its `architecture`.

    Args:
      union: A union of dataclasses with a field `architecture`, a Literal.
      values: The fields of one of them.

    Raises:
      SettingsError: As for `from_values`.
    """
    architecture = values["architecture"]
    for option in typing.get_args(union):
        if architecture in typing.get_args(typing.get_type_hints(option)["architecture"]):
            return from_values(option, values)
    raise SettingsError(f"there is no architecture {architecture!r} here")

"""Values of settings: from the text of `--set` or from a task file to the type that a field is declared with."""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from components.settings import SettingsError

# The setting of a section that chooses between several settings classes.
CHOICE = "architecture"


class Value(NamedTuple):
    """A value as a user wrote it.

    Attributes:
      value: The value: text if it comes from `--set`, else what TOML or JSON made of it.
      origin: Where it comes from, for messages: `--set 'train.epochs=5'`, or a file's path. Empty: a default of ours.
      is_text: Whether `value` is text that has to be parsed.
    """

    value: Any
    origin: str = ""
    is_text: bool = False


def section_classes(hint: Any) -> tuple[type, ...]:
    """Returns the settings classes that a section may have, the default first; an empty tuple if it is no section."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    return options if all(isinstance(o, type) and dataclasses.is_dataclass(o) for o in options) else ()


def sections_of(config_class: Any) -> dict[str, tuple[type, ...]]:
    """Returns the sections of a configuration class, each with the settings classes that it may have."""
    hints = typing.get_type_hints(config_class)
    found = {field.name: section_classes(hints[field.name]) for field in dataclasses.fields(config_class)}
    return {name: classes for name, classes in found.items() if classes}


def field_names(settings_class: type) -> list[str]:
    """Returns the settings that a user may set."""
    return [f.name for f in dataclasses.fields(settings_class) if not f.metadata.get("derived")]


def current_name(classes: tuple[type, ...], name: str) -> str:
    """Returns the name of a setting that had another name in an earlier version, otherwise the name as it is."""
    for settings_class in classes:
        for field in dataclasses.fields(settings_class):
            if name in field.metadata.get("formerly", ()):
                return field.name
    return name


def choices_of(settings_class: type) -> tuple[str, ...]:
    """Returns the values of `architecture` that a settings class stands for."""
    return typing.get_args(typing.get_type_hints(settings_class).get(CHOICE))


def choose_class(section: str, classes: tuple[type, ...], values: Mapping[str, Value]) -> type:
    """Returns the settings class that the section's `architecture` names, or the first one.

    Raises:
      SettingsError: No class has that architecture.
    """
    if CHOICE not in values or len(classes) == 1:
        return classes[0]
    chosen = values[CHOICE]
    for settings_class in classes:
        if chosen.value in choices_of(settings_class):
            return settings_class
    known = [choice for settings_class in classes for choice in choices_of(settings_class)]
    where = "" if chosen.is_text else place(chosen)
    raise SettingsError(f"{where}{section}.{CHOICE} is {chosen.value!r}; it is one of {', '.join(known)}")


def build_section(section: str, classes: tuple[type, ...], values: Mapping[str, Value]) -> Any:
    """Returns a section's settings.

    Args:
      section: Its name.
      classes: The settings classes that it may have.
      values: What the user wrote, by setting; the rest has its default.

    Raises:
      SettingsError: There is no such setting, or it cannot have that value.
    """
    settings_class = choose_class(section, classes, values)
    hints = typing.get_type_hints(settings_class)
    names = field_names(settings_class)
    fields = {}
    for name, value in values.items():
        if name not in names:
            raise SettingsError(f"{place(value)}{_unknown(section, name, settings_class, classes)}")
        fields[name] = _convert(f"{section}.{name}", hints[name], value)
    try:
        return settings_class(**fields)
    except SettingsError as error:
        raise blame(error, section, values) from None


def blame(error: SettingsError, section: str, values: Mapping[str, Value]) -> SettingsError:
    """Returns an error of a settings class with the file in front that the value comes from which it names first."""
    places = {name: str(error).find(f"{section}.{name}") for name in values}
    named = sorted((found, name) for name, found in places.items() if found >= 0)
    # A default that a file leaves in place can be at fault too: then any of the section's values names the file.
    value = values[named[0][1]] if named else next((v for v in values.values() if not v.is_text), None)
    return error if value is None or value.is_text else SettingsError(f"{place(value)}{error}")


def place(value: Value) -> str:
    """Returns the beginning of a message about a value."""
    return f"{value.origin}: " if value.origin else ""


def nearest(name: str, choices: Iterable[str], otherwise: str = "there are") -> str:
    """Returns the end of a message about a name that does not exist: the nearest one, or all there are."""
    names = list(choices)
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; {otherwise} {', '.join(names)}"


def _unknown(section: str, name: str, settings_class: type, classes: tuple[type, ...]) -> str:
    others = [other for other in classes if name in field_names(other)]
    if others:
        own = "/".join(choices_of(settings_class))
        theirs = " or ".join("/".join(choices_of(other)) for other in others)
        return f"{section}.{name} is a setting of {section}.{CHOICE} {theirs}, and this is {own}; leave it out"
    derived = next((f for f in dataclasses.fields(settings_class) if f.name == name), None)
    if derived is not None:
        source = derived.metadata["derived"]
        remedy = "set that" if "." in source else "leave it out"
        return f"{section}.{name} is not set by itself: it follows from {source}; {remedy}"
    return f"{section} has no {name!r}{nearest(name, field_names(settings_class))}"


def _convert(key: str, hint: Any, value: Value) -> Any:
    try:
        return _parse(hint, value.value) if value.is_text else _check(hint, value.value)
    except _WrongValueError as error:
        what = f"{error}" if value.is_text else f"{key} is {error}"
        raise SettingsError(f"{place(value)}{what}") from None


class _WrongValueError(ValueError):
    """A value that a field does not take; the message says which value, and what it should be."""


_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _parse(hint: Any, text: str) -> Any:
    """Returns text of `--set` as a value of a field's type."""
    origin = typing.get_origin(hint)
    if origin is Literal or hint is str:
        return text
    if origin is tuple:
        return tuple(_parse(typing.get_args(hint)[0], part) for part in text.split(",") if part)
    if origin in (typing.Union, types.UnionType):
        return None if text == "none" else _parse(typing.get_args(hint)[0], text)
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise _WrongValueError(f"{text!r} is neither true nor false")
        return text.lower() == "true"
    try:
        value = hint(text.replace("_", "") if hint is int else text)
    except ValueError:
        raise _WrongValueError(f"{text!r} is not {_KINDS[hint]}") from None
    if hint is float and not math.isfinite(value):
        raise _WrongValueError(f"{text!r} is not {_KINDS[hint]}")
    return value


def _check(hint: Any, value: Any) -> Any:
    """Returns a value of TOML or JSON as a value of a field's type."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        hint = str
    if origin is tuple:
        item = typing.get_args(hint)[0]
        if isinstance(value, list | tuple):
            return tuple(_check(item, part) for part in value)
        if isinstance(value, str) and item is str:
            return (value,)  # one file is a list of one
        raise _WrongValueError(f"{value!r}; it is a list of {_KINDS[item]}")
    if origin in (typing.Union, types.UnionType):
        return None if value in (None, "none") else _check(typing.get_args(hint)[0], value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    is_wrong_kind = not isinstance(value, hint) or (hint is int and isinstance(value, bool))
    if is_wrong_kind or (hint is float and not math.isfinite(value)):
        raise _WrongValueError(f"{value!r}; it is {_KINDS[hint]}")
    return value

"""Assignments of `--set section.field=value`, and what they change."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from components.settings import SettingsError
from pipeline.config.values import (
    CHOICE,
    Value,
    build_section,
    choose_class,
    current_name,
    field_names,
    nearest,
    sections_of,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")

# What was written for each setting, by section and name.
Values = dict[str, dict[str, Value]]


def override(config: ConfigT, assignments: Iterable[str]) -> ConfigT:
    """Returns a configuration with fields replaced.

    Args:
      config: What to start from: a dataclass whose sections are dataclasses.
      assignments: Each `section.field=value`, such as `train.epochs=5`; where only one section has the field, `field=value`.

    Raises:
      SettingsError: An assignment has no equals sign, names no field, or has a value that the field does not take.
    """
    sections = sections_of(type(config))
    changed = {}
    for section, values in parse_assignments(sections, assignments).items():
        settings = getattr(config, section)
        own = {name: Value(getattr(settings, name)) for name in field_names(type(settings))}
        merged = merge(sections[section], section, own, values)
        changed[section] = build_section(section, sections[section], merged)
    return dataclasses.replace(config, **changed)


def merge(
    classes: tuple[type, ...], section: str, below: Mapping[str, Value], above: Mapping[str, Value]
) -> dict[str, Value]:
    """Returns a section's values with others on top.

    A new architecture leaves behind what the one below it alone has.
    """
    merged = {**below, **above}
    if CHOICE in above:
        names = field_names(choose_class(section, classes, merged))
        merged = {name: value for name, value in merged.items() if name in names or name in above}
    return merged


def parse_assignments(sections: Mapping[str, tuple[type, ...]], assignments: Iterable[str]) -> Values:
    """Returns what assignments say, by section and field.

    Raises:
      SettingsError: An assignment has no equals sign, or names no field.
    """
    values: Values = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        section, dot, field = name.rpartition(".")
        if not equals or not name:
            raise SettingsError(f"--set {assignment!r} is not section.field=value, such as train.epochs=5")
        if not dot:
            section = _find_section(sections, assignment, field)
        if section not in sections:
            raise SettingsError(f"--set {assignment!r}: no section {section!r}{nearest(section, sections)}")
        field = current_name(sections[section], field)
        values.setdefault(section, {})[field] = Value(text, f"--set {assignment!r}", is_text=True)
    return values


def _find_section(sections: Mapping[str, tuple[type, ...]], assignment: str, field: str) -> str:
    """Returns the one section that has a field."""
    fields = {section: {name for c in classes for name in field_names(c)} for section, classes in sections.items()}
    having = [section for section, names in fields.items() if current_name(sections[section], field) in names]
    if len(having) == 1:
        return having[0]
    if having:
        named = " and ".join(f"{section}.{field}" for section in having)
        raise SettingsError(f"--set {assignment!r}: {named} are several; name one")
    known = {name: f"{section}.{name}" for section, names in fields.items() for name in names}
    close = difflib.get_close_matches(field, sorted(known), 1)
    hint = f"; did you mean {known[close[0]]!r}?" if close else ""
    raise SettingsError(f"--set {assignment!r} is not section.field=value, such as train.epochs=5{hint}")

"""Every setting with its type, default and reason, read from the docstrings beside the settings."""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from pipeline.config.values import CHOICE, choices_of, field_names, sections_of
from pipeline.families import find_family

_ATTRIBUTE = re.compile(r"^  (?P<name>\w+): (?P<text>.*)$")

_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}


class Setting(NamedTuple):
    """A setting.

    Attributes:
      name: As `--set` names it, `section.field`.
      kind: What its values are.
      default: Its default, as JSON and TOML write it; `none` for none.
      reason: What it is for.
      architecture: The values of `train.architecture` that have it; empty if all have it.
    """

    name: str
    kind: str
    default: str
    reason: str
    architecture: str = ""


def list_settings(family: str) -> list[Setting]:
    """Returns the settings of a family's tasks.

    Raises:
      SettingsError: There is no such family.
    """
    found: list[Setting] = []
    for section, classes in sections_of(find_family(family).config_class).items():
        for settings_class in classes:
            architecture = "/".join(choices_of(settings_class)) if len(classes) > 1 else ""
            for setting in _settings(section, settings_class, architecture):
                twin = next((i for i, s in enumerate(found) if s[:4] == setting[:4]), None)
                if twin is None:
                    found.append(setting)
                else:
                    both = f"{found[twin].architecture}, {architecture}"
                    found[twin] = found[twin]._replace(architecture=both)
        every = ", ".join("/".join(choices_of(c)) for c in classes)
        found = [s._replace(architecture="") if s.architecture == every else s for s in found]
    return found


def _settings(section: str, settings_class: type, architecture: str) -> Iterator[Setting]:
    hints = typing.get_type_hints(settings_class)
    reasons = attribute_docs(settings_class)
    fields = {field.name: field for field in dataclasses.fields(settings_class)}
    for name in field_names(settings_class):
        if name == CHOICE and not architecture and not choices_of(settings_class):
            continue
        field = fields[name]
        default = field.default if field.default is not dataclasses.MISSING else _made(field)
        yield Setting(f"{section}.{name}", _kind(hints[name]), _show(default), reasons[name], architecture)


def attribute_docs(settings_class: type) -> dict[str, str]:
    """Returns what the docstrings of a class and of its bases say of each attribute; a class before its bases.

    "As for `OtherSettings`." is a reference that a reader of the code follows; here the other text stands.
    """
    docs: dict[str, str] = {}
    for base in reversed(inspect.getmro(settings_class)):
        name = ""
        for line in (inspect.cleandoc(base.__doc__ or "")).splitlines():
            if found := _ATTRIBUTE.match(line):
                name = found["name"]
                docs[name] = found["text"].strip()
            elif name and line.startswith("    "):
                docs[name] += " " + line.strip()
            else:
                name = ""
    return docs


def _made(field: "dataclasses.Field[Any]") -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else ""


def _kind(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin is Literal:
        return " or ".join(str(value) for value in typing.get_args(hint))
    if origin is tuple:
        return f"list of {_WORDS[typing.get_args(hint)[0]]}s"
    if origin in (typing.Union, types.UnionType):
        return f"{_kind(typing.get_args(hint)[0])}, or none"
    return _WORDS[hint]


def _show(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_show(part) for part in value)}]"
    return f'"{value}"' if isinstance(value, str) else f"{value}"


def settings_page(families: list[str]) -> str:
    """Returns docs/settings.md: the settings of all families in Markdown."""
    lines = [
        "# Settings",
        "",
        "Made by `charseq settings --markdown` from the docstrings beside the settings; a test holds it to them. Set one in a",
        "task file under its section, or with `--set section.name=value`.",
    ]
    shared: dict[Setting, list[str]] = {}
    for family in families:
        for setting in list_settings(family):
            shared.setdefault(setting, []).append(family)
    everywhere = [setting for setting, having in shared.items() if having == families]
    lines += ["", "## All families", *_table(everywhere)]
    for family in families:
        own = [setting for setting, having in shared.items() if family in having and setting not in everywhere]
        lines += ["", f"## {family}", *_table(own)]
    return "\n".join(lines) + "\n"


def _table(settings: list[Setting]) -> list[str]:
    rows = ["", "| setting | values | default | what it is for |", "|---|---|---|---|"]
    for setting in settings:
        name = f"`{setting.name}`" + (f" ({setting.architecture})" if setting.architecture else "")
        reason = setting.reason.replace("|", "\\|")
        rows.append(f"| {name} | {setting.kind} | `{setting.default}` | {reason} |")
    return rows

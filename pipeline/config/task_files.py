"""Task files: a task is a TOML file, also a built-in one.

A file names its family, or another task that it extends, and says what is different from the defaults.
"""

import dataclasses
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from components.settings import SettingsError
from pipeline.config.overrides import Values, merge, parse_assignments
from pipeline.config.settings import Config
from pipeline.config.values import Value, build_section, current_name, field_names, nearest, sections_of
from pipeline.families import find_family

# The folder of the built-in tasks. Its files are in the order in which they are listed.
_BUILT_IN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tasks")
_ORDER = (
    "sums",
    "sums-3-digits",
    "sums-5-digits",
    "sums-simple-rnn",
    "sums-lstm",
    "text",
    "text-long",
    "text-lstm",
    "text-lstm-dropout",
    "pairs",
    "g2p",
    "cmudict",
    "dates",
    "milk",
)

_ENDING = ".toml"

# What a file says beside its sections.
_KEYS = ("name", "summary", "family", "extends")


class _Task(NamedTuple):
    """What a file and those that it extends say."""

    name: str
    summary: str
    family: str
    values: Values


def list_tasks() -> dict[str, str]:
    """Returns the name and summary of every built-in task, the default first."""
    return {name: _read(_built_in_path(name)).summary for name in _ORDER}


def is_task_file(task: str) -> bool:
    """Returns whether a task is named by a file and not by the name of a built-in one."""
    return task.endswith(_ENDING) or os.sep in task


def load_task(task: str, assignments: Iterable[str] = ()) -> Config:
    """Returns the configuration of a task.

    Args:
      task: Name of a built-in task, or path of a task file.
      assignments: What is set on top of it, each `section.field=value`; see `pipeline.config.overrides`.

    Raises:
      SettingsError: There is no such task or file; or it has an unknown key, a wrong type or an impossible value. The
        message names the file, the key, the reason and the nearest right name.
    """
    path = os.path.expanduser(task) if is_task_file(task) else _built_in_path(task)
    found = _read(path)
    config_class = find_family(found.family).config_class
    sections = sections_of(config_class)
    values = dict(found.values)
    for section, assigned in parse_assignments(sections, assignments).items():
        values[section] = merge(sections[section], section, values.get(section, {}), assigned)
    return _build(found.family, found.name, found.summary, values, path if is_task_file(task) else "")


def portable_task(task: str, assignments: Iterable[str] = ()) -> str:
    """Returns a task as something that `find_portable_task` finds where there is no file.

    That is the name of a built-in task, or the JSON of what a file says. The assignments are part of it only if the file is
    not complete without them.

    Raises:
      SettingsError: As for `load_task`.
    """
    if not is_task_file(task):
        return task
    try:
        return dump_config(load_task(task))
    except SettingsError:
        return dump_config(load_task(task, assignments))


def find_portable_task(portable: str, assignments: Iterable[str] = ()) -> Config:
    """Returns the configuration of what `portable_task` returned, with assignments on top.

    Raises:
      SettingsError: As for `load_task`.
    """
    if portable.startswith("{"):
        return restore_config(portable, assignments)
    return load_task(portable, assignments)


def dump_config(config: Config) -> str:
    """Returns a configuration as JSON, from which `restore_config` makes it again where there is no file."""
    return json.dumps(dataclasses.asdict(config), sort_keys=True)


def restore_config(text: str, assignments: Iterable[str] = ()) -> Config:
    """Returns the configuration that `dump_config` wrote, with assignments on top.

    Raises:
      SettingsError: It is of another version of this program, or an assignment cannot be used.
    """
    fields = json.loads(text)
    config_class = find_family(fields["family"]).config_class
    sections = sections_of(config_class)
    if strange := sorted({f.name for f in dataclasses.fields(config_class)} ^ set(fields)):
        raise SettingsError(f"the configuration is of another version of charseq: they differ in {', '.join(strange)}")
    values: Values = {}
    for section, classes in sections.items():
        derived = {f.name for c in classes for f in dataclasses.fields(c) if f.metadata.get("derived")}
        settings = {name: value for name, value in fields[section].items() if name not in derived}
        values[section] = {name: Value(value) for name, value in settings.items()}
    for section, assigned in parse_assignments(sections, assignments).items():
        values[section] = merge(sections[section], section, values[section], assigned)
    return _build(fields["family"], fields["task"], fields["summary"], values, "")


def _build(family: str, name: str, summary: str, values: Values, path: str) -> Config:
    kind = find_family(family)
    sections = sections_of(kind.config_class)
    built = {section: build_section(section, sections[section], found) for section, found in values.items()}
    try:
        for section in ("data", "train", "gate"):
            if section not in built:
                built[section] = build_section(section, sections[section], {})
        config = kind.config_class(task=name, summary=summary, **built)
        kind.check_slices(config)
        return config
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}" if path else str(error)) from None


def _built_in_path(name: str) -> str:
    if name not in _ORDER:
        file = f"; to run the file {name + _ENDING}, name it with its ending" if os.path.exists(name + _ENDING) else ""
        raise SettingsError(f"there is no task {name!r}{nearest(name, [*_ORDER, 'your own task files'])}{file}")
    return os.path.join(_BUILT_IN, name + _ENDING)


def _read(path: str, extending: tuple[str, ...] = ()) -> _Task:
    """Returns what a file says, on top of what it extends."""
    if os.path.realpath(path) in map(os.path.realpath, extending):
        raise SettingsError(f"{path} extends itself, by way of {' and '.join(extending)}; remove one `extends`")
    content = _parse(path)
    below = _extended(path, content, extending)
    family = str(content.get("family", below.family if below else ""))
    if not family:
        raise SettingsError(f'{path}: neither `family` nor `extends` is there; write family = "pairs", say')
    if below and family != below.family:
        raise SettingsError(
            f"{path}: family is {family!r}, and {content['extends']} is of the family {below.family!r}; "
            "remove `family`, or extend another task"
        )
    try:
        sections = sections_of(find_family(family).config_class)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
    values = dict(below.values) if below else {}
    for key, table in content.items():
        if key in _KEYS:
            continue
        if key not in sections:
            raise SettingsError(f"{path}: there is no section or key {key!r}{_where(key, sections)}")
        if not isinstance(table, Mapping):
            raise SettingsError(f"{path}: {key} is {table!r}; it is a section: write [{key}] and its settings below")
        own = {current_name(sections[key], name): Value(value, _origin(path)) for name, value in table.items()}
        if _origin(path):
            own = _from_folder_of(path, sections[key], own)
        values[key] = merge(sections[key], key, values.get(key, {}), own)
    name = content.get("name", os.path.basename(path).removesuffix(_ENDING))
    return _Task(name, content.get("summary", below.summary if below else ""), family, values)


def _where(key: str, sections: Mapping[str, tuple[type, ...]]) -> str:
    """Returns the end of a message about a key that no file has: the section whose setting it is, or the nearest name."""
    having = [name for name, classes in sections.items() if any(key in field_names(c) for c in classes)]
    if having:
        return f"; it is a setting: write it below {' or '.join(f'[{name}]' for name in having)}"
    return nearest(key, [*_KEYS, *sections])


def _extended(path: str, content: Mapping[str, Any], extending: tuple[str, ...]) -> _Task | None:
    if "extends" not in content:
        return None
    base = content["extends"]
    if is_task_file(base):
        base_path = os.path.join(os.path.dirname(path), os.path.expanduser(base))
    else:
        try:
            base_path = _built_in_path(base)
        except SettingsError as error:
            raise SettingsError(f"{path}: extends: {error}") from None
    if not os.path.exists(base_path):
        raise SettingsError(f"{path}: extends: {_missing(base_path)}")
    return _read(base_path, (*extending, path))


def _parse(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = tomllib.loads(file.read())
    except FileNotFoundError:
        raise SettingsError(_missing(path)) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8: byte {error.start + 1}; save it as UTF-8") from None
    except (
        ValueError,
        RecursionError,
    ) as error:  # not TOMLDecodeError alone: a number may be too long, a path have a NUL
        raise SettingsError(f"{path} is not TOML: {error}") from None
    for key in _KEYS:
        if key in content and not isinstance(content[key], str):
            raise SettingsError(f"{path}: {key} is {content[key]!r}; it is text, in quotes")
    return content


def _missing(path: str) -> str:
    """Returns in words that there is no such file, and which ones there are beside it."""
    folder = os.path.dirname(path) or "."
    names = [n for n in sorted(os.listdir(folder)) if n.endswith(_ENDING)] if os.path.isdir(folder) else []
    return f"there is no task file {path}{nearest(os.path.basename(path), names, 'there are') if names else ''}"


def relative_paths(config: Config) -> Iterator[tuple[str, str]]:
    """Yields each setting with a path that depends on the current or home folder, and the path: it holds here alone."""
    for section in sections_of(type(config)):
        settings = getattr(config, section)
        for field in dataclasses.fields(settings):
            value = getattr(settings, field.name)
            for entry in (value if isinstance(value, tuple) else (value,)) if field.metadata.get("paths") else ():
                if entry.startswith("~") or _is_relative_path(entry, "."):
                    yield f"{section}.{field.name}", entry


def _is_relative_path(entry: str, folder: str) -> bool:
    """Returns whether an entry is a relative path, and no name of the catalogue."""
    if "://" in entry or entry.startswith(("/", "~")):
        return False
    return "/" in entry or "." in entry or bool(entry and os.path.exists(os.path.join(folder, entry)))


def _origin(path: str) -> str:
    """Returns how messages name a file: not at all if it is ours."""
    return "" if os.path.dirname(os.path.abspath(path)) == _BUILT_IN else path


def _from_folder_of(path: str, classes: tuple[type, ...], values: Mapping[str, Value]) -> dict[str, Value]:
    """Returns a section's values with the relative paths among them begun at the file's folder."""
    folder = os.path.dirname(path)
    named = {f.name for c in classes for f in dataclasses.fields(c) if f.metadata.get("paths")}

    def move(entry: Any) -> Any:
        is_moved = isinstance(entry, str) and folder and _is_relative_path(entry, folder)
        return os.path.join(folder, entry) if is_moved else entry

    moved = {}
    for name, value in values.items():
        entries = value.value
        if name in named:
            entries = [move(entry) for entry in entries] if isinstance(entries, list) else move(entries)
        moved[name] = value._replace(value=entries)
    return moved

"""Task files for a user's own data: `charseq new` looks at the data and writes what it found."""

import dataclasses
import json
import os
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from components.settings import SettingsError
from data.encodings import shown_without_utf8
from data.errors import DataError
from data.whole_files import write_whole
from pipeline.config.overrides import parse_assignments
from pipeline.config.settings import Config, check_task_name
from pipeline.config.task_files import list_tasks, load_task
from pipeline.config.values import field_names, sections_of
from pipeline.families import find_family

_ENDING = ".toml"

_RUNNER = '''\
"""The task {name} for TFX's own command.

  tfx pipeline create --engine=local --pipeline_path={file}
  tfx run create --engine=local --pipeline_name={name}
"""

from pipeline.local_runner import run_with_tfx

run_with_tfx({task!r}, beside=__file__)
'''


@dataclasses.dataclass(frozen=True)
class Written:
    """What `write_task` has written.

    Attributes:
      task: The task's name.
      path: The task file.
      runner: The file for TFX's command; empty if none was asked for.
      found: What was found in the data, a line each.
    """

    task: str
    path: str
    runner: str
    found: list[str]


def write_task(
    name: str, family: str, inputs: Sequence[str], assignments: Sequence[str], runner: bool, replace: bool
) -> Written:
    """Looks at data and writes a task file into the current folder.

    Args:
      name: The task's name; the file is NAME.toml.
      family: Its family.
      inputs: Files, folders or globs with the data.
      assignments: Settings for the file, each `section.field=value`.
      runner: Whether to write a file for TFX's command as well.
      replace: Whether files of these names may be replaced.

    Raises:
      SettingsError: The name, the family, the data or a setting cannot be used, or a file is there already.
    """
    check_task_name(name)
    if name in list_tasks():
        raise SettingsError(
            f"{name} is a built-in task, and its model would be replaced by yours where both are served; choose another name"
        )
    for given in (*inputs, *assignments):
        _check_utf8(given)
    kind = find_family(family)
    path = name + _ENDING
    runner_path = f"{name.replace('-', '_')}_runner.py" if runner else ""
    for file in (path, runner_path):
        if file and os.path.isdir(file):
            raise SettingsError(f"{file} is a folder: choose another name for the task, or run the command elsewhere")
        if file and os.path.exists(file) and not replace:
            raise SettingsError(f"{file} is there already: choose another name, or replace it with --force")
    settings: dict[str, dict[str, Any]] = {}
    sections = sections_of(kind.config_class)
    for section, values in parse_assignments(sections, assignments).items():
        settings[section] = {field: value.value for field, value in values.items()}
    try:
        draft = kind.draft(tuple(inputs), settings.get("data", {}))
    except DataError as error:
        raise SettingsError(str(error)) from None
    settings = {
        section: (dict(draft.data) if section == "data" else {})
        | _typed(family, name, assignments, section, settings.get(section, {}), draft.data)
        for section in ("data", *(section for section in settings if section != "data"))
    }
    text = _render(name, family, settings, draft.found)
    write_whole(path, text.encode())
    try:
        load_task(path)
    except SettingsError:
        os.remove(path)
        raise
    if runner_path:
        write_whole(runner_path, _RUNNER.format(name=name, file=runner_path, task=path).encode())
    return Written(name, path, runner_path, list(draft.found))


def render_task(config: Config) -> str:
    """Returns a task file that says every setting of a task, also those that have their defaults."""
    sections = {
        section: {name: _value(getattr(settings, name)) for name in field_names(type(settings))}
        for section in sections_of(type(config))
        for settings in [getattr(config, section)]
    }
    return "\n".join([*_head(config.task, config.family, config.summary), *_sections(sections)]) + "\n"


def _value(value: Any) -> Any:
    return "none" if value is None else value


def _check_utf8(given: str) -> None:
    """Checks that a task file, which is UTF-8, can hold what was given on the command line."""
    if shown := shown_without_utf8(given):
        raise SettingsError(f"{shown} is not UTF-8, and a task file is; rename the file, or name its folder")


def _typed(
    family: str,
    name: str,
    assignments: Sequence[str],
    section: str,
    texts: Mapping[str, str],
    data: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the assigned settings of a section with the types of their fields."""
    if not texts:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name + _ENDING)
        write_whole(path, _render(name, family, {"data": data} if data else {}, []).encode())
        config = load_task(path, assignments)
    return {field: getattr(getattr(config, section), field) for field in texts}


def _render(name: str, family: str, settings: Mapping[str, Mapping[str, Any]], found: Sequence[str]) -> str:
    lines = [*_head(name, family), ""]
    lines += [f"# {_comment(line)}" for line in found]
    if found:
        lines.append("#")
    lines.append(f"# Every other setting has a default that suits the data. `charseq settings {family}` lists them.")
    return "\n".join([*lines, *_sections(settings)]) + "\n"


def _head(name: str, family: str, summary: str = "") -> list[str]:
    width = len("summary" if summary else "family")
    keys = {"name": name, "family": family} | ({"summary": summary} if summary else {})
    return [f"{key:{width}} = {_toml(value)}" for key, value in keys.items()]


def _sections(settings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for section, values in settings.items():
        if values:
            width = max(map(len, values))
            lines += ["", f"[{section}]", *(f"{field:{width}} = {_toml(value)}" for field, value in values.items())]
    return lines


def _comment(line: str) -> str:
    """Returns a line with control characters, which TOML forbids and names of files and columns may have, as escapes."""
    return "".join(repr(c)[1:-1] if unicodedata.category(c) == "Cc" else c for c in line)


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(part) for part in value)}]"
    # TOML's basic strings, numbers and booleans are written as JSON's are, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

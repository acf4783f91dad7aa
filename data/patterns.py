"""Patterns of paths: what matches, on the local file system and on those that Beam opens.

Every part of a pattern is first taken as it stands: where a file or folder of that very name exists, its brackets and stars
are no wildcards. `*`, `?` and `[...]` match within one part, `**` any number of folders. Hidden files and folders (their
names begin with a dot) match only parts that begin with a dot themselves.
"""

import dataclasses
import fnmatch
import os
import re
from collections.abc import Iterator, Sequence

from apache_beam.io.filesystems import FileSystems

# Where a pattern stops being a path: at a wildcard or a placeholder.
_WILDCARD = re.compile(r"[*?\[{]")

PLACEHOLDER = re.compile(r"\{(SPAN|VERSION)(:[^}]*)?\}|\{(YYYY|MM|DD)\}")


@dataclasses.dataclass(frozen=True)
class Match:
    """One file that matches.

    Attributes:
      path: What is opened.
      size: In bytes.
      modified: Time of its last change, in seconds since 1970; 0 where the file system does not say.
    """

    path: str
    size: int
    modified: float


@dataclasses.dataclass(frozen=True)
class Matches:
    """What a path or pattern names.

    Attributes:
      root: The folder that names are relative to: of a file its folder, of a pattern the one above its first wildcard.
      files: The files, in the order of their paths.
      hidden: Hidden files and folders that were left out, in the order of their paths.
      is_folder: Whether a folder was named, of which these are all files, however deep.
    """

    root: str
    files: list[Match]
    hidden: list[str]
    is_folder: bool = False


def is_remote(path: str) -> bool:
    """Returns whether a path has a scheme, such as gs:// or s3://."""
    return "://" in path


def match(pattern: str) -> Matches:
    """Returns what a path, folder or pattern names.

    Raises:
      OSError: A folder cannot be read.
      ValueError: Beam knows no such file system.
    """
    found = _match_remote(pattern) if is_remote(pattern) else _match_local(pattern)
    return dataclasses.replace(
        found, files=sorted(found.files, key=lambda file: file.path), hidden=sorted(set(found.hidden))
    )


def captures(pattern: str, path: str) -> dict[str, str] | None:
    """Returns what stands for the placeholders of a pattern in a path that it matches; None if it does not match."""
    return _captures(_parts(os.path.normpath(pattern)), _parts(os.path.normpath(path)))


def _match_local(pattern: str) -> Matches:
    if os.path.isfile(pattern):
        return Matches(os.path.dirname(pattern), [_local(pattern)], [])
    if os.path.isdir(pattern):
        hidden: list[str] = []
        root = pattern.rstrip("/") or "/"
        return Matches(root, [_local(path) for path in _expand(root, ["**"], hidden)], hidden, is_folder=True)
    root, parts = _fixed(pattern)
    hidden = []
    paths = _expand(root, [PLACEHOLDER.sub("*", part) for part in parts], hidden) if parts else iter(())
    return Matches(root, [_local(path) for path in dict.fromkeys(paths)], hidden)


def _fixed(pattern: str) -> tuple[str, list[str]]:
    """Returns the folder that a pattern begins with, empty for the working directory, and its parts from there."""
    parts = _parts(pattern)
    root = "/" if pattern.startswith("/") else ""
    while parts and (not _WILDCARD.search(parts[0]) or os.path.lexists(os.path.join(root, parts[0]))):
        root = os.path.join(root, parts.pop(0))
    return root, parts


def _expand(folder: str, parts: Sequence[str], hidden: list[str]) -> Iterator[str]:
    """Yields the files below a folder that match the parts; notes what is hidden."""
    if not os.path.isdir(folder or "."):
        return
    part, rest = parts[0], parts[1:]
    names = [part] if os.path.lexists(os.path.join(folder, part)) else sorted(os.listdir(folder or "."))
    if part == "**" and rest:
        yield from _expand(folder, rest, hidden)
    for name in names:
        path = os.path.join(folder, name)
        if part != "**" and name != part and not fnmatch.fnmatchcase(name, part):
            continue
        if name.startswith(".") and not part.startswith("."):
            hidden.append(path)
        elif os.path.isdir(path):
            # A link to a folder may lead back.
            if part == "**" and not os.path.islink(path):
                yield from _expand(path, parts, hidden)
            elif part != "**" and rest:
                yield from _expand(path, rest, hidden)
        elif not rest and os.path.isfile(path):
            yield path


def _local(path: str) -> Match:
    status = os.stat(path)
    return Match(path, status.st_size, status.st_mtime)


def _match_remote(pattern: str) -> Matches:
    literal = _WILDCARD.sub(lambda found: f"[{found[0]}]", pattern) if _WILDCARD.search(pattern) else pattern
    if files := _beam(literal):
        return Matches(os.path.dirname(pattern), files, [])
    folder = pattern.rstrip("/")
    if files := _beam(f"{literal.rstrip('/')}/**"):
        shown, hidden = _without_hidden(files, folder)
        return Matches(folder, shown, hidden, is_folder=True)
    found = _WILDCARD.search(pattern)
    root = os.path.dirname(pattern[: found.start()]) if found else os.path.dirname(pattern)
    matched = _beam(PLACEHOLDER.sub("*", pattern)) if found else []
    if any(part.startswith(".") for part in _parts(pattern.removeprefix(root))):
        return Matches(root, matched, [])
    return Matches(root, *_without_hidden(matched, root))


def _without_hidden(files: list[Match], root: str) -> tuple[list[Match], list[str]]:
    shown: list[Match] = []
    hidden: list[Match] = []
    for file in files:
        is_hidden = any(part.startswith(".") for part in _parts(file.path.removeprefix(root)))
        (hidden if is_hidden else shown).append(file)
    return shown, [file.path for file in hidden]


def _beam(glob: str) -> list[Match]:
    return [
        Match(found.path, found.size_in_bytes, found.last_updated_in_seconds or 0.0)
        for found in FileSystems.match([glob])[0].metadata_list
    ]


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _captures(pattern: list[str], path: list[str]) -> dict[str, str] | None:
    if not pattern or not path:
        return None if pattern or path else {}
    if pattern[0] == "**":
        if len(pattern) == 1:
            return {}
        below = _captures(pattern, path[1:])
        return below if below is not None else _captures(pattern[1:], path)
    here = {} if pattern[0] == path[0] else _captures_in_part(pattern[0], path[0])
    rest = _captures(pattern[1:], path[1:])
    return None if here is None or rest is None else {**here, **rest}


def _captures_in_part(pattern: str, name: str) -> dict[str, str] | None:
    expression, position = "", 0
    for found in PLACEHOLDER.finditer(pattern):
        expression += _translate(pattern[position : found.start()])
        kind = found[1] or found[3]
        width = found[2][1:] if found[2] else {"YYYY": "4", "MM": "2", "DD": "2"}.get(kind, "")
        expression += f"(?P<{kind}>.{{{width}}})" if width else f"(?P<{kind}>.*)"
        position = found.end()
    matched = re.fullmatch(expression + _translate(pattern[position:]), name, re.DOTALL)
    return None if matched is None else matched.groupdict()


def _translate(glob: str) -> str:
    return fnmatch.translate(glob).removesuffix(r"\Z")

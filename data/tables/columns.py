"""Which columns of a table are those that were asked for."""

import difflib
from collections.abc import Sequence

from data.errors import TableError
from data.tables.options import Column, bare_name

_NAMED = 20


def find_columns(
    file: str, wanted: Sequence[Column], names: Sequence[str], width: int, examples: Sequence[str]
) -> list[int]:
    """Returns the index of each column that is asked for.

    A stated name or position decides. Columns of which nothing is stated are looked for under their usual names; if some are
    not found so, the columns that are left must be as many, and are taken in their order.

    Args:
      file: Path of the file, for messages.
      wanted: What is asked for.
      names: What the file calls its columns; empty if it has no names.
      width: How many columns it has.
      examples: The values of one row, for messages.

    Raises:
      TableError: A column is not there, or it cannot be told which one is meant.
    """
    found: dict[str, int] = {}
    for column in wanted:
        if column.source:
            found[column.name] = _stated(file, column, names, width, examples)
    for column in wanted:
        if column.name not in found and (index := _usual(column, names)) is not None and index not in found.values():
            found[column.name] = index
    open_columns = [column for column in wanted if column.name not in found]
    left = [index for index in range(width) if index not in found.values()]
    if open_columns and len(left) != len(open_columns):
        raise TableError(file, *_untold(wanted, open_columns, names, width, examples))
    found.update({column.name: index for column, index in zip(open_columns, left, strict=False)})
    return [found[column.name] for column in wanted]


def check_line_1(file: str, wanted: Sequence[Column], fields: Sequence[str]) -> None:
    """Checks that the first line of a file has all columns that are stated by name, or none.

    Args:
      file: Path of the file, for messages.
      wanted: What is asked for.
      fields: The first line.

    Raises:
      TableError: It has some and lacks others: then it names the columns, and one is misspelt.
    """
    stated = [column for column in wanted if column.stated_by_name]
    missing = [column for column in stated if str(column.source) not in fields]
    if len(missing) in (0, len(stated)):
        return
    name, setting = str(missing[0].source), missing[0].setting or missing[0].name
    there = f"line 1 has {describe(fields, len(fields), ())}"
    raise TableError(file, f"there is no column {name!r}; {there}", _remedy(name, setting, fields))


def describe(names: Sequence[str], width: int, examples: Sequence[str]) -> str:
    """Returns the columns of a file for a message: their names, or their positions with an example of each."""
    if names:
        shown = [repr(name) for name in names[:_NAMED]]
    else:
        shown = [f"{index + 1} (such as {example[:30]!r})" for index, example in enumerate(examples[:_NAMED])]
    more = f" and {width - len(shown):,} more" if width > len(shown) else ""
    return ", ".join(shown) + more


def _stated(file: str, column: Column, names: Sequence[str], width: int, examples: Sequence[str]) -> int:
    setting = column.setting or column.name
    name = str(column.source)
    matching = [index for index, other in enumerate(names) if other == name]
    matching = matching or [index for index, other in enumerate(names) if bare_name(other) == bare_name(name)]
    if len(matching) > 1:
        raise TableError(
            file,
            f"{len(matching)} columns are called {name!r}",
            f"state the position of one: --set {setting}={matching[0] + 1}",
        )
    if matching:
        return matching[0]
    if column.position is not None and column.position <= width:
        return column.position - 1
    there = f"has {width:,} column{'s' if width != 1 else ''}: {describe(names, width, examples)}"
    remedy = _remedy(name, setting, names) + (
        "" if names else ", by its position, or state header=yes if line 1 names them"
    )
    raise TableError(file, f"there is no column {name!r}; the file {there}", remedy)


def _remedy(name: str, setting: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean {close[0]!r} in {setting}?" if close else f"name one of these in {setting}"


def _usual(column: Column, names: Sequence[str]) -> int | None:
    lowered = [name.strip().lower() for name in names]
    return next((lowered.index(name) for name in column.usual if lowered.count(name) == 1), None)


def _untold(
    wanted: Sequence[Column], open_columns: Sequence[Column], names: Sequence[str], width: int, examples: Sequence[str]
) -> tuple[str, str]:
    there = f"has {width:,} column{'s' if width != 1 else ''} ({describe(names, width, examples)})"
    asked = " and ".join(column.name for column in wanted)
    if width < len(wanted):
        return f"the file {there}, and {asked} are asked for", "check the delimiter (--set data.delimiter=';')"
    choices = names or [str(index + 1) for index in range(width)]
    settings = " ".join(
        f"--set {column.setting or column.name}={choice!r}"
        for column, choice in zip(open_columns, choices, strict=False)
    )
    return (
        f"the file {there}, and it cannot be told which are {asked}",
        f"name them, or state their positions, such as {settings}",
    )

"""What a report says of a table's rows: which were read, and which were left out and why."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.report.render import render

_HERE = os.path.dirname(os.path.abspath(__file__))

# Names of files that a sentence has; a table's folder may have thousands.
_NAMED = 10


def describe_rows(summary: Mapping[str, Any]) -> str:
    """Returns the markup for the summary that ExampleGen notes of a table, see `components.example_gen.pairs.summarize`.

    Args:
      summary: The counts and lists; those that an earlier version did not note are left out.
    """
    skipped = summary.get("skipped_rows", [])
    sentences = list(_sentences(summary))
    return render(
        os.path.join(_HERE, "rows.html.jinja"),
        sentences=sentences,
        skipped=skipped,
        count=summary.get("skipped", len(skipped)),
    )


def _sentences(summary: Mapping[str, Any]) -> Iterator[str]:
    if "rows" in summary:
        names = [str(name) for name in summary.get("file_names", [])]
        yield f"{_count(summary, 'rows', 'row')} of {_count(summary, 'files', 'file')}{_list(names, summary.get('files', 0))}."
    if "inputs" in summary:
        several = summary.get("several_answers", 0)
        answers = "any of them counts as right, and an input is in one split with all of its answers"
        yield f"{_count(summary, 'inputs', 'different input')}; " + (
            f"{several:,} of them {'has' if several == 1 else 'have'} several answers: {answers}."
            if several
            else "none of them has several answers."
        )
    if summary.get("duplicates"):
        yield f"{_count(summary, 'duplicates', 'row')} {_repeat(summary['duplicates'])} another one."
    if summary.get("kept_out"):
        yield (
            f"{_count(summary, 'kept_out', 'row')} {_is(summary['kept_out'])} kept out of training, because a file of "
            "validation or of test has the same input."
        )
    if summary.get("empty_lines"):
        yield f"{_count(summary, 'empty_lines', 'empty line')} {_is(summary['empty_lines'])} left out."
    if "skipped" in summary:
        yield (
            f"{_count(summary, 'skipped', 'row')} could not be used and {_is(summary['skipped'])} left out."
            if summary["skipped"]
            else "No row had to be skipped."
        )
    for name, what in (("hidden", "Hidden files are left out"), ("others", "Files of another kind are left out")):
        if paths := summary.get(name):
            yield what + _list([str(path) for path in paths], len(paths)) + "."


def _count(summary: Mapping[str, Any], name: str, what: str) -> str:
    number = summary.get(name, 0)
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _repeat(number: int) -> str:
    return "repeats" if number == 1 else "repeat"


def _list(names: list[str], count: int) -> str:
    """Returns names behind a colon, and how many more there are; empty if there are none."""
    if not names:
        return ""
    more = count - len(names[:_NAMED])
    return f": {', '.join(names[:_NAMED])}" + (f", and {more:,} more" if more > 0 else "")

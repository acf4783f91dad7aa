"""Writes docs/performance.md from what the benchmarks have found: `python -m pipeline.bench.page FOLDER PAGE`."""

import json
import sys
from pathlib import Path
from typing import Any

import jinja2

from components.files import write_file

_TEMPLATE = Path(__file__).with_name("performance.md.jinja")

# Names of the files that `make bench` leaves, without their ending.
SUBJECTS = ("train", "data", "data-large", "pipeline", "generate", "serve")


def write_page(folder: Path, page: Path) -> None:
    """Writes the page.

    Args:
      folder: Has `<subject>.json` of every subject, each the output of `charseq bench ... --json`.
      page: What to write.

    Raises:
      FileNotFoundError: A subject has not been measured.
    """
    found = {subject.replace("-", "_"): json.loads((folder / f"{subject}.json").read_text()) for subject in SUBJECTS}
    environment = jinja2.Environment(autoescape=False, keep_trailing_newline=True)
    environment.filters["rows"] = _rows
    template = environment.from_string(_TEMPLATE.read_text())
    write_file(str(page), template.render(machine=found["train"]["machine"], **found).encode())


def _rows(found: dict[str, Any]) -> str:
    """Returns a subject's figures as the rows of a Markdown table with the columns name, figure and note."""
    return "\n".join(f"| {_escape(f['name'])} | {_value(f)} | {_escape(f['note'])} |" for f in found["figures"])


def _escape(text: str) -> str:
    return text.strip().replace("|", "\\|")


def _value(figure: dict[str, Any]) -> str:
    value = figure["value"]
    if value is None:
        return ""
    return f"{value:,.0f} {figure['unit']}" if value >= 100 else f"{value:,.1f} {figure['unit']}"


if __name__ == "__main__":
    write_page(Path(sys.argv[1]), Path(sys.argv[2]))

"""Writes docs/performance.md from what the benchmarks have found: `python -m benchmarks.measuring.page FOLDER PAGE`."""

import json
import sys
from pathlib import Path
from typing import Any

import jinja2

from components.files import write_file

_TEMPLATE = Path(__file__).with_name("performance.md.jinja")

# Names of the files that `make bench` leaves, without their ending.
SUBJECTS = (
    "train",
    "data",
    "data-large",
    "pairs",
    "days",
    "pipeline",
    "generate",
    "serve",
    "series",
    "seq2seq",
    "pronunciations",
)

# Digits behind the point of figures that are small by nature; others have one.
_DIGITS = {"MASE": 3}


def write_page(folder: Path, page: Path) -> None:
    """Writes the page.

    Args:
      folder: Has `<subject>.json` of each subject, the output of `charseq bench ... --json`; one that is not there has not been
        measured, and the page says so.
      page: What to write.

    Raises:
      FileNotFoundError: There is none.
    """
    found = {subject.replace("-", "_"): _read(folder / f"{subject}.json") for subject in SUBJECTS}
    if not any(found.values()):
        raise FileNotFoundError(f"{folder} has no figures; charseq bench ... --json writes them")
    environment = jinja2.Environment(autoescape=False, keep_trailing_newline=True)
    environment.filters["rows"] = _rows
    environment.filters["machine"] = _machine
    template = environment.from_string(_TEMPLATE.read_text())
    write_file(str(page), template.render(**found).encode())


def _read(path: Path) -> dict[str, Any] | None:
    return dict(json.loads(path.read_text())) if path.exists() else None


def _rows(found: dict[str, Any] | None) -> str:
    """Returns a subject's figures as the rows of a Markdown table with the columns name, figure and note."""
    if found is None:
        return "| not measured yet | | |"
    return "\n".join(f"| {_escape(f['name'])} | {_value(f)} | {_escape(f['note'])} |" for f in found["figures"])


def _machine(found: dict[str, Any] | None) -> str:
    """Returns in a sentence what a subject was measured on, for the page has subjects of several machines."""
    if found is None:
        return ""
    machine, versions = found["machine"], found["machine"]["versions"]
    return (
        f"Measured {machine.get('date', '')} on {machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory_gib']} GiB, {machine['system']};\nPython {versions['python']}, TensorFlow {versions['tensorflow']}, "
        f"Keras {versions['keras']}, TFX {versions['tfx']}, Beam {versions['apache-beam']}."
    )


def _escape(text: str) -> str:
    return text.strip().replace("|", "\\|")


def _value(figure: dict[str, Any]) -> str:
    value = figure["value"]
    if value is None:
        return ""
    digits = 0 if value >= 100 else _DIGITS.get(figure["unit"], 1)
    return f"{value:,.{digits}f} {figure['unit']}"


if __name__ == "__main__":
    write_page(Path(sys.argv[1]), Path(sys.argv[2]))

"""Makes docs/run.svg: a picture of what `make run` really printed.

Usage: .venv/bin/python docs/record.py
"""

import subprocess
from pathlib import Path

from rich.console import Console
from rich.text import Text

_WIDTH = 110


def main() -> None:
    """Runs `make run` and draws its output."""
    folder = Path(__file__).parent
    completed = subprocess.run(
        ["make", "run"],  # noqa: S607 (the user's own make)
        cwd=folder.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    root = str(folder.parent.resolve())
    with open("/dev/null", "w") as nowhere:
        console = Console(record=True, width=_WIDTH, file=nowhere)
        console.print(Text("$ make run", style="bold"))
        for line in completed.stdout.replace(root + "/", "").splitlines():
            console.print(Text(line, style="bold" if line.startswith(".venv/bin/") else ""))
    (folder / "run.svg").write_text(console.export_svg(title="charseq"))


if __name__ == "__main__":
    main()

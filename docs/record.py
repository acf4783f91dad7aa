"""Makes docs/run.svg: a picture of what `charseq run sums` and two questions really printed in a terminal.

Usage: .venv/bin/python docs/record.py
"""

import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

_WIDTH = 108

# What rich's live display sends: go up so many lines, clear the line, show or hide the cursor; colours stay in the text.
_CONTROL = re.compile(r"\x1b\[(\d*)([AK])|\x1b\[\?25[lh]|\r|\n")


class Screen:
    """The lines of a terminal, as far as our commands use one."""

    def __init__(self) -> None:
        self.lines = [""]
        self.drawn = [""]  # as they were before the last lines began to be drawn again
        self._row = 0

    def write(self, text: str) -> None:
        """Takes what a program has written."""
        end = 0
        for control in _CONTROL.finditer(text):
            self.lines[self._row] += text[end : control.start()]
            end = control.end()
            if control[0] == "\n":
                self._row += 1
                self.lines += [""] * (self._row + 1 - len(self.lines))
            elif control[2] == "A":
                self._row -= int(control[1] or 1)
            elif control[2] == "K":
                if self._row + 1 == len(self.lines):
                    self.drawn = list(self.lines)
                self.lines[self._row] = ""
        self.lines[self._row] += text[end:]


def record(arguments: list[str], cwd: str) -> tuple[list[str], list[str]]:
    """Runs a command in a terminal; returns its screen in the middle of the training, and at the end."""
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(_WIDTH), "LINES": "50"}
    process = subprocess.Popen(arguments, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=cwd)
    os.close(slave)
    screen, training = Screen(), []
    pending = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # it has ended
            break
        # Up to the last whole line: a control sequence or a character may be cut in two.
        whole, newline, pending = (pending + chunk).rpartition(b"\n")
        screen.write((whole + newline).decode())
        if any(re.search(r"epoch 2\d/40", line) for line in screen.drawn):
            training = screen.drawn
    screen.write(pending.decode())
    os.close(master)
    if process.wait():
        sys.exit("\n".join(screen.lines))
    return training, screen.lines


def main() -> None:
    """Runs the commands and draws what they showed."""
    folder = Path(__file__).parent
    program = folder.parent / ".venv" / "bin"
    with tempfile.TemporaryDirectory() as scratch, open(os.devnull, "w") as nowhere:
        training, done = record([str(program / "charseq"), "run", "sums"], scratch)
        question = "from pipeline.demo import main; main(['12+34', '7+8', '99+99'])"
        _, answers = record([str(program / "python"), "-c", question], scratch)
        console = Console(record=True, width=_WIDTH, file=nowhere)
        for heading, lines in (
            ("$ charseq run sums", training),
            ("… and at its end:", done),
            ("$ python -m pipeline.demo 12+34 7+8 99+99", answers),
        ):
            console.print(Text(heading, style="bold"))
            for line in "\n".join(lines).replace(f"{scratch}/", "").strip("\n").split("\n"):
                console.print(Text.from_ansi(line), soft_wrap=True)
            console.print()
    # Without the fonts that rich would have a browser load from elsewhere.
    svg = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="charseq"), flags=re.DOTALL)
    (folder / "run.svg").write_text(svg)


if __name__ == "__main__":
    main()

"""Makes the pictures of the documentation from real runs, each in light and in dark: `python -m docs.tools.pictures FOLDER`.

The folder keeps the runs: what is there already is not run again. `make pictures` takes `runs/pictures`.
"""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME
from rich.text import Text

from serving.free_port import free_port
from tests.browser import Scheme, page_in_chromium

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PROGRAMS = ROOT / ".venv" / "bin"

_SCHEMES: tuple[Scheme, ...] = ("light", "dark")
_THEMES = {"light": DEFAULT_TERMINAL_THEME, "dark": SVG_EXPORT_THEME}

_WIDTH = 108

_QUESTION = "from pipeline.demo import main; main(['12+34', '7+8', '99+99'])"

# What rich's live display sends: go up so many lines, clear the line, show or hide the cursor; colours stay in the text.
_CONTROL = re.compile(r"\x1b\[(\d*)([AK])|\x1b\[\?25[lh]|\r|\n")


class Screen:
    """The lines of a terminal, as far as our commands use one."""

    def __init__(self) -> None:
        self.lines = [""]
        self.drawn = [""]  # as they were before the last lines were drawn again
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


def record(arguments: list[str], cwd: Path) -> tuple[list[str], list[str]]:
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


def terminal(folder: Path) -> None:
    """Draws what `charseq run sums` and two questions print in a terminal."""
    screens = folder / "terminal"
    if not screens.exists():
        training, done = record([str(PROGRAMS / "charseq"), "run", "sums"], folder)
        _, answers = record([str(PROGRAMS / "python"), "-c", _QUESTION], folder)
        screens.mkdir()
        for name, lines in (("training", training), ("done", done), ("answers", answers)):
            (screens / name).write_text("\n".join(lines).replace(f"{folder}/", "").strip("\n"))
    for scheme in _SCHEMES:
        with open(os.devnull, "w") as nowhere:
            console = Console(record=True, width=_WIDTH, file=nowhere)
            for heading, name in (
                ("$ charseq run sums", "training"),
                ("… and at its end:", "done"),
                ("$ python -m pipeline.demo 12+34 7+8 99+99", "answers"),
            ):
                console.print(Text(heading, style="bold"))
                for line in (screens / name).read_text().split("\n"):
                    console.print(Text.from_ansi(line), soft_wrap=True)
                console.print()
            svg = console.export_svg(title="charseq", theme=_THEMES[scheme], unique_id="charseq")
        # Without the fonts that rich would have a browser load from elsewhere.
        svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
        (DOCS / f"run-{scheme}.svg").write_text(svg)


def names(folder: Path) -> Path:
    """Runs the task of the README; returns the folder of its runs."""
    root = folder / "names"
    if not (root / "reports").exists():
        for arguments in (
            ["python", str(ROOT / "examples" / "product-names" / "make_data.py")],
            ["charseq", "new", "product-names", "--family", "pairs", "--data", "products.csv", "--force"],
            ["charseq", "run", "product-names.toml", "--set", "train.members=1", "--root", str(root)],
        ):
            subprocess.run([str(PROGRAMS / arguments[0]), *arguments[1:]], cwd=folder, check=True)
    return root


def report(root: Path) -> None:
    """Photographs the report of the task of the README."""
    *_, page = sorted((root / "reports" / "product-names").glob("*.html"))
    for scheme in _SCHEMES:
        with page_in_chromium(page.as_uri(), scheme=scheme, size=(1000, 900)) as tab:
            tab.page.screenshot(path=DOCS / f"report-{scheme}.png")


def try_page(serving_dir: Path) -> None:
    """Photographs the page of `charseq serve --page` with an answer of the model of sums."""
    with _served(serving_dir) as address:
        for scheme in _SCHEMES:
            with page_in_chromium(address, scheme=scheme, size=(780, 720)) as tab:
                tab.page.get_by_label("Text to answer").fill("16+4")
                tab.page.keyboard.press("Enter")
                tab.page.locator("#characters li").first.wait_for()
                tab.page.screenshot(path=DOCS / f"page-{scheme}.png")


@contextmanager
def _served(serving_dir: Path) -> Iterator[str]:
    """Serves a folder with the page; yields the page's address."""
    command = [str(PROGRAMS / "charseq"), "serve", "--page", "--serving-dir", str(serving_dir), "--port", "0"]
    process = subprocess.Popen([*command, "--rest-port", str(free_port())], stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout or ():
            if found := re.search(r"REST at (\S+:\d+)", line):
                yield f"http://{found[1]}/"
                break
    finally:
        process.terminate()
        process.wait(60)


def main(folder: Path) -> None:
    """Makes all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    report(names(folder))
    terminal(folder)
    try_page(folder / "runs" / "serving")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())

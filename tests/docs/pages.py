"""What the documentation's pages hold: code blocks with their markers, commands, links.

A marker is a comment of HTML in the line before a block. It says how the block is tested:

- `<!-- slow -->`: only the slow test runs it.
- `<!-- background -->`: the command goes on until the end of the page.
- `<!-- output of the trained model -->`: only the slow test compares the output.
- `<!-- exit status 2 -->`: the command ends so.
- `<!-- needs WHAT -->`: it is not run; `<!-- page needs WHAT -->` says so of all blocks of a page.
"""

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

MARKERS = re.compile(r"slow|background|output of the trained model|exit status \d|(page )?needs .+")

_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<marker>[^\n]*?) -->\n+)?^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.M | re.S
)
_INLINE = re.compile(r"`([^`\n]+)`")
_SHELL = ("", "console", "sh")
_PUNCTUATION = set("();<>|&")


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of a shell block.

    Attributes:
      line: As it is typed, without the prompt.
      output: What the page says that it prints; None if it says nothing of it.
    """

    line: str
    output: str | None = None


@dataclasses.dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
      page: Its page, relative to the root of the project.
      number: The line where it begins, from 1.
      language: What stands behind the fence.
      text: What is in it.
      marker: What the comment before it says, empty if there is none.
    """

    page: str
    number: int
    language: str
    text: str
    marker: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.number}"

    @property
    def needs(self) -> str:
        """What this machine may lack, empty if nothing."""
        found = re.fullmatch(r"(?:page )?needs (.+)", self.marker)
        return found[1] if found else ""

    @property
    def commands(self) -> list[Command]:
        """The commands of a shell block: those behind a prompt with their output, else every line."""
        if self.language not in _SHELL:
            return []
        text = self.text.replace("\\\n", " ")
        if "$ " not in text[:2] and "\n$ " not in text:
            lines = _join_quoted(line for line in text.splitlines() if line.strip())
            return [Command(line) for line in lines if _is_command(line)]
        found = []
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            line, _, output = part.partition("\n")
            found.append(Command(line, output))
        return found


def _join_quoted(lines: Iterator[str]) -> list[str]:
    """Joins lines within quotes."""
    joined: list[str] = []
    for line in lines:
        if joined and (joined[-1].count("'") % 2 or joined[-1].count('"') % 2) and "#" not in joined[-1]:
            joined[-1] += "\n" + line
        else:
            joined.append(line)
    return joined


def _is_command(line: str) -> bool:
    programs = (
        "charseq|python|python3|python3.11|curl|grpcurl|make|tfx|pip|node|go|java|zcat|kubectl|docker|helm|cat|mkdir"
    )
    return re.match(rf"(\.venv/bin/)?({programs}) ", line) is not None


def markdown_files() -> list[Path]:
    """Returns every page of the project: docs, README and its like, and those of the examples."""
    return sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "examples").rglob("*.md")])


def read_blocks(path: Path) -> list[Block]:
    """Returns the code blocks of a page."""
    text = path.read_text(encoding="utf-8")
    page = str(path.relative_to(ROOT))
    of_the_page = re.search(r"<!-- (page needs [^\n]+?) -->", text)
    blocks = []
    for found in _BLOCK.finditer(text):
        number = text.count("\n", 0, found.start("indent")) + 1
        marker = of_the_page[1] if of_the_page else found["marker"] or ""
        lines = (line.removeprefix(found["indent"]) for line in found["text"].splitlines(keepends=True))
        blocks.append(Block(page, number, found["language"], "".join(lines), marker))
    return blocks


def charseq_calls(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yields what each `charseq ...` of a page is called with, in blocks and within lines, and where it stands."""
    for block in read_blocks(path):
        for command in block.commands:
            for arguments in split_calls(command.line):
                yield f"{block}: {command.line}", arguments
    for code in _INLINE.findall(_BLOCK.sub("", path.read_text(encoding="utf-8"))):
        if code.startswith("charseq "):
            for arguments in split_calls(code):
                yield f"{path.relative_to(ROOT)}: {code}", arguments


def split_calls(line: str) -> Iterator[list[str]]:
    """Yields the arguments of each call of `charseq` in a line of the shell."""
    line = re.sub(r"\$\([^)]*\)", "", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    part: list[str] = []
    for token in [*lexer, ";"]:
        if not set(token) <= _PUNCTUATION:
            part.append(token)
            continue
        if "charseq" in part:
            yield [argument for argument in part[part.index("charseq") + 1 :] if argument != "..."]
        part = []

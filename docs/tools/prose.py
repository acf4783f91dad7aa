"""Finds prose that must be read twice: in pages, docstrings, comments, help and messages.

`make prose` runs it over the project, and `python -m docs.tools.prose FILE...` over some files. Two sets of rules look at the
text: those of this house, below, and for pages also proselint's rules for English in general. Code is left out.
"""

import ast
import dataclasses
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from proselint.checks import __register__
from proselint.config import DEFAULT
from proselint.registry import CheckRegistry
from proselint.tools import LintFile


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule of this house.

    Attributes:
      pattern: What is found.
      advice: What to write instead.
    """

    pattern: re.Pattern[str]
    advice: str


def _rule(pattern: str, advice: str) -> Rule:
    return Rule(re.compile(pattern, re.M), advice)


# The start of a sentence, of a paragraph, a list item or a cell of a table.
_START = r"(?:(?<=[.:;|] )|^[ ]*(?:[-*] )?)"

RULES = (
    _rule(r"\b(?:had|has|have) not(?=[.,;:)])", "the verb is missing: say what was not done"),
    _rule(
        r"(?<!there )(?<!There )(?<!would )(?<!may )\b(?:is|are|be) none(?=[ .,;:)])(?! of)",
        'say "there is no ..." or "... is not a ..."',
    ),
    _rule(r"\bare no (?!longer|more)\w+ of\b", 'say "... are not ..."'),
    _rule(_START + r"Of (?!course)\w+", "do not begin with Of: name the thing, then what it belongs to"),
    _rule(
        _START + r"Who (?!is|are|can|answers|a step|may|needs)\w+s? (?![^.\n]*\?)",
        'say "Whoever", or begin with the person',
    ),
    _rule(r"\banew\b", 'say "again" or "new"'),
    _rule(r"\bin place of\b", 'say "instead of"'),
    _rule(r"\bby turns\b", 'say "in turn" or "alternately"'),
    _rule(r"\b[Ll]ikewise\.", "repeat what it is, in a few words"),
    _rule(r"\b(?:to be|is|was|are|were) had\b", 'say "available"'),
    _rule(r"\bgives? out\b", 'say "returns" or "publishes"'),
    _rule(r"\b(?:wherein|whereby|thereof|thereby|therein|hereby|hitherto|lest|ere|hence)\b", "use a plain word"),
    _rule(r"\b(?:and|or) the like\b", "name the things, or leave it out"),
    _rule(r"\bnot so\b(?! \w)", "say what is the case"),
    _rule(r"\b(?:what|which) (?:stands|lies) (?:behind|before) (?:it|them)\b", "name what it is"),
    _rule(r"\bwhom\b", "make two sentences"),
    _rule(r"\b(?:beside|besides) (?:that|this|these|those)(?=[.,;:)])", "say what it is compared with"),
    _rule(r"\bfrom which on\b", "say from when"),
    _rule(r"\b(?:a|the) \w+ (?:that|which) (?:training|the model|the data) (?:had|has) not\b", "say what was missing"),
    _rule(r"\b([A-Za-z]+) \1\b(?<!that that)(?<!had had)(?!\.\w)", "a word stands twice"),
    _rule(r"\b(?:simply|obviously|of course|basically|easily)\b", "leave it out"),
    _rule(r"\butili[sz]e", 'say "use"'),
    _rule(r"\bin order to\b", 'say "to"'),
)

# Of proselint. Typography is the font's matter, and repeated phrases are found across headings; the rule above finds words.
_LEFT_OUT = {"typography", "lexical_illusions"}

# What proselint says of words that are terms here.
_TERMS = re.compile(r"'?(?:resume|sherlock|Holmes)\b|\bresume'", re.I)

_FENCE = re.compile(r"^( *)(`{3,}).*?^ *\2`*$", re.M | re.S)
_NOT_PROSE = re.compile(r"<!--.*?-->|\]\([^)\s]*\)|``[^`]+``|`[^`\n]*`|<[^>\n]+>|https?://\S+|\{[{%].*?[%}]\}", re.S)

_PATTERNS = ("*.md", "*.py", "*.jinja", "*.html", "*.toml", "*.sh", "Makefile")


def read_prose(path: Path) -> str:
    """Returns a file's text with everything that is not prose blanked out, so that positions stay."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = _of_python(text)
    elif path.suffix in (".toml", ".sh", ".yaml", ".txt", "") and path.name != "NOTES":
        text = "\n".join(
            re.sub(r"^(.*?)(#+ )", lambda m: " " * len(m[0]), line) if "# " in line else "" for line in text.split("\n")
        )
    else:
        text = _FENCE.sub(_blank, text)
    return _NOT_PROSE.sub(_blank, text)


def _blank(found: re.Match[str]) -> str:
    """Keeps the length and the lines; a word stands for a piece of code, so that the sentence around it stays one."""
    return re.sub(r"[^\n]", "\u00b7", found[0])


def _of_python(source: str) -> str:
    """Returns the docstrings, comments and messages of a module at their places."""
    lines = source.split("\n")
    kept = [[" "] * len(line) for line in lines]

    def keep(start: tuple[int, int], end: tuple[int, int]) -> None:
        for row in range(start[0] - 1, end[0]):
            first = start[1] if row == start[0] - 1 else 0
            last = end[1] if row == end[0] - 1 else len(lines[row])
            kept[row][first:last] = lines[row][first:last]

    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not re.match(r"# (?:noqa|type:|mypy)|#!", token.string):
            keep((token.start[0], token.start[1] + 1), token.end)
    spoken = [node for node in ast.walk(ast.parse(source)) if _is_spoken(node)]
    for node in spoken:
        for string in ast.walk(node):
            if isinstance(string, ast.Constant) and isinstance(string.value, str):
                start = _characters(lines, string.lineno, string.col_offset)
                end = _characters(lines, string.end_lineno or 0, string.end_col_offset or 0)
                keep((string.lineno, start), (string.end_lineno or 0, end))
    return "\n".join("".join(line) for line in kept)


def _characters(lines: list[str], row: int, offset: int) -> int:
    """Returns a column in characters of one in bytes."""
    return len(lines[row - 1].encode()[:offset].decode(errors="ignore"))


def _is_spoken(node: ast.AST) -> bool:
    """Whether a node is text for people: a docstring, what an exception says, help, what is printed or logged."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.Raise):
        return node.exc is not None
    if isinstance(node, ast.keyword):
        return node.arg == "help"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("echo", "info", "warning", "error")
    return False


def check(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the line and the words of every warning about a file."""
    prose = read_prose(path)
    for rule in RULES:
        for found in rule.pattern.finditer(prose):
            yield prose.count("\n", 0, found.start()) + 1, f"{found[0].strip()!r}: {rule.advice}"
    if path.suffix == ".md" and prose.strip():
        for result in LintFile(str(path), prose).lint(_config()):
            if not _TERMS.search(result.check_result.message):
                yield result.pos[0], f"{result.check_result.message} ({result.check_result.check_path})"


def _config() -> dict[str, object]:
    registry = CheckRegistry()
    if not registry.checks:
        registry.register_many(__register__)
    return {**DEFAULT, "checks": {**DEFAULT["checks"], **dict.fromkeys(_LEFT_OUT, False)}}


def project_files() -> list[Path]:
    """Returns the files of the project that have prose: what git knows of, and what is new."""
    command = ["/usr/bin/env", "git", "ls-files", "-co", "--exclude-standard", *_PATTERNS]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.splitlines() if Path(name).is_file()]
    return [Path(name) for name in names if name != "docs/tools/prose.py"]


def main(names: list[str]) -> int:
    """Prints the warnings about files; the status is 1 if there are any."""
    count = 0
    for path in map(Path, names) if names else project_files():
        for line, words in sorted(set(check(path))):
            print(f"{path}:{line}: {words}")
            count += 1
    if count:
        print(f"{count} warnings", file=sys.stderr)
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

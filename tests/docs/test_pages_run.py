"""The commands and programs of tutorial and how-to pages run as they stand, in order, each page in a folder of its own.

In the quick test they ask a model that has learned for one epoch, and what takes minutes is left out. The slow test runs the
tutorials from beginning to end, and compares what the commands print with what the pages say: numbers may differ.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from pipeline import load_model
from serving.free_port import free_port
from tests.docs.pages import DOCS, ROOT, Block, read_blocks
from tests.serving.saved_models import save_forecaster, save_writer

pytestmark = pytest.mark.e2e

TUTORIALS = sorted((DOCS / "tutorial").glob("*.md"))
# Those that the site lists in the room "How to".
_ROOM = re.split(r"^  - ", (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("  - How to:\n")[2], flags=re.M)[
    0
]
HOW_TOS = [DOCS / name for name in re.findall(r": ([\w/-]+\.md)$", _ROOM, re.M)]

# Programs in other languages say in their first line how they are called, and how they are run.
_PROGRAM = re.compile(r"// (?P<name>[\w.]+)[^:\n]*: (?P<command>.+)")

# One epoch of a narrow network that may be as bad as it is.
_SMALL = (
    "train.compiled=false train.members=1 train.epochs=1 train.units=16 train.layers=1 train.embedding=8 "
    "gate.beat_floor=false"
)

# Adds the ports of the test to what a reader types without them, and patience for a machine that does much else.
_CHARSEQ = """#!/bin/bash
case "$1" in
  serve) set -- "$@" --port {grpc} --rest-port {rest} ;;
  predict | generate | forecast)
    case " $* " in *" --server "* | *" --model-dir "*) ;; *) set -- "$@" --server 127.0.0.1:{grpc} --timeout 120 ;; esac ;;
esac
exec {charseq} "$@"
"""


class Reader:
    """Somebody who types what a page says.

    Attributes:
      folder: Where; it gets the examples, as if it were the folder of charseq.
      replaced: What a page states, and what is typed in its place.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.grpc, self.rest = free_port(), free_port()
        shutil.copytree(ROOT / "examples", folder / "examples", dirs_exist_ok=True)
        programs = folder / ".programs"
        programs.mkdir()
        charseq = Path(sys.executable).with_name("charseq")
        (programs / "charseq").write_text(_CHARSEQ.format(grpc=self.grpc, rest=self.rest, charseq=charseq))
        (programs / "charseq").chmod(0o755)
        path = os.pathsep.join([str(programs), str(charseq.parent), os.environ["PATH"]])
        self._environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
        self._background: list[subprocess.Popen[bytes]] = []
        self.replaced: dict[str, str] = {}

    def read(self, page: Path, slow: bool = False) -> None:
        """Types every block of a page in its order."""
        for block in read_blocks(page):
            if block.needs or (block.marker == "slow" and not slow):
                continue
            if block.marker == "background":
                self.serve(block.commands[0].line)
            elif block.language == "python":
                self._run(block, [sys.executable, "-c", self._adapt(block.text)])
            elif found := _PROGRAM.match(block.text):
                if shutil.which(found["command"].split()[0]) and (slow or block.language != "go"):
                    (self.folder / found["name"]).write_text(self._adapt(block.text))
                    self._run(block, ["bash", "-c", found["command"]])
            else:
                for command in block.commands:
                    output = self._run(block, ["bash", "-o", "pipefail", "-c", self._adapt(command.line)])
                    trained = block.marker not in ("slow", "output of the trained model") or slow
                    if command.output and trained and not command.line.startswith("charseq serve"):
                        printed = output if output.endswith("\n") else f"{output}\n"
                        assert _pattern(command.output).fullmatch(printed), f"{block}: {command.line}\n{output}"

    def serve(self, line: str = "charseq serve") -> None:
        """Starts what goes on until the end, and waits until it answers."""
        process = subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=self.folder, env=self._environment)
        self._background.append(process)
        for model in (path.name for path in (self.folder / "runs/serving").iterdir() if path.is_dir()):
            while not self._is_available(model):
                assert process.poll() is None
                time.sleep(0.2)

    def _is_available(self, model: str) -> bool:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self.rest}/v1/models/{model}") as answer,
        ):
            return b"AVAILABLE" in answer.read()
        return False

    def stop(self) -> None:
        """Ends what goes on."""
        for process in self._background:
            process.terminate()
            assert process.wait(60) == 0

    def _adapt(self, text: str) -> str:
        versions = sorted(path.name for path in (self.folder / "runs/serving").glob("product-names/[0-9]*"))
        for stated, typed in {"8500": str(self.grpc), "8501": str(self.rest), **self.replaced}.items():
            text = text.replace(stated, typed)
        return re.sub(r"\bVERSION\b", versions[-1] if versions else "VERSION", text)

    def _run(self, block: Block, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=1800, check=False
        )
        found = re.fullmatch(r"exit status (\d)", block.marker)
        expected = int(found[1]) if found else 0
        assert done.returncode == expected, f"{block}: {command[-1]}\n{done.stdout}{done.stderr}"
        return done.stdout if done.returncode == 0 else done.stderr


def _pattern(output: str) -> re.Pattern[str]:
    """Returns what a command may print: `...` stands for anything, and a number for any number."""
    parts = []
    for line in output.rstrip("\n").split("\n"):
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            text = r"[^\n]*".join(re.escape(part) for part in line.split("..."))
            parts.append(re.sub(r"\d+(?:\\?[.,\-:T]\d+)*", r"[\\d.,\\-:T]+", text) + r"[^\n]*\n")
    return re.compile("".join(parts))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """The folder of somebody who has run the tutorial of pairs with a model that has learned next to nothing."""
    reader = Reader(tmp_path_factory.mktemp("small run"))
    settings = " ".join(f"--set {setting}" for setting in _SMALL.split())
    for line in (
        "python examples/product-names/make_data.py",
        "charseq new product-names --family pairs --data products.csv",
        f"charseq run product-names.toml {settings}",
    ):
        reader._run(Block("small run", 0, "", ""), ["bash", "-c", line])
    return reader.folder


@pytest.fixture
def reader(tmp_path):
    """Somebody in an empty folder with a space in its name."""
    folder = tmp_path / "some folder"
    folder.mkdir()
    someone = Reader(folder)
    yield someone
    someone.stop()


def _give_pairs(reader, small_run, *names):
    for name in names:
        copy = shutil.copytree if (small_run / name).is_dir() else shutil.copy2
        copy(small_run / name, reader.folder / name)
    # It has the path of the folder that was copied.
    (reader.folder / "runs" / "serving" / "models.config").unlink()


@pytest.mark.parametrize("page", HOW_TOS, ids=lambda page: page.stem)
def test_the_steps_of_a_how_to_run(reader, small_run, page):
    if not any(not block.needs and block.commands for block in read_blocks(page)):
        pytest.skip("all of it needs what the page says")
    _give_pairs(reader, small_run, "runs", "products.csv", "product-names.toml")
    versions = reader.folder / "runs/serving/product-names"
    (pushed,) = (path for path in versions.iterdir() if path.name.isdigit())
    # Later versions, for what is promoted and tried.
    shutil.copytree(pushed, versions / str(int(pushed.name) + 1))
    reader._run(Block(str(page), 0, "", ""), ["charseq", "promote", "--model", "product-names", pushed.name])
    reader.serve()
    reader.read(page)


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "tutorial" / "pairs.md"], ids=lambda page: page.stem)
def test_the_steps_for_pairs_run(reader, small_run, page):
    _give_pairs(reader, small_run, "runs", "products.csv")
    reader.read(page)


def test_the_tutorial_of_text_runs(reader):
    save_writer(reader.folder / "runs/serving/my-book/1")
    reader.replaced["--length 100"] = "--length 20"  # this model knows the alphabet alone
    reader.read(DOCS / "tutorial" / "text.md")


def _signatures(section: str) -> dict[str, tuple[str, str]]:
    """Returns the rows of a table of the page of signatures: inputs and outputs by the signature's name."""
    page = (DOCS / "reference" / "signatures.md").read_text(encoding="utf-8")
    part = re.split(r"^## ", page.partition(f"\n## {section}\n")[2], flags=re.M)[0]
    return {row[0]: (row[1], row[2]) for row in re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", part, re.M)}


def test_the_page_of_signatures_says_what_a_model_of_pairs_has(small_run):
    stated = _signatures("Pairs")
    with load_model(small_run / "runs/serving/product-names") as model:
        found = {name: model.signatures[name] for name in model.signatures if not name.startswith("__")}
    assert stated.keys() == found.keys() - {"evaluate"}
    for name, (inputs, outputs) in stated.items():
        for cell, tensors in ((inputs, found[name].inputs), (outputs, found[name].outputs)):
            for tensor in tensors:
                kind = {1: "float32", 3: "int32", 7: "string", 9: "int64"}[tensors[tensor].dtype]
                assert re.search(rf"`{tensor}`( string| float32| int32| int64)?", cell), f"{name}: {tensor}"
                assert f"`{tensor}` {kind}" in cell or f"`{tensor}`, " in cell, f"{name}: {tensor} is {kind}"


def test_the_page_of_files_names_what_a_run_leaves(small_run):
    page = (DOCS / "reference" / "files.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `((?:ROOT|MODEL)/[^`]*|models\.config)` \|", page, re.M)
    assert len(names) >= 11
    # What a run removes at its end, and what the page describes below.
    for name in set(names) - {"ROOT/checkpoints/TASK/"}:
        pattern = name if name.startswith("ROOT/") else f"ROOT/serving/{name}"
        for stated, found in {"ROOT": "runs", "TASK": "product-names", "MODEL": "product-names"}.items():
            pattern = pattern.replace(stated, found)
        assert list(small_run.glob(re.sub("NUMBER|RUN|VERSION|COMPONENT|OUTPUT", "*", pattern).rstrip("/"))), name


def test_the_page_of_signatures_names_those_of_every_architecture():
    from components.trainer.fixed_length.export import Seq2SeqModel
    from components.trainer.language_model.export import LanguageModel
    from components.trainer.seq2seq.export import PairsModel

    for section, model in (
        ("Sums, dates, and pairs of a fixed length", Seq2SeqModel),
        ("Pairs", PairsModel),
        ("Text", LanguageModel),
    ):
        assert set(_signatures(section)) == set(model.SIGNATURES) - {"evaluate"}, section


def test_the_tutorial_of_series_runs(reader):
    save_forecaster(reader.folder / "runs/serving/sales/1")
    reader.read(DOCS / "tutorial" / "series.md")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_the_tutorials_run_from_beginning_to_end(reader, page):
    reader.read(page, slow=True)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_clients_in_all_languages_run(reader, small_run):
    _give_pairs(reader, small_run, "runs")
    reader.serve()
    reader.read(DOCS / "how-to" / "clients.md", slow=True)

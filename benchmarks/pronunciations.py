"""Words wrong of the model of pairs, and of Phonetisaurus on the same rows."""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from benchmarks.measuring.figures import Figure
from benchmarks.measuring.processes import run_measured
from benchmarks.peers.processes import peer_python, peer_version
from components.example_gen.splits import TEST_SPLIT, TRAIN_SPLIT, VALIDATION_SPLIT

_SUBJECT = "pairs"

# The rows of each language that the shared task calls dev are the test: these are what published figures are of.
_G2P = ("data.validation_files=", "data.test_files=g2p-{LANGUAGE}-dev")


class _Row(NamedTuple):
    """A word and the pronunciations that are right, tokens with spaces between them."""

    word: str
    answers: tuple[str, ...]


def measure(languages: Sequence[str], cmudict: bool) -> list[Figure]:
    """Runs the tasks `g2p` and `cmudict` with their defaults, and has the peer learn the rows that they were trained on.

    The peer also gets the validation split, for it has no use of one.

    Args:
      languages: Languages of `g2p`.
      cmudict: Whether to measure `cmudict`, whose training takes most of an hour.
    """
    figures = []
    for language in languages:
        figures += _measure(f"g2p, {language}", "g2p", (f"data.language={language}", *_G2P))
    if cmudict:
        figures += _measure("cmudict", "cmudict", ())
    return figures


def _measure(name: str, task: str, assignments: Sequence[str]) -> list[Figure]:
    settings = [argument for assignment in assignments for argument in ("--set", assignment)]
    command = ["-c", "from pipeline.cli import main; main()", "run", task, "--json", *settings]
    with tempfile.TemporaryDirectory() as folder:
        metrics = run_measured([*command, "--root", folder], (0, 1)).found["metrics"]
        low, high = (100 * (1 - metrics[f"exact_match_{end}"]) for end in ("high", "low"))
        figures = [
            Figure(
                f"{name}: ours",
                100 * (1 - metrics["exact_match"]),
                "% wrong",
                [],
                f"95% interval {low:.1f} to {high:.1f}; training {metrics['train_seconds']:.0f} s",
            )
        ]
        if not (python := peer_python(_SUBJECT)):
            return [*figures, Figure(f"{name}: Phonetisaurus", None, "", [], "skipped: not installed (make peers)")]
        learned = [*_read(folder, TRAIN_SPLIT), *_read(folder, VALIDATION_SPLIT)]
        began = time.perf_counter()
        wrong = _peer_errors(python, folder, learned, list(_read(folder, TEST_SPLIT)))
        seconds = time.perf_counter() - began
    peer = f"{name}: Phonetisaurus {peer_version(python, 'phonetisaurus')}"
    return [*figures, Figure(peer, 100 * wrong, "% wrong", [], f"{seconds:.0f} s, training and answers")]


def _read(root: str, split: str) -> Iterator[_Row]:
    """Yields the rows of a split, as ExampleGen has left them."""
    files = Path(root, "artifacts").glob(f"*/PairsExampleGen/examples/*/Split-{split}/*")
    for serialized in tf.data.TFRecordDataset(sorted(map(str, files)), "GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(serialized).features.feature
        word, *answers = (
            value.decode() for key in ("expression", "answer", "others") for value in features[key].bytes_list.value
        )
        yield _Row(word, tuple(answers))


def _peer_errors(python: Path, folder: str, learned: Sequence[_Row], judged: Sequence[_Row]) -> float:
    """Returns the share of words that the peer gets wrong; it cannot say a word with a space in it."""
    program, lexicon, model = python.with_name("phonetisaurus"), Path(folder, "lexicon.txt"), Path(folder, "model.fst")
    lexicon.write_text("".join(f"{word} {answers[0]}\n" for word, answers in learned if " " not in word))
    subprocess.run([program, "train", "--model", model, lexicon], check=True, capture_output=True)
    words = "".join(f"{word}\n" for word, _ in judged if " " not in word)
    answer = subprocess.run(
        [program, "predict", "--model", model], input=words, check=True, capture_output=True, text=True
    )
    said: dict[str, str] = {}
    for line in answer.stdout.splitlines():
        with contextlib.suppress(ValueError):  # a word that it has no answer for
            word, pronunciation = line.split(" ", 1)
            said.setdefault(word, pronunciation.strip())
    return sum(said.get(word) not in answers for word, answers in judged) / len(judged)

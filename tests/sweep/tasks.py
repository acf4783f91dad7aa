"""A small task of every family, whose run takes seconds."""

import itertools
from pathlib import Path

_ALL = [
    "train.epochs=2",
    "train.compiled=false",
    "train.histograms=false",
    "train.checkpoint_seconds=0",
    "gate.beat_floor=false",
    "infra.timeout=1800",  # the sweep runs beside other work
    "run.cache=true",
]

_SEQ2SEQ = ["train.units=16", "train.embedding=8", "train.layers=1", "train.members=1"]

# By family; a test sees that none is left out.
SETTINGS = {
    "sums": [
        "data.count=600",
        "data.examples_per_shard=300",
        "gate.exact_match=0.0",
        "train.units=16",
        "train.embedding=16",
    ],
    "pairs": _SEQ2SEQ,
    "dates": ["data.count=600", "data.locales=en-US,de", "gate.exact_match=0.0", *_SEQ2SEQ],
    "text": ["train.units=16", "train.embedding=8", "train.keep=best_val_loss"],
    "series": ["train.units=8", "train.steps=10", "train.synthetic_windows=200"],
}


def write_task(family, folder):
    """Writes the data of a family's task; returns its task file or name, and its settings."""
    return _WRITERS[family](Path(folder)), [*_ALL, *SETTINGS[family]]


def _write_pairs(folder):
    words = ["".join(letters) for letters in itertools.product("abcdefg", repeat=3)]
    (folder / "pairs.tsv").write_text("".join(f"{word}\t{word[::-1].upper()}\n" for word in words))
    path = folder / "pairs.toml"
    path.write_text('family = "pairs"\n[data]\nfiles = "pairs.tsv"\ntest_fraction = 0.3\n')
    return path


def _write_text(folder):
    (folder / "book.txt").write_text("It was the best of times, it was the worst of times. \n" * 600)
    path = folder / "text.toml"
    path.write_text('family = "text"\n[data]\ncorpus = "book.txt"\n')
    return path


_WRITERS = {
    "sums": lambda folder: "sums",
    "pairs": _write_pairs,
    "dates": lambda folder: "dates",
    "text": _write_text,
    "series": lambda folder: "milk",
}

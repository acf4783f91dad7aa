"""A task whose whole pipeline runs in less than a minute, most of it imports."""

import itertools

_TASK = """
family = "pairs"
[data]
files         = "pairs.tsv"
test_fraction = 0.3
[train]
epochs     = 2
units      = 16
embedding  = 8
layers     = 1
members    = 1
compiled   = false
histograms = false
[gate]
beat_floor = false
"""


def write_tiny_task(folder):
    """Writes a task file with its data; returns its path."""
    words = ["".join(letters) for letters in itertools.product("abcdefg", repeat=3)]
    (folder / "pairs.tsv").write_text("".join(f"{word}\t{word[::-1].upper()}\n" for word in words))
    path = folder / "tiny.toml"
    path.write_text(_TASK)
    return path

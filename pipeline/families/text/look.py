"""Looking at a text before there is a task for it."""

from collections import Counter

from data.corpora import find_corpus
from data.reading import read_text

_FREQUENT = 20


def describe_text(corpus: str, encoding: str) -> list[str]:
    """Returns what is in a text, a line each.

    Raises:
      CorpusError: There is no such text, or it cannot be read.
    """
    found = find_corpus(corpus)
    counts: Counter[str] = Counter()
    for file in found.files:
        for block in read_text(file, encoding, lowercase=False, nfc=True):
            counts.update(block)
    frequent = " ".join(repr(character)[1:-1] for character, _ in counts.most_common(_FREQUENT))
    once = sum(count == 1 for count in counts.values())
    names = ", ".join(file.name for file in found.files[:3]) + (" and others" if len(found.files) > 3 else "")
    lines = [
        f"{sum(counts.values()):,} characters in {len(found.files):,} files: {names}",
        f"{len(counts):,} different characters, {once:,} of them once; the most frequent: {frequent}",
    ]
    if found.hidden:
        lines.append(f"Hidden files are left out: {', '.join(found.hidden[:3])}")
    return lines

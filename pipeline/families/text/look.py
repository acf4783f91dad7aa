"""Looking at a text before there is a task for it."""

from collections import Counter

from components.example_gen.settings import TextData
from components.example_gen.text_sides import FileRange, check_sides, divide_file
from data.corpora import find_corpus
from data.reading import read_text
from pipeline.report.words import count

_FREQUENT = 20


def describe_text(data: TextData) -> list[str]:
    """Returns what is in a text, a line each.

    Raises:
      CorpusError: There is no such text, or it cannot be read.
      SettingsError: It is too short for the settings.
    """
    found = find_corpus(data.corpus, data.spans)
    counts: Counter[str] = Counter()
    ranges: list[FileRange] = []
    for file in found.files:
        start = counts.total()
        for block in read_text(file, data.encoding, data.lowercase, data.nfc):
            counts.update(block)
        ranges.append(divide_file(data, file.name, start, counts.total() - start))
    check_sides(data, ranges)
    frequent = " ".join(repr(character)[1:-1] for character, _ in counts.most_common(_FREQUENT))
    once = sum(times == 1 for times in counts.values())
    names = ", ".join(file.name for file in found.files[:3]) + (" and others" if len(found.files) > 3 else "")
    lines = [
        f"{count(counts.total(), 'character')} in {count(len(found.files), 'file')}: {names}",
        f"{len(counts):,} different characters, {once:,} of them once; the most frequent: {frequent}",
    ]
    if found.hidden:
        lines.append(f"Hidden files are left out: {', '.join(found.hidden[:3])}")
    return lines

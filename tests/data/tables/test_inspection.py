"""What is said of a table: counts of everything, and how it is laid out."""

import numpy as np
import pyarrow as pa

from data.files import find_files
from data.tables.inspection import describe_tables
from data.tables.options import ENDINGS, Column, TableOptions
from data.tables.repetition import RepetitionCounter

OPTIONS = TableOptions((Column("input", "", ("input",)), Column("target", "", ("target",))))


def describe(path, options=OPTIONS):
    return describe_tables(find_files(str(path), ENDINGS).files, options)


def test_a_table_is_described(tmp_path):
    path = tmp_path / "words.csv"
    words = [("oiseau", "w a z o"), ("eau", "o"), ("oiseau", "w a z o"), ("sot", "s o"), ("sot", "s ɔ t")] * 10
    path.write_text("word,phones\n" + "\n".join(",".join(pair) for pair in words) + "\n\n")
    found = describe(path)
    (file,) = found.files
    assert (file.format, file.delimiter, file.header, file.names) == ("delimited", ",", True, ("word", "phones"))
    assert "usual name" in file.why
    assert (found.rows, found.empty_lines, found.skipped) == (50, 1, 0)
    repetition = found.repetition
    assert (repetition.distinct_inputs, repetition.duplicates, repetition.several_answers) == (3, 46, 1)
    assert repetition.exact
    word, phones = found.columns
    assert (word.name, word.examples, word.longest, word.length_99) == ("input", ("oiseau", "eau", "sot"), 6, 6)
    assert (word.characters, word.spaced, word.tokens) == (7, False, 0)
    assert dict(word.frequent)["o"] == 40
    assert (phones.spaced, phones.tokens, phones.most_tokens) == (True, 7, 4)


def test_sentences_do_not_look_like_tokens(tmp_path):
    path = tmp_path / "sentences.tsv"
    path.write_text("".join(f"{i} the quick brown fox {i}\tder schnelle Fuchs {i * 7}\n" for i in range(2_000)))
    found = describe(path)
    assert [column.spaced for column in found.columns] == [False, False]
    assert found.rows == 2_000


def test_without_columns_every_column_is_described(tmp_path):
    path = tmp_path / "three.tsv"
    path.write_text("a\tb\tc\nd\te\tf\n")
    assert [column.name for column in describe(path, TableOptions()).columns] == ["column_1", "column_2", "column_3"]


def test_repetition_is_counted_in_bounded_memory():
    counter = RepetitionCounter(most_kept=1_000)
    rng = np.random.default_rng(1)
    for _ in range(50):
        inputs = rng.integers(0, 40_000, 4_000)
        counter.add(pa.RecordBatch.from_pydict({"i": [str(i) for i in inputs], "a": [str(i % 5) for i in inputs]}))
    found = counter.result()
    assert not found.exact
    distinct = 40_000 * (1 - np.exp(-5))
    assert 0.9 < found.distinct_inputs / distinct < 1.1
    assert 0.9 < found.duplicates / (200_000 - distinct) < 1.1
    assert found.several_answers == 0


def test_the_order_and_the_batches_do_not_change_the_counts():
    rows = [(str(i % 300), str(i % 7)) for i in range(5_000)]
    results = set()
    for order, size in ((rows, 5_000), (rows[::-1], 17)):
        counter = RepetitionCounter(most_kept=500)
        for start in range(0, len(rows), size):
            part = order[start : start + size]
            counter.add(pa.RecordBatch.from_pydict({"i": [row[0] for row in part], "a": [row[1] for row in part]}))
        results.add(counter.result())
    assert len(results) == 1

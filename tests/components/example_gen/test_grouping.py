"""Pairs put together by their input: several right answers, files for each split, and few inputs."""

from pathlib import Path

import numpy as np
import pytest

from components.example_gen.grouping import bucket_folder, group_pairs, read_bucket, write_buckets
from components.example_gen.pairs import GroupCounts
from components.example_gen.splits import SPLITS, TEST, TRAIN, VALIDATION, SplitData
from tests.components.example_gen.record_batches import table_of

FRACTIONS = SplitData(test_fraction=0.3, validation_fraction=0.2)


def group(tmp_path, *sources, buckets=1, data=FRACTIONS):
    """Returns (split, input, answer, others) of each example, and the counts; `sources` are (rows, split of the file)."""
    for number, (rows, source) in enumerate(sources):
        write_buckets(table_of(rows), int(source), str(tmp_path), f"{number}.arrow", buckets)
    stated = tuple(any(source == split for _, source in sources) for split in (VALIDATION, TEST))
    counts, examples = GroupCounts(), []
    for bucket in range(buckets):
        found = read_bucket(bucket_folder(str(tmp_path), bucket))
        for batch, sides in group_pairs(data, found, stated, buckets == 1, counts):
            for side, row in zip(sides, batch.to_pylist(), strict=True):
                others = [other.decode() for other in row["others"]]
                examples.append((SPLITS[side], row["expression"][0].decode(), row["answer"][0].decode(), others))
    return examples, counts


def words(count):
    return [(f"word{i}", f"answer{i}") for i in range(count)]


def test_every_answer_of_an_input_is_on_one_side_and_the_most_frequent_is_first(tmp_path):
    rows = [(word, answer) for word, _ in words(300) for answer in ("b", "a", "c", "c")]
    examples, counts = group(tmp_path, (rows, TRAIN))
    assert (counts.inputs, counts.duplicates, counts.several_answers, counts.kept_out) == (300, 300, 300, 0)
    by_split = {split: [example for example in examples if example[0] == split] for split in SPLITS}
    assert all(example[2:] == ("c", ["a", "b"]) for split in ("validation", "test") for example in by_split[split])
    assert all(example[3] == [] for example in by_split["train"])
    inputs = [{example[1] for example in by_split[split]} for split in SPLITS]
    assert len(inputs[0] | inputs[1] | inputs[2]) == sum(map(len, inputs)) == 300
    assert len(by_split["train"]) == 4 * len(inputs[0])
    assert (len(by_split["validation"]), len(by_split["test"])) == (len(inputs[1]), len(inputs[2]))


def test_the_examples_do_not_depend_on_order_files_or_buckets(tmp_path):
    rows = [(f"w{i % 500}", f"{i % 7}") for i in range(3_000)]
    expected, counts = group(tmp_path / "1", (rows, TRAIN))
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    for buckets in (1, 8):
        sources = [(shuffled[start : start + 400], TRAIN) for start in range(0, len(rows), 400)]
        examples, again = group(tmp_path / f"again{buckets}", *sources, buckets=buckets)
        assert sorted(examples) == sorted(expected)
        assert again == counts


def test_sorting_waits_for_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: pytest.fail("a sorted row need not outlast a power cut"))
    write_buckets(table_of(words(300)), int(TRAIN), str(tmp_path), "0.arrow", 4)
    assert sum(len(read_bucket(bucket_folder(str(tmp_path), bucket))) for bucket in range(4)) == 300


def test_what_a_killed_worker_has_left_is_not_read(tmp_path):
    folder = bucket_folder(str(tmp_path), 0)
    write_buckets(table_of(words(3)), int(TRAIN), str(tmp_path), "0.arrow", 1)
    (Path(folder) / "1.arrow.0123.part").write_bytes(b"half of")
    assert read_bucket(folder).num_rows == 3


def test_rows_of_training_whose_input_a_test_file_names_are_left_out(tmp_path):
    test = [("word1", "right"), ("word1", "also right"), ("only in test", "x")]
    validation = [("word2", "v"), ("word1", "not asked")]
    examples, counts = group(tmp_path, (words(50), TRAIN), (validation, VALIDATION), (test, TEST))
    found = {split: sorted(example[1:] for example in examples if example[0] == split) for split in SPLITS}
    assert found["test"] == [("only in test", "x", []), ("word1", "also right", ["right"])]
    assert found["validation"] == [("word2", "v", [])]
    assert {row[0] for row in found["train"]} == {f"word{i}" for i in range(50)} - {"word1", "word2"}
    assert counts.kept_out == 3


def test_a_test_file_leaves_the_share_of_validation_as_it_is(tmp_path):
    alone, _ = group(tmp_path / "alone", (words(400), TRAIN))
    beside, _ = group(tmp_path / "beside", (words(400), TRAIN), ([("another", "x")], TEST))
    chosen = [sorted(example[1] for example in examples if example[0] == "validation") for examples in (alone, beside)]
    assert chosen[0] == chosen[1]
    assert [example[1] for example in beside if example[0] == "test"] == ["another"]


@pytest.mark.parametrize("count", [3, 4, 12, 99])
def test_few_inputs_fill_every_split(tmp_path, count):
    examples, _ = group(tmp_path, (words(count), TRAIN))
    assert {example[0] for example in examples} == set(SPLITS)
    assert len(examples) == count


def test_nothing_gives_nothing(tmp_path):
    assert group(tmp_path, ([], TRAIN), buckets=4) == ([], GroupCounts())

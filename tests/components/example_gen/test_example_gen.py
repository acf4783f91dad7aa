"""The ExampleGen executors under Beam: same bytes for any number of workers, and nothing half-written."""

import functools
import hashlib
import itertools
import json
from pathlib import Path

import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts

from components.example_gen import executor, shards
from components.example_gen.executor import PairsExecutor, SumsExecutor
from components.example_gen.settings import PairsData, SumsData
from components.names import COUNTS_PROPERTY, FINGERPRINT_PROPERTY, SUMMARY_PROPERTY
from components.settings import to_json
from data.errors import DataError
from data.tables.writing import open_writer
from pipeline.beam.settings import BeamSettings

pytestmark = pytest.mark.model

_NOTED = (FINGERPRINT_PROPERTY, COUNTS_PROPERTY, SUMMARY_PROPERTY)


def generate(executor_class, data, folder, workers=1):
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=BeamSettings(workers=workers).pipeline_args, tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    executor_class(context).Do({}, {"examples": [artifact]}, {"data": to_json(data)})
    noted = {name: artifact.get_string_custom_property(name) for name in _NOTED}
    return noted | {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def features(example):
    parsed = tf.train.Example.FromString(example).features.feature
    return {name: list(f.bytes_list.value or f.int64_list.value) for name, f in parsed.items()}


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path):
    data = SumsData(count=2_000, distinct=True, test_fraction=0.2, examples_per_shard=300)
    one = generate(SumsExecutor, data, tmp_path / "one")
    three = generate(SumsExecutor, data, tmp_path / "three", workers=3)
    assert one == three
    assert len(one) == 3 * 7 + len(_NOTED)
    examples = [e for split in shards.SPLITS for e in shards.read_examples(str(tmp_path / "one"), split)]
    assert len(examples) == 2_000
    assert len({bytes(features(e)["expression"][0]) for e in examples}) == 2_000


def test_another_seed_gives_other_examples(tmp_path):
    settings = {"count": 100, "test_fraction": 0.2}
    first = generate(SumsExecutor, SumsData(seed=1, **settings), tmp_path / "1")
    second = generate(SumsExecutor, SumsData(seed=2, **settings), tmp_path / "2")
    assert first[FINGERPRINT_PROPERTY] != second[FINGERPRINT_PROPERTY]
    assert sum(json.loads(first[COUNTS_PROPERTY]).values()) == 100
    assert [name for name in first if name.endswith(".gz") and first[name] == second[name]] == []


def test_pairs_from_several_files(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(3):
        (folder / f"{index}.tsv").write_text("".join(f"{index}-{row}\tx{row}\n" for row in range(50)))
    generate(PairsExecutor, PairsData((str(folder / "*.tsv"),), test_fraction=0.3), tmp_path / "out")
    read = [features(e) for split in shards.SPLITS for e in shards.read_examples(str(tmp_path / "out"), split)]
    assert {f["expression"][0] for f in read} == {f"{i}-{row}".encode() for i in range(3) for row in range(50)}
    assert all(f["length"] == [len(f["expression"][0])] for f in read)
    assert all(not f["others"] for f in read)


def test_a_wrong_line_stops_the_component_and_leaves_no_part(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("a\tb\nwrong\nc\td\n")
    with pytest.raises(Exception, match=r"p\.tsv, line 2: the row has 1 column"):
        generate(PairsExecutor, PairsData((str(path),)), tmp_path / "out")
    assert [p for p in Path(tmp_path / "out").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("change", ["another row", "another file of the same size"])
def test_a_file_that_changes_while_it_is_read_is_named(tmp_path, monkeypatch, change):
    path = tmp_path / "a.tsv"
    path.write_text("".join(f"{n}\t{n}\n" for n in range(100, 200)))
    real = executor.pairs.plan_pairs

    def plan_pairs(data, groups):
        planned = real(data, groups)
        if change == "another row":
            with path.open("a") as file:
                file.write("200\t200\n")
        else:
            (tmp_path / "b.tsv").write_text("".join(f"{n}\t{n}\n" for n in range(200, 300)))
            (tmp_path / "b.tsv").replace(path)
        return planned

    monkeypatch.setattr(executor.pairs, "plan_pairs", plan_pairs)
    with pytest.raises(DataError, match=f"^{path} was changed while it was read; run again when nobody writes to it"):
        generate(PairsExecutor, PairsData((str(path),), test_fraction=0.3), tmp_path / "out")


def test_rows_that_are_skipped_are_noted_and_more_than_the_share_is_an_error(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("".join(f"word{row},{row}\n" for row in range(300)) + "\nwrong\n,empty\n" + "x" * 1_025 + ",y\n")
    settings = {"files": (str(path),), "on_error": "skip", "test_fraction": 0.3}
    noted = generate(PairsExecutor, PairsData(**settings, most_skipped=0.02), tmp_path / "out")
    summary = json.loads(noted[SUMMARY_PROPERTY])
    assert (summary["rows"], summary["empty_lines"], summary["skipped"]) == (300, 1, 3)
    assert [row["line"] for row in summary["skipped_rows"]] == [302, 303, 304]
    assert "1,025 characters" in summary["skipped_rows"][2]["reason"]
    assert sum(json.loads(noted[COUNTS_PROPERTY]).values()) == 300
    with pytest.raises(ValueError, match=r"p\.csv, line 302: .*3 of 303 rows in all cannot be used, more than 0\.5%"):
        generate(PairsExecutor, PairsData(**settings, most_skipped=0.005), tmp_path / "again")


def test_the_same_rows_give_the_same_examples_from_any_table_by_any_number_of_workers(tmp_path, monkeypatch):
    from components.example_gen import pairs

    schema = pa.schema([("n", pa.string()), ("input", pa.string()), ("target", pa.string())])
    rows = [(str(row), f'w "{row % 700}", \t{"ä" * (row % 5)}', f"{row}\n🙂") for row in range(2_000)]

    def write(path, rows):
        with open_writer(str(path), schema) as writer:
            columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            writer.write(pa.RecordBatch.from_arrays(columns, schema=schema))

    monkeypatch.setattr(pairs, "plan_parts", functools.partial(pairs.plan_parts, part_bytes=20_000))
    written = {}
    for ending in ("csv", "tsv", "jsonl", "parquet", "csv.zst"):
        write(tmp_path / f"one.{ending}", rows)
        written[f"one.{ending}"] = tmp_path / f"one.{ending}"
    (tmp_path / "ten").mkdir()
    for file in range(10):
        write(
            tmp_path / "ten" / f"{file}.{('csv', 'tsv', 'jsonl', 'parquet')[file % 4]}",
            rows[200 * file : 200 * (file + 1)],
        )
    written["ten"] = tmp_path / "ten"
    found = {}
    for name, path in written.items():
        out = tmp_path / "out" / name
        generate(PairsExecutor, PairsData((str(path),)), out, workers=4 if name in ("ten", "one.csv") else 1)
        found[name] = {
            split: [features(example) for example in shards.read_examples(str(out), split)] for split in shards.SPLITS
        }
    assert all(examples == found["one.csv"] for examples in found.values())
    sides = {split: [example["expression"][0] for example in found["ten"][split]] for split in shards.SPLITS}
    assert not any(set(sides[a]) & set(sides[b]) for a, b in itertools.combinations(sides, 2))
    # Where it is judged an input stands once, with all of its answers.
    assert all(len(set(sides[split])) == len(sides[split]) for split in ("validation", "test"))
    answers = {
        (e["expression"][0], a) for es in found["ten"].values() for e in es for a in (*e["answer"], *e["others"])
    }
    assert answers == {(source.encode(), target.encode()) for _, source, target in rows}


@settings(deadline=None)
@given(
    rows=st.lists(st.integers(0, 40), max_size=20),
    most=st.integers(1, 200),
)
def test_batches_are_put_together_in_order_and_up_to_a_size(rows, most):
    texts = [pa.array([f"{i}-{row}" for row in range(count)], pa.string()) for i, count in enumerate(rows)]
    batches = [pa.record_batch({"input": column}) for column in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "_SORTED_BYTES", most)
        tables = list(executor._tables(iter(batches)))
    assert [row for table in tables for row in table.to_pylist()] == [row for b in batches for row in b.to_pylist()]
    assert all(table.nbytes >= most for table in tables[:-1])


def test_an_empty_split_is_an_error(tmp_path):
    with pytest.raises(
        ValueError, match=r"the (validation|test) split has no example: there are 3 in all.*change these"
    ):
        generate(SumsExecutor, SumsData(count=3, test_fraction=0.001), tmp_path)

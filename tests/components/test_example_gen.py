"""The ExampleGen executors under Beam: same bytes for any number of workers, and nothing half-written."""

import hashlib
import json
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts

from components.example_gen import shards
from components.example_gen.executor import COUNTS_PROPERTY, FINGERPRINT_PROPERTY, PairsExecutor, SumsExecutor
from components.example_gen.settings import PairsData, SumsData
from components.settings import to_json
from pipeline.beam.settings import BeamSettings


def generate(executor_class, data, folder, workers=1):
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=BeamSettings(workers=workers).pipeline_args, tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    executor_class(context).Do({}, {"examples": [artifact]}, {"data": to_json(data)})
    noted = {name: artifact.get_string_custom_property(name) for name in (FINGERPRINT_PROPERTY, COUNTS_PROPERTY)}
    return noted | {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def features(example):
    parsed = tf.train.Example.FromString(example).features.feature
    return {name: list(f.bytes_list.value or f.int64_list.value) for name, f in parsed.items()}


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path):
    data = SumsData(count=2_000, distinct=True, eval_fraction=0.2, examples_per_shard=300)
    one = generate(SumsExecutor, data, tmp_path / "one")
    three = generate(SumsExecutor, data, tmp_path / "three", workers=3)
    assert one == three
    assert len(one) == 2 * 7 + 2
    examples = [e for split in shards.SPLITS for e in shards.read_examples(str(tmp_path / "one"), split)]
    assert len(examples) == 2_000
    assert len({bytes(features(e)["expression"][0]) for e in examples}) == 2_000


def test_another_seed_gives_other_examples(tmp_path):
    settings = {"count": 100, "eval_fraction": 0.2}
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
    generate(PairsExecutor, PairsData(str(folder / "*.tsv"), eval_fraction=0.3), tmp_path / "out")
    read = [features(e) for split in shards.SPLITS for e in shards.read_examples(str(tmp_path / "out"), split)]
    assert {f["expression"][0] for f in read} == {f"{i}-{row}".encode() for i in range(3) for row in range(50)}
    assert all(f["length"] == [len(f["expression"][0])] for f in read)


def test_a_wrong_line_stops_the_component_and_leaves_no_part(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("a\tb\nwrong\n")
    with pytest.raises(Exception, match=r"p\.tsv, line 2: 0 tabs"):
        generate(PairsExecutor, PairsData(str(path)), tmp_path / "out")
    assert [p for p in Path(tmp_path / "out").rglob("*") if p.is_file()] == []


def test_an_empty_split_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="eval split has no example"):
        generate(SumsExecutor, SumsData(count=2, eval_fraction=0.001), tmp_path)

"""The Transform component: the same bytes whoever works, and artifacts that lie where every worker sees them."""

from pathlib import Path

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from benchmarks.flink import digest, run_data_components
from components.example_file import ExampleFile, remove_unfinished
from components.example_gen import shards, sums
from components.example_gen.settings import SumsData
from components.shared_artifacts import shared_artifacts
from pipeline.config.overrides import override
from pipeline.config.task_files import load_task

pytestmark = pytest.mark.model

SETTINGS = ["data.count=700", "data.test_fraction=0.3", "data.examples_per_shard=200"]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    root = tmp_path_factory.mktemp("one") / "root"
    run_data_components(override(load_task("sums"), SETTINGS), str(root))
    return root


def outputs(root, name):
    (folder,) = (root / "artifacts" / "Transform" / name).iterdir()
    return folder


def read(folder):
    """Features of each shard's examples, by the shard's name."""
    return {
        path.name: [
            tf.train.Example.FromString(record).features.feature
            for record in tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator()
        ]
        for path in sorted(folder.iterdir())
    }


def test_a_shard_becomes_the_shard_of_its_number_in_the_same_order(one):
    (examples,) = (one / "artifacts" / "SumsExampleGen" / "examples").iterdir()
    transformed = outputs(one, "transformed_examples")
    assert sorted(path.name for path in transformed.iterdir()) == ["Split-test", "Split-train", "Split-validation"]
    vocabulary = (outputs(one, "transform_graph") / "transform_fn" / "assets" / "characters").read_text()
    characters = ["", *(chr(int(line)) for line in vocabulary.split())]
    for split in shards.SPLITS:
        raw, indices = read(examples / f"Split-{split}"), read(transformed / f"Split-{split}")
        assert list(indices) == [f"transformed_examples-{number:05d}-of-00004.gz" for number in range(4)]
        for before, after in zip(raw.values(), indices.values(), strict=True):
            texts = ["".join(characters[index] for index in e["tokens"].int64_list.value) for e in after]
            assert texts == [e["expression"].bytes_list.value[0].decode() for e in before]


@pytest.mark.slow  # each worker imports TensorFlow, for each of three jobs
def test_the_bytes_do_not_depend_on_the_number_of_workers(one, tmp_path):
    config = override(load_task("sums"), [*SETTINGS, "beam.workers=2"])
    assert run_data_components(config, str(tmp_path / "two"))[1] == digest(str(one))


def test_what_a_killed_worker_leaves_is_no_shard_and_goes(tmp_path):
    batch = sums.to_record_batch(sums.generate_terms(SumsData(), 0, 10))
    killed = ExampleFile(str(tmp_path), "train", "a.gz")
    killed.write(batch)
    with ExampleFile(str(tmp_path), "train", "a.gz") as file:
        file.write(batch)
    assert len(list(shards.read_examples(str(tmp_path), "train"))) == 10
    remove_unfinished(str(tmp_path))
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == ["Split-train", "Split-train/a.gz"]


def artifacts(tmp_path):
    given, made = standard_artifacts.Examples(), standard_artifacts.Examples()
    given.uri, made.uri = str(tmp_path / "in"), str(tmp_path / "out")
    (tmp_path / "in" / "Split-train").mkdir(parents=True)
    (tmp_path / "in" / "Split-train" / "a").write_text("a")
    (tmp_path / "out").mkdir()
    return given, made


def test_artifacts_are_shared_while_a_job_runs_and_outputs_come_back(tmp_path):
    given, made = artifacts(tmp_path)
    place = tmp_path / "shared"
    with shared_artifacts([f"--temp_location={place}"], {"examples": [given]}, {"made": [made]}):
        assert given.uri.startswith(str(place))
        assert made.uri.startswith(str(place))
        Path(made.uri, "b").write_text(Path(given.uri, "Split-train", "a").read_text())
    assert (given.uri, made.uri) == (str(tmp_path / "in"), str(tmp_path / "out"))
    assert (tmp_path / "out" / "b").read_text() == "a"
    assert list(place.iterdir()) == []


def test_a_job_that_fails_brings_nothing_back_and_leaves_nothing(tmp_path):
    given, made = artifacts(tmp_path)
    place = tmp_path / "shared"

    def fail():
        with shared_artifacts([f"--temp_location={place}"], {"examples": [given]}, {"made": [made]}):
            Path(made.uri, "b").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert made.uri == str(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == list(place.iterdir()) == []


def test_without_a_shared_place_artifacts_stay(tmp_path):
    given, made = artifacts(tmp_path)
    with shared_artifacts([], {"examples": [given]}, {"made": [made]}):
        assert given.uri == str(tmp_path / "in")

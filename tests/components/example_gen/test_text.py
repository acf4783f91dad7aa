"""TextExampleGen and the components after it: the same bytes for any number of workers, statistics, Transform."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts

from components.example_gen import shards
from components.example_gen.component import TextExampleGen
from components.example_gen.executor import TextExecutor
from components.example_gen.settings import TextData
from components.names import SUMMARY_PROPERTY
from components.settings import SettingsError, to_json
from components.transform.preprocessing import read_vocabulary
from data.errors import CorpusError
from pipeline.beam.settings import BeamSettings
from tests.components.example_gen import text_run
from tests.components.example_gen.test_example_gen import features, generate

pytestmark = pytest.mark.model

TEXT = "Ποῦ σε εἶδον; — “Ici,” said 田中 🙂, naïvely.\n" * 60


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in ("b.txt", "a.txt", "c.txt"):
        (folder / name).write_text(f"{name}\n{TEXT}")
    return folder


def read(folder, split):
    return [features(example) for example in shards.read_examples(str(folder), split)]


def test_the_bytes_do_not_depend_on_the_number_of_workers(corpus, tmp_path):
    data = TextData(str(corpus), context=10, length=20, step=7, characters_per_shard=1_000, min_count=10)
    one = generate(TextExecutor, data, tmp_path / "one")
    three = generate(TextExecutor, data, tmp_path / "three", workers=3)
    assert one == three
    assert sum(name.startswith("Split-") for name in one) == 3 * 8
    assert not any("tmp" in name for name in one), "the staged text is still there"
    length = len(TEXT) + 6
    begin, end = int(length * (1 - 0.1 - 0.01)), int(length * 0.9)
    for split, characters in (("validation", end - begin), ("test", length - end)):
        examples = read(tmp_path / "one", split)
        positions = [example["position"][0] for example in examples]
        assert positions == sorted(positions)
        assert sum(len(example["text"][0].decode()) for example in examples) == 3 * characters


def test_the_artifact_says_what_is_in_it(corpus, tmp_path):
    artifact = standard_artifacts.Examples()
    artifact.uri = str(tmp_path / "out")
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=BeamSettings().pipeline_args, tmp_dir=str(tmp_path / "tmp"), unique_id="1"
    )
    data = TextData(str(corpus / "*.txt"), min_count=4)
    TextExecutor(context).Do({}, {"examples": [artifact]}, {"data": to_json(data)})
    summary = json.loads(artifact.get_string_custom_property(SUMMARY_PROPERTY))
    assert summary["corpus"] == data.corpus
    assert summary["file_names"] == ["a.txt", "b.txt", "c.txt"]
    assert summary["characters"] == 3 * (len(TEXT) + 6)
    assert summary["characters"] == sum(summary[f"{split}_characters"] for split in ("training", "validation", "test"))
    assert summary["validation_characters"] == pytest.approx(0.01 * summary["characters"], abs=3)
    assert summary["test_characters"] == pytest.approx(0.1 * summary["characters"], abs=3)
    assert {character for character, _ in summary["replaced"]} == {"b", "x"}


def test_a_wrong_byte_stops_the_component_and_leaves_nothing(corpus, tmp_path):
    (corpus / "d.txt").write_bytes(b"abc\xff")
    with pytest.raises(CorpusError, match=r"d\.txt: byte 3 \(0xff\) is not utf-8"):
        generate(TextExecutor, TextData(str(corpus)), tmp_path / "out")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_the_component_sees_when_files_change(corpus):
    first = TextExampleGen(TextData(str(corpus))).spec.exec_properties["fingerprint"]
    assert TextExampleGen(TextData(str(corpus))).spec.exec_properties["fingerprint"] == first
    (corpus / "d.txt").write_text("new")
    assert TextExampleGen(TextData(str(corpus))).spec.exec_properties["fingerprint"] != first


def test_a_missing_corpus_is_refused_before_the_pipeline_runs(tmp_path):
    with pytest.raises(SettingsError, match="no file matches"):
        TextExampleGen(TextData(str(tmp_path / "nothing")))


@pytest.fixture(scope="module", params=[0, 16], ids=["without context", "with context"])
def transformed(request, tmp_path_factory):
    """A text after ExampleGen, StatisticsGen and Transform: its settings, raw examples and Transform's outputs."""
    root = tmp_path_factory.mktemp("run")
    (root / "a.txt").write_text(TEXT + "🜚")
    data = TextData(str(root / "a.txt"), context=request.param, length=32, step=32, eval_context=request.param)
    text_run.run(data, str(root))
    artifacts = root / "artifacts"
    (examples,) = (artifacts / "TextExampleGen" / "examples").iterdir()
    (graph,) = (artifacts / "Transform" / "transform_graph").iterdir()
    (tokens,) = (artifacts / "Transform" / "transformed_examples").iterdir()
    (statistics,) = (artifacts / "StatisticsGen" / "statistics").iterdir()
    return data, examples, tft.TFTransformOutput(str(graph)), tokens, statistics


def decode(vocabulary, tokens):
    return "".join(vocabulary[index] or "\ufffd" for index in tokens)


def test_the_vocabulary_is_every_character_of_training_the_most_frequent_first(transformed):
    _, examples, output, _, _ = transformed
    shown = b"".join(e["context"][0] + e["text"][0] for e in read(examples, "train")).decode()
    counts = {character: shown.count(character) for character in shown}
    vocabulary = read_vocabulary(output)
    assert vocabulary[0] == ""
    assert sorted(vocabulary[1:]) == sorted(counts)
    frequencies = [counts[character] for character in vocabulary[1:]]
    assert frequencies == sorted(frequencies, reverse=True)


def test_transformed_examples_are_the_windows_as_indices(transformed):
    _, examples, output, tokens, _ = transformed
    vocabulary, spec = read_vocabulary(output), output.transformed_feature_spec()
    for split in shards.SPLITS:
        raw = read(examples, split)
        paths = sorted(str(path) for path in (tokens / f"Split-{split}").iterdir())
        records = list(tf.data.TFRecordDataset(paths, "GZIP").as_numpy_iterator())
        parsed = tf.io.parse_example(records, spec)
        order = np.argsort(parsed["position"].numpy())
        assert [parsed["position"].numpy()[i] for i in order] == [e["position"][0] for e in raw]
        assert [parsed["scored"].numpy()[i] for i in order] == [len(e["text"][0].decode()) for e in raw]
        shown = [(e["context"][0] + e["text"][0]).decode() for e in raw]
        assert [decode(vocabulary, parsed["tokens"][i].numpy()) for i in order] == shown
    assert shown[-1].endswith("\ufffd"), "the character that training lacks"


def test_the_transform_graph_in_a_saved_model(transformed, tmp_path):
    output = transformed[2]

    class Served(tf.Module):
        def __init__(self):
            super().__init__()
            self.transform = output.transform_features_layer()

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2)
        def tokens(self, context, text):
            indexed = self.transform({"context": context[:, tf.newaxis], "text": text[:, tf.newaxis]})
            return {"tokens": indexed["tokens"].to_tensor(default_value=-1), "scored": indexed["scored"]}

    model = Served()
    tf.saved_model.save(model, str(tmp_path), signatures=model.tokens)
    served = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    answer = served(context=tf.constant(["Ici", "", ""]), text=tf.constant(["田🙂", "\u4eba a", ""]))
    vocabulary = read_vocabulary(output)
    assert decode(vocabulary, answer["tokens"][0].numpy()) == "Ici田🙂"
    assert answer["tokens"][1].numpy().tolist() == [0, vocabulary.index(" "), vocabulary.index("a"), -1, -1]
    assert answer["scored"].numpy().tolist() == [2, 3, 0]


def test_statistics_are_valid_by_the_schema(transformed):
    from components.tfx_libraries import tfdv

    schema = tfdv.load_schema_text(text_run.SCHEMA)
    for split in shards.SPLITS:
        statistics = tfdv.load_stats_binary(str(transformed[4] / f"Split-{split}" / "FeatureStats.pb"))
        assert dict(tfdv.validate_statistics(statistics, schema).anomaly_info) == {}


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_a_gigabyte_takes_less_than_two_of_memory_and_ten_times_as_long_as_a_tenth(tmp_path):
    costs = {}
    for megabytes in (100, 1_000):
        root = tmp_path / str(megabytes)
        root.mkdir()
        write_varied_text(root / "text.txt", megabytes * 10**6)
        data = to_json(TextData(str(root / "text.txt")))
        command = [sys.executable, "-m", "tests.components.example_gen.text_run", data, str(root), "--statistics"]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "."}, check=True
        )
        costs[megabytes] = json.loads(done.stdout.splitlines()[-1])
        shutil.rmtree(root)  # gigabytes, which pytest would keep
    print(costs)
    for component in ("TextExampleGen", "Transform", "StatisticsGen"):
        seconds, peak = costs[1_000][component]
        assert peak < 2_000, f"megabytes up to and with {component}"
        assert seconds < 10 * 1.5 * costs[100][component][0]


def write_varied_text(path: Path, size: int) -> None:
    """Writes lines of a manual, in another order each time round."""
    from pydoc_data.topics import topics

    lines = [line + "\n" for name in sorted(topics) for line in topics[name].splitlines()]
    random = np.random.default_rng(1)
    with path.open("w") as file:
        while file.tell() < size:
            file.write("".join(lines[i] for i in random.permutation(len(lines))))

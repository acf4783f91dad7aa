"""ExampleValidator: broken and drifted data, in words."""

import hypothesis
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from components.example_gen.settings import SumsData
from components.example_gen.sums import generate_terms, to_record_batch
from components.example_validator.anomalies import find_anomalies
from components.example_validator.words import describe
from components.statistics_gen.derived import derive
from components.tfx_libraries import tfdv
from pipeline.families import find_family

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def schema():
    with open(find_family("sums").schema_path) as file:
        return text_format.Parse(file.read(), schema_pb2.Schema())


def statistics(batch, folder):
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    path = str(folder / "examples")
    with tf.io.TFRecordWriter(path) as writer:
        for example in RecordBatchToExamplesEncoder().encode(batch):
            writer.write(example)
    return tfdv.generate_statistics_from_tfrecord(path)


def statistics_of(texts, schema, options):
    """Statistics as StatisticsGen makes them: with what the schema derives."""
    from tensorflow_data_validation.statistics import stats_impl

    return stats_impl.generate_statistics_in_memory(derive(windows(*texts), schema), options)


def sums(**settings):
    data = SumsData(count=1_000, **settings)
    return to_record_batch(generate_terms(data, 0, data.count))


def without(batch, column):
    return batch.select([name for name in batch.schema.names if name != column])


def test_good_data_has_no_anomaly_and_another_seed_is_no_drift(schema, tmp_path):
    first, second = statistics(sums(seed=1), tmp_path), statistics(sums(seed=2), tmp_path)
    assert describe(find_anomalies(first, schema, None)) == []
    assert describe(find_anomalies(first, schema, second)) == []


def test_a_missing_column_is_named(schema, tmp_path):
    (line,) = describe(find_anomalies(statistics(without(sums(), "answer"), tmp_path), schema, None))
    assert line.startswith("answer: ")
    assert "missing" in line.lower()


def test_a_column_of_another_type_is_named(schema, tmp_path):
    batch = sums()
    texts = pa.ListArray.from_arrays(pa.array(np.arange(1001, dtype=np.int32)), pa.array([b"many"] * 1000))
    broken = batch.set_column(batch.schema.get_field_index("carries"), "carries", texts)
    lines = describe(find_anomalies(statistics(broken, tmp_path), schema, None))
    assert any(line.startswith("carries: ") for line in lines)


def test_missing_values_are_named(schema, tmp_path):
    batch = sums()
    lists = [[value] if index % 2 else [] for index, (value,) in enumerate(batch["answer"].to_pylist())]
    broken = batch.set_column(batch.schema.get_field_index("answer"), "answer", pa.array(lists, pa.list_(pa.binary())))
    lines = describe(find_anomalies(statistics(broken, tmp_path), schema, None))
    assert any(line.startswith("answer: ") for line in lines)


def test_sums_of_other_lengths_are_drift_with_its_size_and_bound(schema, tmp_path):
    lines = describe(
        find_anomalies(statistics(sums(largest=999), tmp_path), schema, statistics(sums(largest=99), tmp_path))
    )
    assert any(line.startswith(("digits: ", "carries: ")) and "above the threshold 0.1" in line for line in lines)


def windows(*texts):
    columns = {"context": [[b""] for _ in texts], "text": [[t.encode()] for t in texts]}
    return pa.RecordBatch.from_pydict(columns | {"position": [[place] for place in range(len(texts))]})


@pytest.fixture(scope="module")
def text_schema():
    with open(find_family("text").schema_path) as file:
        return text_format.Parse(file.read(), schema_pb2.Schema())


ENGLISH = "The day was fair, and the two of them went down to the river to see who would be there. "
GERMAN = "Der Tag war schön, und die beiden gingen zum Fluss hinunter, um zu sehen, wer dort sein würde. "


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (GERMAN, "'t' U+0074 LATIN SMALL LETTER T"),
        (ENGLISH.upper(), "LATIN CAPITAL LETTER E 0.0% before, "),
        ("天地玄黃，宇宙洪荒。", "'。' U+3002 IDEOGRAPHIC FULL STOP 0.0% before, 10.0% now"),
    ],
)
def test_a_text_of_other_characters_is_drift_that_names_them(text_schema, text, named):
    options = find_family("text").statistics_options()
    before = statistics_of([ENGLISH] * 40, text_schema, options)
    (line,) = describe(find_anomalies(statistics_of([text] * 40, text_schema, options), text_schema, before))
    assert line.startswith("text_characters: ")
    assert "above the threshold 0.05: " in line
    assert named in line


def test_more_of_a_text_is_no_drift_and_a_version_of_an_earlier_release_has_nothing_to_compare(text_schema):
    options = find_family("text").statistics_options()
    before = statistics_of([ENGLISH] * 40, text_schema, options)
    now = statistics_of([ENGLISH] * 60 + [GERMAN] * 10, text_schema, options)
    assert describe(find_anomalies(now, text_schema, before)) == []
    for dataset in before.datasets:
        kept = [feature for feature in dataset.features if feature.path.step[0] != "text_characters"]
        del dataset.features[:]
        dataset.features.extend(kept)
    assert describe(find_anomalies(now, text_schema, before)) == []


@hypothesis.given(st.lists(st.one_of(st.none(), st.lists(st.text(), max_size=3)), max_size=5), st.integers(0, 2))
def test_characters_of_texts_are_counted_whatever_they_are(text_schema, texts, skipped):
    lists = [None if row is None else [text.encode() for text in row] for row in texts]
    batch = pa.RecordBatch.from_arrays([pa.array(lists, pa.large_list(pa.large_binary()))], ["text"])[skipped:]
    found = derive(batch, text_schema).column("text_characters").to_pylist()
    assert found == [[c.encode() for text in row or () for c in text] for row in texts[skipped:]]


def test_any_text_is_good_data_and_what_is_said_of_bad_data_quotes_little_of_it(text_schema, tmp_path):
    schema = schema_pb2.Schema()
    schema.CopyFrom(text_schema)
    batch = windows(*(letter * 2_000 for letter in "abcdefgh"))
    assert describe(find_anomalies(statistics(batch, tmp_path), schema, None)) == []
    (line,) = describe(find_anomalies(statistics(without(batch, "position"), tmp_path), schema, None))
    assert line.startswith("position: ")
    schema.feature[1].string_domain.is_categorical = schema_pb2.StringDomain.Categorical.CATEGORICAL_YES
    (line,) = describe(find_anomalies(statistics(batch, tmp_path), schema, None))
    assert len(line) < 500

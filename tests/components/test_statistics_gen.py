"""StatisticsGen computes in this process what TFDV computes in a Beam pipeline."""

import functools

import apache_beam as beam
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from components.statistics_gen.derived import derive
from components.statistics_gen.split import describe_split
from components.tfx_libraries import tfdv
from pipeline.families import find_family

pytestmark = pytest.mark.model

TEXTS = ["añb", "", "𝔸 abc", "bb", "añb", "long " * 50]


def write_examples(path, texts):
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for position, text in enumerate(texts):
            example = tf.train.Example()
            example.features.feature["text"].bytes_list.value.append(text.encode())
            example.features.feature["context"].bytes_list.value.append(text[::-1].encode())
            example.features.feature["position"].int64_list.value.append(position)
            writer.write(example.SerializeToString())
    return str(path)


@pytest.fixture(scope="module")
def schema():
    with open(find_family("text").schema_path) as file:
        return text_format.Parse(file.read(), schema_pb2.Schema())


def make_options(schema):
    options = find_family("text").statistics_options()
    options.schema = schema
    return options


def beam_statistics(folder, schema):
    source = TFExampleRecord([str(folder / "*.gz")], telemetry_descriptors=["test"])
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = (
            pipeline
            | source.BeamSource()
            | beam.Map(functools.partial(derive, schema=schema))
            | tfdv.GenerateStatistics(make_options(schema))
            | tfdv.WriteStatisticsToBinaryFile(str(folder / "statistics"))
        )
    return statistics_pb2.DatasetFeatureStatisticsList.FromString((folder / "statistics").read_bytes())


def test_statistics_of_several_files_are_those_of_a_beam_pipeline(schema, tmp_path):
    paths = [write_examples(tmp_path / f"{n}.gz", TEXTS[n:] * (n + 1)) for n in range(3)]
    described = describe_split(paths, make_options(schema), functools.partial(derive, schema=schema))
    assert described == beam_statistics(tmp_path, schema)
    assert described.datasets[0].num_examples == 6 + 2 * 5 + 3 * 4


@pytest.mark.parametrize("files", [0, 1])
def test_a_split_without_examples_has_an_empty_dataset(schema, tmp_path, files):
    paths = [write_examples(tmp_path / f"{n}.gz", []) for n in range(files)]
    described = describe_split(paths, make_options(schema), functools.partial(derive, schema=schema))
    assert [dataset.num_examples for dataset in described.datasets] == [0]

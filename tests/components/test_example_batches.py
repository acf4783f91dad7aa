"""TFX's TFXIO reads the same rows in batches as one by one, for StatisticsGen and Transform."""

import apache_beam as beam
import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from components.example_batches import examples_in_batches

pytestmark = pytest.mark.model


@pytest.fixture
def files(tmp_path):
    for number in range(2):
        with tf.io.TFRecordWriter(str(tmp_path / f"{number}.gz"), "GZIP") as writer:
            for row in range(50):
                example = tf.train.Example()
                example.features.feature["text"].bytes_list.value.append(f"{number}:{row}".encode())
                writer.write(example.SerializeToString())
    return tmp_path


def read(files, schema):
    """The batches that TFXIO's source gives, by way of a file as Beam's processes would."""
    written = files / "batches.arrow"

    def write(batches):
        with pa.OSFile(str(written), "wb") as sink, pa.ipc.new_stream(sink, batches[0].schema) as stream:
            for batch in batches:
                stream.write_batch(batch)

    with beam.Pipeline(runner="DirectRunner") as pipeline:
        source = TFExampleRecord([str(files / "*")], schema=schema, telemetry_descriptors=["test"])
        _ = pipeline | source.BeamSource() | beam.CombineGlobally(beam.combiners.ToListCombineFn()) | beam.Map(write)
    with pa.OSFile(str(written)) as file:
        return list(pa.ipc.open_stream(file))


@pytest.mark.parametrize("with_schema", [True, False])
def test_the_rows_are_those_that_tfx_reads_and_a_files_rows_are_one_batch(files, with_schema):
    schema = None
    if with_schema:
        schema = schema_pb2.Schema(feature=[schema_pb2.Feature(name="text", type=schema_pb2.BYTES)])
    own = TFExampleRecord.BeamSource
    with examples_in_batches():
        batches = read(files, schema)
    assert TFExampleRecord.BeamSource is own
    assert [batch.num_rows for batch in batches] == [50, 50]
    (files / "batches.arrow").unlink()
    by_record = read(files, schema)
    assert batches[0].schema == by_record[0].schema

    def rows(found):
        return sorted(text for batch in found for (text,) in batch.column("text").to_pylist())

    assert rows(batches) == rows(by_record)
    assert len(rows(batches)) == 100

"""Examples read a batch at a time, for TFX's components that read them one by one."""

import contextlib
from collections.abc import Iterator

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from components.files import match_all

# Examples in a batch where nobody says.
BATCH = 4_096


@contextlib.contextmanager
def examples_in_batches() -> Iterator[None]:
    """Has TFX's TFXIO for files of tf.Examples read batches, for the Beam pipelines that are made in this context.

    TFXIO has every record pass through Beam by itself, which costs more than what the analysis of Transform does with it; and
    Transform does not let its caller choose a TFXIO.
    """
    by_record = TFExampleRecord.BeamSource
    TFExampleRecord.BeamSource = _beam_source
    try:
        yield
    finally:
        TFExampleRecord.BeamSource = by_record


def _beam_source(tfxio: TFExampleRecord, batch_size: int | None = None) -> beam.PTransform:
    """Returns the transform from nothing to the record batches of a TFXIO's files: instead of its `BeamSource`."""
    if tfxio.raw_record_column_name is not None:
        raise NotImplementedError("the raw records are read by nobody here")
    paths = match_all(tfxio._file_pattern)
    schema = tfxio._GetSchemaForDecoding()

    def read(pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | "Files" >> beam.Create(paths, reshuffle=True)
            | "Read" >> beam.ParDo(_ReadBatches(schema.SerializeToString() if schema else b"", batch_size or BATCH))
        )

    return beam.ptransform_fn(read)().with_output_types(pa.RecordBatch)


class _ReadBatches(beam.DoFn):
    """Reads one file."""

    def __init__(self, schema: bytes, batch_size: int):
        self._schema, self._batch_size = schema, batch_size

    def setup(self) -> None:
        self._decoder = ExamplesToRecordBatchDecoder(*([self._schema] if self._schema else []))

    def process(self, path: str) -> Iterator[pa.RecordBatch]:
        return read_batches(path, self._decoder, self._batch_size)


def read_batches(path: str, decoder: ExamplesToRecordBatchDecoder, batch_size: int) -> Iterator[pa.RecordBatch]:
    """Yields the examples of a TFRecord file in batches.

    Args:
      path: The file; gzipped if its name ends with `.gz`.
      decoder: Makes columns of serialized examples.
      batch_size: Examples in a batch; the last one has what is left.
    """
    compression = "GZIP" if path.endswith(".gz") else ""
    for records in tf.data.TFRecordDataset(path, compression).batch(batch_size).as_numpy_iterator():
        yield decoder.DecodeBatch(records.tolist())

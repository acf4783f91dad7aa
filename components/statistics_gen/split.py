"""Statistics of the examples of a split, in this process."""

from collections.abc import Callable, Iterable

import pyarrow as pa
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components.example_batches import BATCH, read_batches
from components.tfx_libraries import tfdv

from tensorflow_data_validation.statistics import stats_impl  # isort: skip


def describe_split(
    paths: Iterable[str],
    options: tfdv.StatsOptions,
    change: Callable[[pa.RecordBatch], pa.RecordBatch],
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Returns TFDV's statistics of examples, as `tfdv.GenerateStatistics` makes them in a Beam pipeline.

    Args:
      paths: The files of the split, in order.
      options: What is computed. The generators are those that combine, which all are that count by sketches.
      change: What is done with every batch.

    Returns:
      The statistics, with one dataset; an empty one if there are no examples.
    """
    decoder = ExamplesToRecordBatchDecoder()
    generators = stats_impl.get_generators(options, in_memory=True)
    for generator in generators:
        generator.setup()
    accumulators = [generator.create_accumulator() for generator in generators]
    examples = 0
    for path in paths:
        for batch in map(change, read_batches(path, decoder, BATCH)):
            examples += batch.num_rows
            accumulators = [
                generator.add_input(accumulator, batch)
                for generator, accumulator in zip(generators, accumulators, strict=True)
            ]
    if not examples:
        return statistics_pb2.DatasetFeatureStatisticsList(datasets=[statistics_pb2.DatasetFeatureStatistics()])
    return stats_impl.extract_statistics_output(accumulators, generators)

"""Executors of the ExampleGens: each turns shards into work for Beam."""

import abc
import contextlib
import dataclasses
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils, standard_component_specs

from components.beam_pipelines import quickly_made
from components.example_file import remove_unfinished
from components.example_gen import grouping, pairs, shards, sums, text
from components.example_gen.dates import generator
from components.example_gen.dates.settings import DatesData
from components.example_gen.settings import PairsData, SumsData, TextData
from components.example_gen.splits import SPLITS
from components.executor import Artifacts, Properties
from components.files import list_files, write_file
from components.names import COUNTS_PROPERTY, FINGERPRINT_PROPERTY, SUMMARY_PROPERTY
from components.settings import from_json
from components.shared_artifacts import shared_artifacts
from data.corpora import find_corpus
from data.errors import DataError
from data.files import DataFile
from data.tables.report import ReadReport

# Rows that a worker sorts at a time.
_SORTED_BYTES = 16 << 20

_BEAM_ERROR = re.compile(r"(?:data\.errors\.)(?:\w+): (?P<message>.*?)(?: \[while running .*\])?$", re.DOTALL)


class ShardedExecutor(BaseBeamExecutor, abc.ABC):
    """Writes an Examples artifact shard by shard."""

    @abc.abstractmethod
    def _shards(self, data_json: str) -> list[Any]:
        """Returns what each shard is made from."""

    @abc.abstractmethod
    def _write(self) -> "WriteShard":
        """Returns the DoFn that writes a shard."""

    def _files(self, data_json: str) -> list[DataFile]:
        """Returns the files that are read; none for what is generated."""
        return []

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
        """Writes the splits of the artifact `examples` from the settings in `data`.

        Raises:
          DataError: A split would be empty, or the files were changed meanwhile.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        artifact = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
        data_json = exec_properties["data"]
        files = self._files(data_json)
        with quickly_made(), shared_artifacts(self._beam_pipeline_args, input_dict, output_dict), data_errors():
            self._write_shards(artifact, data_json)
        if changed := [file.path for file in files if file.is_changed()]:
            raise DataError(
                f"{changed[0]} was changed while it was read; run again when nobody writes to it, or name a copy of it"
            )
        examples_utils.set_payload_format(artifact, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")

    def _write_shards(self, artifact: Artifact, data_json: str) -> None:
        sources = self._shards(data_json)
        write = self._write()
        write.configure(data_json, artifact.uri, len(sources))
        written_path = os.path.join(artifact.uri, ".written")
        try:
            with self._make_beam_pipeline() as pipeline:
                _ = (
                    pipeline
                    | "Shards" >> beam.Create(list(enumerate(sources)), reshuffle=True)
                    | "Write" >> beam.ParDo(write)
                    | "Together" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
                    | "Note" >> beam.Map(_write_list, written_path)
                )
        finally:
            remove_unfinished(artifact.uri)
        with tf.io.gfile.GFile(written_path) as file:
            written = [shards.ShardFile(**fields) for fields in json.load(file)]
        tf.io.gfile.remove(written_path)
        counts = {split: sum(file.examples for file in written if file.split == split) for split in SPLITS}
        for split, count in counts.items():
            if not count:
                raise DataError(
                    f"the {split} split has no example: there are {sum(counts.values()):,} in all, too few for "
                    "data.test_fraction and data.validation_fraction; add examples, or change these"
                )
        artifact.set_string_custom_property(FINGERPRINT_PROPERTY, shards.fingerprint(written))
        artifact.set_string_custom_property(COUNTS_PROPERTY, json.dumps(counts))


@contextlib.contextmanager
def data_errors() -> Iterator[None]:
    """Raises what is wrong with the data as a DataError, where Beam makes a RuntimeError of it and adds its stage."""
    try:
        yield
    except RuntimeError as error:
        found = _BEAM_ERROR.match(str(error))
        if found is None:
            raise
        raise DataError(found["message"]) from None


def _write_list(written: list[shards.ShardFile], path: str) -> None:
    write_file(path, json.dumps([dataclasses.asdict(file) for file in written]).encode())


class WriteShard(beam.DoFn):
    """Writes one shard: a pair of its index and what it is made from."""

    def configure(self, data_json: str, examples_uri: str, count: int) -> None:
        self._data_json, self._examples_uri, self._count = data_json, examples_uri, count

    def batches(self, source: Any) -> Iterator[shards.SplitBatch]:
        raise NotImplementedError

    def process(self, element: tuple[int, Any]) -> Iterator[shards.ShardFile]:
        shard, source = element
        yield from shards.write_shard(self.batches(source), self._examples_uri, shard, self._count)


class _WriteSumsShard(WriteShard):
    def batches(self, source: tuple[int, int]) -> Iterator[shards.SplitBatch]:
        data = from_json(SumsData, self._data_json)
        terms = sums.generate_terms(data, *source)
        yield sums.to_record_batch(terms), sums.sides(data, terms)


class _WriteDatesShard(WriteShard):
    def batches(self, source: tuple[int, int]) -> Iterator[shards.SplitBatch]:
        data = from_json(DatesData, self._data_json)
        examples = list(generator.generate(data, *source))
        yield generator.to_record_batch(examples), generator.sides(data, examples)


class _SortPairs(beam.DoFn):
    """Sorts the rows of one part into buckets: a pair of its index and the part."""

    def __init__(self, data_json: str, staging: str, buckets: int):
        self._data_json, self._staging, self._buckets = data_json, staging, buckets

    def process(self, element: tuple[int, pairs.SourcePart]) -> Iterator[dict[str, Any]]:
        data = from_json(PairsData, self._data_json)
        number, part = element
        report = ReadReport(data.on_error)
        for index, rows in enumerate(_tables(pairs.read_pairs(data, part.part, report))):
            name = f"{number:08d}-{index:06d}"
            grouping.write_buckets(rows, part.source, self._staging, name, self._buckets)
        yield {"part": number, "report": report.to_dict()}


def _tables(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yields the rows of batches in larger tables: each becomes a file for each bucket, and small files cost more than rows."""
    waiting: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        waiting.append(batch)
        size += batch.nbytes
        if size >= _SORTED_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


class _WritePairsShard(WriteShard):
    """Writes the shard of one bucket."""

    def __init__(self, staging: str):
        super().__init__()
        self._staging = staging

    def process(self, element: tuple[int, int]) -> Iterator[shards.ShardFile]:
        data = from_json(PairsData, self._data_json)
        shard, bucket = element
        counts = pairs.GroupCounts()
        rows = grouping.read_bucket(grouping.bucket_folder(self._staging, bucket))
        stated = bool(data.validation_files), bool(data.test_files)
        batches = grouping.group_pairs(data, rows, stated, self._count == 1, counts)
        written = shards.write_shard(batches, self._examples_uri, shard, self._count)
        content = json.dumps(dataclasses.asdict(counts)).encode()
        write_file(os.path.join(self._staging, "counts", f"{shard:06d}.json"), content, lasting=False)
        yield from written


class _WriteTextShard(WriteShard):
    def __init__(self, replaced: npt.NDArray[np.uint32]):
        super().__init__()
        self._replaced = replaced

    def batches(self, source: text.TextShard) -> Iterator[shards.SplitBatch]:
        return text.shard_windows(from_json(TextData, self._data_json), source, self._replaced)


class SumsExecutor(ShardedExecutor):
    """Generates sums; a shard is a range of example indices."""

    def _shards(self, data_json: str) -> list[tuple[int, int]]:
        data = from_json(SumsData, data_json)
        return split_range(data.count, data.examples_per_shard)

    def _write(self) -> WriteShard:
        return _WriteSumsShard()


class DatesExecutor(ShardedExecutor):
    """Generates dates; a shard is a range of example indices."""

    def _shards(self, data_json: str) -> list[tuple[int, int]]:
        data = from_json(DatesData, data_json)
        return split_range(data.count, data.examples_per_shard)

    def _write(self) -> WriteShard:
        return _WriteDatesShard()


def split_range(count: int, size: int) -> list[tuple[int, int]]:
    """Returns the stretches of `size` that make up 0 to `count`, the last one shorter where it does not fit."""
    return [(start, min(start + size, count)) for start in range(0, count, size)]


class PairsExecutor(ShardedExecutor):
    """Reads a user's pairs; a shard is a stretch of the hashes of their inputs."""

    def _files(self, data_json: str) -> list[DataFile]:
        return [file for found in pairs.find_pairs(from_json(PairsData, data_json)) for file in found.files]

    def _write_shards(self, artifact: Artifact, data_json: str) -> None:
        data = from_json(PairsData, data_json)
        groups = pairs.find_pairs(data)
        parts = pairs.plan_pairs(data, groups)
        self._buckets = pairs.count_buckets(groups)
        # With the artifact, where every worker can read it.
        self._staging = os.path.join(artifact.uri, ".staged")
        tf.io.gfile.makedirs(self._staging)
        try:
            report = self._sort(data, data_json, parts)
            super()._write_shards(artifact, data_json)
            summary = pairs.summarize(groups, report, self._count())
            artifact.set_string_custom_property(SUMMARY_PROPERTY, json.dumps(summary, ensure_ascii=False))
        finally:
            tf.io.gfile.rmtree(self._staging)

    def _sort(self, data: PairsData, data_json: str, parts: list[pairs.SourcePart]) -> ReadReport:
        """Sorts all rows into buckets; returns what was read.

        Raises:
          TableError: A row cannot be used, or more were skipped than may be.
        """
        reports_path = os.path.join(self._staging, "reports.json")
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Parts" >> beam.Create(list(enumerate(parts)), reshuffle=True)
                | "Sort" >> beam.ParDo(_SortPairs(data_json, self._staging, self._buckets))
                | "Together" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
                | "Note" >> beam.Map(lambda found: write_file(reports_path, json.dumps(found).encode()))
            )
        with tf.io.gfile.GFile(reports_path) as file:
            found = sorted(json.load(file), key=lambda entry: int(entry["part"]))
        report = ReadReport(data.on_error)
        for entry in found:
            report.add(ReadReport.from_dict(entry["report"]))
        report.check_share(data.most_skipped)
        return report

    def _count(self) -> pairs.GroupCounts:
        counts = pairs.GroupCounts()
        for path in list_files(os.path.join(self._staging, "counts")):
            with tf.io.gfile.GFile(path) as file:
                counts.add(pairs.GroupCounts(**json.load(file)))
        return counts

    def _shards(self, data_json: str) -> list[int]:
        return list(range(self._buckets))

    def _write(self) -> WriteShard:
        return _WritePairsShard(self._staging)


class TextExecutor(ShardedExecutor):
    """Cuts a text into windows; a shard is a stretch of the whole corpus."""

    def _files(self, data_json: str) -> list[DataFile]:
        data = from_json(TextData, data_json)
        return list(find_corpus(data.corpus, data.spans).files)

    def _write_shards(self, artifact: Artifact, data_json: str) -> None:
        # With the artifact, where every worker can read it.
        staging = os.path.join(artifact.uri, ".staged")
        tf.io.gfile.makedirs(staging)
        try:
            self._plan = text.plan_text(from_json(TextData, data_json), os.path.join(staging, "text"))
            artifact.set_string_custom_property(SUMMARY_PROPERTY, json.dumps(self._plan.summary, ensure_ascii=False))
            super()._write_shards(artifact, data_json)
        finally:
            tf.io.gfile.rmtree(staging)

    def _shards(self, data_json: str) -> list[text.TextShard]:
        return self._plan.shards

    def _write(self) -> WriteShard:
        return _WriteTextShard(self._plan.replaced)

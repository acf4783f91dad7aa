"""A batch prediction as a Beam job: workers answer parts of the input, and the table is put together here, in order."""

import contextlib
import dataclasses
import json
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.shared import Shared

from data.errors import DataError
from data.files import DataFile
from data.patterns import is_remote
from data.tables.writing import open_writer
from pipeline.beam.settings import BeamSettings
from pipeline.predict.asking import answer_chunks
from pipeline.predict.back_ends import FolderBackEnd
from pipeline.predict.job import Job, Summary, head_of, join
from pipeline.predict.progress import Progress
from pipeline.predict.question import Question
from pipeline.predict.source import Source, SourcePart

# Rows of a worker's turn. A turn that fails is done again.
PART_BYTES = 4 << 20

_HEAD = b"head"
_POLL_SECONDS = 2.0


class JobFailedError(RuntimeError):
    """Beam's job did not end well; the message is the runner's."""

    kind = "beam-job"
    meaning = "A batch prediction that runs as a Beam job has failed."
    remedy = "Read the runner's message and its logs. The same command goes on with what is done."


@dataclasses.dataclass(frozen=True)
class _Turn:
    """A part of the input, and where its answers go.

    Attributes:
      part: The rows.
      first: How many rows stand before it; 0 where nothing depends on that.
      path: The answers' file, an Arrow stream; there is none if there are no rows.
    """

    part: SourcePart
    first: int
    path: str

    @property
    def counts(self) -> str:
        """The file that says how many rows it has, and how many of them are bad."""
        return f"{self.path}.json"


def run_on_beam(
    job: Job,
    source: Source,
    question: Question,
    model_path: str,
    settings: BeamSettings,
    output: str,
    progress: Progress,
) -> Summary:
    """Answers every row on Beam's workers, and writes the table.

    Args:
      job: What is written.
      source: The rows.
      question: What is asked about each.
      model_path: Folder of the version that answers.
      settings: Where the job runs. With `temp_location` the input and the model are copied there, and workers need to see no
        other folder.
      output: The table.
      progress: Is told how far it is.

    Raises:
      DataError: The input cannot be read, or `on_error` is `stop` and a row is bad.
      JobFailedError: The job failed.
    """
    with _shared_folder(settings.temp_location, output) as folder:
        parts = source.split(PART_BYTES)
        if settings.temp_location:
            parts, model_path = _copy_inputs(parts, model_path, folder)
        turns = [_Turn(part, 0, f"{folder}/{number:06}.arrow") for number, part in enumerate(parts)]
        options = PipelineOptions(settings.job_args)
        if question.sampled:
            # Row n is written with the seed plus n: where a part begins has to be known before.
            _run(options, turns, beam.ParDo(_Count()))
            turns = _with_firsts(turns)
        with _watching(turns, progress):
            _run(options, turns, beam.ParDo(_Answer(model_path, question, source.inputs)))
        summary = Summary()
        with open_writer(output, job.schema) as writer:
            for turn in turns:
                for head, rows in _read_answers(turn):
                    job.note(summary, head)
                    writer.write(job.output(head, rows))
        return summary


class _Count(beam.DoFn):  # type: ignore[misc]
    """Writes down how many rows a part has."""

    def process(self, turn: _Turn) -> Iterator[None]:
        _write(turn.counts, json.dumps({"rows": sum(map(len, turn.part.chunks(0))), "bad": 0}).encode())
        yield from ()


class _Answer(beam.DoFn):  # type: ignore[misc]
    """Answers the rows of a part."""

    def __init__(self, model_path: str, question: Question, columns: dict[str, tuple[str, ...]]):
        self._model_path, self._question, self._columns = model_path, question, columns
        self._shared = Shared()  # one model for all threads of a worker

    def setup(self) -> None:
        self._model = self._shared.acquire(lambda: _Model(self._model_path), tag=self._model_path)

    def process(self, turn: _Turn) -> Iterator[None]:
        rows, bad = 0, 0
        with contextlib.ExitStack() as stack:
            stream: pa.RecordBatchStreamWriter | None = None
            aside = f"{turn.path}.{uuid.uuid4().hex}.part"
            answered = answer_chunks(turn.part.chunks(turn.first), self._question, self._columns, self._model.back_end)
            for chunk, answers in answered:
                batch, head = join(chunk, answers), head_of(chunk, answers)
                if stream is None:
                    file = stack.enter_context(
                        contextlib.closing(FileSystems.create(aside, "application/octet-stream"))
                    )
                    stream = stack.enter_context(pa.ipc.new_stream(pa.PythonFile(file, "w"), batch.schema))
                stream.write_batch(batch, custom_metadata={_HEAD: json.dumps(head)})
                rows, bad = rows + len(batch), bad + len(head["bad"])
        if stream is not None:
            _rename(aside, turn.path)
        _write(turn.counts, json.dumps({"rows": rows, "bad": bad}).encode())
        yield from ()


class _Model:
    """The model of a worker, in a form that `Shared` can hold; one that lies elsewhere is copied to this machine first."""

    def __init__(self, path: str) -> None:
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        if is_remote(path):
            self._copy = tempfile.TemporaryDirectory(prefix="charseq-model-")
            from components.files import copy_folder

            version = os.path.join(self._copy.name, *path.rstrip("/").split("/")[-2:])
            copy_folder(path, version)
            path = version
        self.back_end = FolderBackEnd(path, None)


def _run(options: PipelineOptions, turns: Sequence[_Turn], step: beam.PTransform) -> None:
    try:
        with beam.Pipeline(options=options) as pipeline:
            _ = pipeline | "Parts" >> beam.Create(turns, reshuffle=True) | "Work" >> step
    except Exception as error:
        raise JobFailedError(f"the Beam job failed: {error}") from error


def _with_firsts(turns: Sequence[_Turn]) -> list[_Turn]:
    first, numbered = 0, []
    for turn in turns:
        numbered.append(dataclasses.replace(turn, first=first))
        first += _read_counts(turn)["rows"]
        FileSystems.delete([turn.counts])  # it is written again with the answers
    return numbered


def _read_answers(turn: _Turn) -> Iterator[tuple[dict[str, Any], pa.RecordBatch]]:
    if not _read_counts(turn)["rows"]:
        return
    with (
        contextlib.closing(FileSystems.open(turn.path)) as file,
        pa.ipc.open_stream(pa.PythonFile(file, "r")) as reader,
    ):
        while True:
            try:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
            except StopIteration:
                return
            yield json.loads(metadata[_HEAD]), batch


def _read_counts(turn: _Turn) -> dict[str, int]:
    with contextlib.closing(FileSystems.open(turn.counts)) as file:
        return dict(json.loads(file.read()))


def _write(path: str, content: bytes) -> None:
    aside = f"{path}.{uuid.uuid4().hex}.part"
    with contextlib.closing(FileSystems.create(aside, "application/octet-stream")) as file:
        file.write(content)
    _rename(aside, path)


def _rename(aside: str, path: str) -> None:
    if FileSystems.exists(path):
        FileSystems.delete([path])  # by an attempt whose answers are the same
    FileSystems.rename([aside], [path])


@contextlib.contextmanager
def _shared_folder(temp_location: str, output: str) -> Iterator[str]:
    """Gives a folder that workers and this process see; it is gone afterwards."""
    folder = f"{temp_location or os.path.dirname(os.path.abspath(output))}/.charseq-predict-{uuid.uuid4().hex}"
    if not is_remote(folder):
        try:
            os.makedirs(folder)
        except OSError as error:
            raise DataError(
                f"{error.filename} cannot be made: {error.strerror}; check --output and beam.temp_location"
            ) from None
    try:
        yield folder
    finally:
        if is_remote(folder):
            FileSystems.delete([f"{folder}/"])
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _copy_inputs(parts: Sequence[SourcePart], model_path: str, folder: str) -> tuple[list[SourcePart], str]:
    """Copies the input's files and the model to where workers see them."""
    copies: dict[str, DataFile] = {}
    moved = []
    for part in parts:
        file = part.part.file
        if file.path not in copies:
            # The ending says how it is packed.
            target = f"{folder}/input-{len(copies)}-{os.path.basename(file.path)}"
            with (
                contextlib.closing(
                    FileSystems.open(file.path, compression_type=CompressionTypes.UNCOMPRESSED)
                ) as source,
                contextlib.closing(FileSystems.create(target, compression_type=CompressionTypes.UNCOMPRESSED)) as copy,
            ):
                shutil.copyfileobj(source, copy)
            copies[file.path] = dataclasses.replace(file, path=target)
        moved.append(dataclasses.replace(part, part=dataclasses.replace(part.part, file=copies[file.path])))
    from components.files import copy_folder  # TensorFlow, whose import takes seconds

    target = "/".join([folder, *model_path.rstrip("/").split("/")[-2:]])
    copy_folder(model_path, target)
    return moved, target


@contextlib.contextmanager
def _watching(turns: Sequence[_Turn], progress: Progress) -> Iterator[None]:
    """Shows how many rows are done while a job runs."""
    ended = threading.Event()

    def watch() -> None:
        done: dict[str, dict[str, int]] = {}
        while not ended.wait(_POLL_SECONDS):
            for turn in turns:
                if turn.path not in done and FileSystems.exists(turn.counts):
                    done[turn.path] = _read_counts(turn)
            rows = sum(counts["rows"] for counts in done.values())
            progress.update(rows, len(done) / len(turns), sum(counts["bad"] for counts in done.values()))

    thread = threading.Thread(target=watch, name="predict-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()

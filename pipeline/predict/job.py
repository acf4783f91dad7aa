"""A batch prediction from its first row to its last: in order, gone on with after a kill, in memory that does not grow."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import pyarrow as pa

from data.errors import DataError, TableError
from data.tables.writing import TableWriter, open_writer
from pipeline.predict.asking import answer_chunks
from pipeline.predict.back_ends import BackEnd
from pipeline.predict.journal import Journal, read_rows
from pipeline.predict.progress import Progress
from pipeline.predict.question import Question
from pipeline.predict.source import CHUNK_BYTES, CHUNK_ROWS, Chunk, RowSource

OnBadRow = Literal["stop", "skip", "mark"]

# So many bad rows are kept for the summary.
_LISTED = 100

# What `ask_chunk` puts behind the outputs.
_BEHIND = ("version", "line", "reason")


@dataclasses.dataclass
class Summary:
    """What came of a batch prediction.

    Attributes:
      rows: Rows that were read.
      bad: Rows among them that have no answer.
      bad_rows: The first hundred of these: file, line and reason.
    """

    rows: int = 0
    bad: int = 0
    bad_rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)


class Job:
    """A batch prediction.

    Attributes:
      schema: Names and types of the columns that are written.
      renamed: Outputs whose name a column of the input has already, and what they are called instead.
    """

    def __init__(
        self, source: RowSource, question: Question, back_end: BackEnd, on_error: OnBadRow, with_version: bool
    ) -> None:
        """Plans a batch prediction.

        Args:
          source: The rows.
          question: What is asked about each.
          back_end: Who is asked.
          on_error: What is done at a row that cannot be read or that the model refuses: `stop`, `skip` it, or `mark` it: it is
            written with empty answers, and the reason in a column `error`.
          with_version: Whether a column `version` says which version answered.
        """
        self._source, self._question, self._back_end = source, question, back_end
        self._on_error = on_error
        self._with_version = with_version
        added: dict[str, pa.DataType] = {name: output.kind for name, output in question.outputs.items()}
        if with_version:
            added["version"] = pa.int64()
        if on_error == "mark":
            added["error"] = pa.string()
        self.renamed: dict[str, str] = {}
        for name in added:
            called = name
            while called in source.names or (called != name and called in added):
                called = f"predicted_{called}"
            if called != name:
                self.renamed[name] = called
        self._rows = pa.schema(
            [(name, pa.string()) for name in source.names]
            + [(self.renamed.get(name, name), kind) for name, kind in added.items()]
        )
        self.schema = self._rows

    def run(self, writer: TableWriter, progress: Progress) -> Summary:
        """Writes the answers as they come.

        Raises:
          DataError: The input cannot be read, or `on_error` is `stop` and a row is bad.
          PredictionError: The model does not answer.
        """
        summary = Summary()
        share = self._share()
        with writer:
            for chunk, answers in self._answers(self._source.chunks()):
                rows = join(chunk, answers)
                head = head_of(chunk, answers)
                self.note(summary, head)
                writer.write(self.output(head, rows))
                progress.update(summary.rows, share(head), summary.bad)
        return summary

    def run_resumably(self, path: str, journal: Journal, progress: Progress, *, restart: bool = False) -> Summary:
        """Collects the answers in a journal, and writes them when all are there.

        Args:
          path: The table to write.
          journal: What earlier processes have done of this job; removed at the end.
          progress: Is told how far it is.
          restart: Whether to start again, whatever the journal has.

        Raises:
          DataError: As for `run`; or the journal is of another job.
          PredictionError: The model does not answer.
        """
        before, job = journal.read_job(), self._identity()
        if before is None or restart:
            journal.begin(job)
        elif before != job:
            differing = sorted(key for key in {*before, *job} if before.get(key) != job.get(key))
            raise DataError(
                f"{journal.path} is of a job that was not ended, and that differs from this one in {', '.join(differing)}: "
                "add --restart to start again, or write to another file"
            )
        summary = Summary()
        share = self._share()
        head: dict[str, Any] | None = None
        for head, _ in journal.frames():
            self.note(summary, head)
        if head is not None:
            progress.resume(summary.rows, share(head))
        chunks = itertools.islice(self._source.chunks(), journal.chunks, None)
        for chunk, answers in self._answers(chunks):
            head = head_of(chunk, answers)
            journal.add(head, join(chunk, answers))
            self.note(summary, head)
            progress.update(summary.rows, share(head), summary.bad)
        with open_writer(path, self.schema) as writer:
            for head, body in journal.frames():
                writer.write(self.output(head, read_rows(body)))
        journal.remove()
        return summary

    def _identity(self) -> dict[str, Any]:
        """Returns what makes this job another than one with other answers."""
        question = self._question
        return {
            "input": self._source.fingerprint,
            "columns": [
                list(self._source.names),
                {name: list(columns) for name, columns in self._source.inputs.items()},
            ],
            "model": self._back_end.identity,
            "signature": question.signature,
            "sampling": dataclasses.asdict(question.sampling) if question.sampled else None,
            "outputs": {name: str(output.kind) for name, output in question.outputs.items()},
            "chunks": [CHUNK_ROWS, CHUNK_BYTES],
        }

    def _share(self) -> Callable[[Mapping[str, Any]], float]:
        """Returns what tells the share of the input that is done when a chunk is."""
        lines = self._source.count_lines()
        before = dict(zip(lines, itertools.accumulate(lines.values(), initial=0), strict=False))
        total = sum(lines.values())
        return lambda head: min((before[head["file"]] + head["last_line"]) / total, 1.0) if total else 0.0

    def _answers(self, chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, pa.RecordBatch]]:
        return answer_chunks(chunks, self._question, self._source.inputs, self._back_end)

    def note(self, summary: Summary, head: Mapping[str, Any]) -> None:
        """Adds a chunk to the summary.

        Raises:
          TableError: It has a bad row, at which this job is to stop.
        """
        summary.rows += head["rows"]
        summary.bad += len(head["bad"])
        for line, reason in head["bad"]:
            if self._on_error == "stop":
                remedy = "mend it, or choose --on-error skip or mark"
                raise TableError(head["file"], reason, remedy, line)
            if len(summary.bad_rows) < _LISTED:
                summary.bad_rows.append({"file": head["file"], "line": line, "reason": reason})

    def output(self, head: Mapping[str, Any], rows: pa.RecordBatch) -> pa.RecordBatch:
        """Returns what is written of a chunk."""
        reasons = rows.column(rows.num_columns - 1)
        arrays = rows.columns[: -len(_BEHIND)]
        if self._with_version:
            arrays.append(rows.column(rows.num_columns - len(_BEHIND)))
        if self._on_error == "mark":
            lines = rows.column(rows.num_columns - 2).to_pylist()
            said = [
                None if reason is None else f"{head['file']}, line {line}: {reason}"
                for line, reason in zip(lines, reasons.to_pylist(), strict=True)
            ]
            arrays.append(pa.array(said, pa.string()))
        written = pa.RecordBatch.from_arrays(arrays, schema=self._rows)
        return written.filter(reasons.is_null()) if self._on_error == "skip" else written


def head_of(chunk: Chunk, answers: pa.RecordBatch) -> dict[str, Any]:
    """Returns what a journal and a summary say of a chunk."""
    lines, reasons = answers.column("line").to_pylist(), answers.column("reason").to_pylist()
    bad = [[line, reason] for line, reason in zip(lines, reasons, strict=True) if reason is not None]
    return {"file": chunk.file, "rows": len(chunk), "last_line": lines[-1], "bad": bad}


def join(chunk: Chunk, answers: pa.RecordBatch) -> pa.RecordBatch:
    """Returns the columns of the input with those of the answers; the names do not matter."""
    arrays = [*chunk.columns, *answers.columns]
    return pa.RecordBatch.from_arrays(arrays, [str(index) for index in range(len(arrays))])

"""Every kind of error that a user can meet, with its cause and its remedy: they stand beside the classes."""

import dataclasses
import importlib

# Where the classes are. Some of these modules take long to import, so they are named.
_CLASSES = (
    "components.settings.SettingsError",
    "pipeline.cli.options.InputError",
    "data.errors.DataError",
    "data.errors.CorpusError",
    "data.errors.TableError",
    "data.series.times.AmbiguousTimesError",
    "data.series.times.TimeFormatError",
    "data.series.times.ShortStepError",
    "data.series.times.UnreadableTimeError",
    "components.example_validator.anomalies.DataAnomalyError",
    "pipeline.local.runner.ComponentFailedError",
    "pipeline.file_errors.DiskFullError",
    "pipeline.memory_errors.OutOfMemoryError",
    "pipeline.cli.terminal.streams.OutputError",
    "components.infra_validator.server_process.ServerError",
    "components.pusher.rollout.RolloutError",
    "serving.rollout.server.RolloutError",
    "charseq_client.answers.PredictionError",
    "serving.contract.errors.ServingError",
    "pipeline.predict.question.QuestionError",
    "pipeline.predict.beam_job.JobFailedError",
    "pipeline.requests.reading.RequestLogError",
    "pipeline.lineage.NoSuchRunError",
    "pipeline.kubeflow.client.KubeflowError",
    "pipeline.kubeflow.local_paths.ArtifactUriError",
    "pipeline.flink.jar.FlinkError",
)

# Exit statuses of `charseq`: 2 where the input is at fault.
_INPUT = {
    "setting",
    "usage",
    "data",
    "text",
    "table",
    "question",
    "no-such-run",
    "flink",
    "ambiguous-times",
    "time-format",
    "short-step",
    "time",
    "request-log",
}


@dataclasses.dataclass(frozen=True)
class ErrorKind:
    """A kind of error.

    Attributes:
      kind: Its name, which stays whatever becomes of the words of its messages.
      status: Exit status of a command that ends with it.
      cause: What it means.
      remedy: What to do.
      name: Dotted name of the class.
    """

    kind: str
    status: int
    cause: str
    remedy: str
    name: str


def list_errors() -> list[ErrorKind]:
    """Returns every kind of error."""
    found = []
    for name in _CLASSES:
        module, _, cls = name.rpartition(".")
        error = getattr(importlib.import_module(module), cls)
        found.append(ErrorKind(error.kind, 2 if error.kind in _INPUT else 1, error.meaning, error.remedy, name))
    return found


def kind_of(error: BaseException) -> str:
    """Returns the kind of an error; `internal` for one that is no user's doing."""
    return str(getattr(error, "kind", "internal"))


def errors_page() -> str:
    """Returns docs/errors.md: every kind of error, and the status codes of the server."""
    from serving.contract.errors import MEANINGS

    lines = [
        "# Errors",
        "",
        "Made by `charseq errors --markdown` from the error classes; a test holds it to them. An error is one line on standard",
        "error: what is wrong, why, and what to do. `charseq run --json` names its kind in `error_kind`, and Python as the",
        "attribute `kind` of the exception. Kinds keep their names; the words of the messages may change.",
        "",
        "A command ends with status 0 if all went well, 1 if it ran and the answer is no, 2 if the input cannot be used, and",
        "130 if it was interrupted. `internal`, with a traceback, is a fault of charseq: please report it.",
        "",
        "| kind | status | cause | remedy | class |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| `{e.kind}` | {e.status} | {e.cause} | {e.remedy} | `{e.name}` |" for e in list_errors()]
    lines += [
        "",
        "## Status codes of the server",
        "",
        "gRPC calls end with these, and REST calls with the HTTP status that belongs to them. A client raises",
        "`PredictionError` with the same `code`.",
        "",
        "| code | cause | remedy |",
        "|---|---|---|",
    ]
    lines += [f"| `{code.name}` | {cause} | {remedy} |" for code, (cause, remedy) in MEANINGS.items()]
    return "\n".join(lines) + "\n"

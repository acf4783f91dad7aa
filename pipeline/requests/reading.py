"""Reading the logged requests of one model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from serving.contract.errors import ServingError
from serving.contract.request_logs import read_logs


class RequestLogError(ValueError):
    """A log cannot be used; the message says why, and what can be done."""

    kind = "request-log"
    meaning = "A log of requests cannot be read, or has nothing of the model."
    remedy = "Name other files, or the model and signature that the log has."


def read_predictions(names: Sequence[str], model: str, signature: str) -> Iterator[Any]:
    """Reads the ``PredictionLog`` of each Predict of a model and signature.

    Args:
      names: Files, patterns of files, or prefixes of logs.
      model: The model; empty if the log is of one model alone.
      signature: The signature.

    Raises:
      RequestLogError: There is none, the log is of several models and none was named, or it cannot be read.
    """
    seen: Counter[tuple[str, str]] = Counter()
    found = False
    try:
        for name in names:
            for log in read_logs(name):
                if log.WhichOneof("log_type") != "predict_log":
                    continue
                spec = log.predict_log.response.model_spec
                seen[spec.name, spec.signature_name] += 1
                models = {model_name for model_name, _ in seen}
                if not model and len(models) > 1:
                    raise RequestLogError(f"the log has the models {', '.join(sorted(models))}; name one with --model")
                if model in ("", spec.name) and signature == spec.signature_name:
                    found = True
                    yield log
    except OSError as error:
        raise RequestLogError(f"{error.filename or name}: {error.strerror}") from None
    except ServingError as error:
        raise RequestLogError(error.message) from None
    if not found:
        there = ", ".join(f"{count:,} of {of} ({signature})" for (of, signature), count in sorted(seen.items()))
        raise RequestLogError(
            f"no logged request is of {model or 'a model'} and its signature {signature!r}; there are {there or 'none'}"
        )

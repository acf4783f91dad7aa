"""Asks a model about the texts of the command line, and prints its answers."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import as_input_error, as_missing_model, asking, print_json

if TYPE_CHECKING:
    from charseq_client import Prediction

# Rows of a request about the command line's texts. A server that takes fewer says so, and the client splits once more.
_ROWS_AT_A_TIME = 1000


def ask_texts(
    texts: Sequence[str],
    nbest: int | None,
    model_dir: str | None,
    server: str,
    model: str,
    version: int | None,
    label: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Asks about the command line's texts."""
    from charseq_client import Client
    from charseq_client.signatures import find_signature

    inputs: dict[str, Any] = {"text": texts}
    signature = "serving_default"
    if nbest is not None:
        signature, inputs["n"] = "nbest", [nbest] * len(texts)
    with asking(model_dir or server, version, label):
        if model_dir is not None:
            from serving.local import LocalModel

            with as_missing_model(), LocalModel(model_dir, version=version) as local, as_input_error(ValueError):
                prediction = local.predict(inputs, signature=signature)
        else:
            with Client(server, timeout=timeout, max_batch_size=_ROWS_AT_A_TIME) as client:
                if nbest is not None:
                    with as_input_error(ValueError):
                        find_signature(client.metadata(model, version=version, label=label), signature)
                prediction = client.predict(inputs, model=model, version=version, label=label, signature=signature)
    if nbest is None:
        _show_answers(texts, prediction, as_json)
    else:
        _show_alternatives(texts, prediction, as_json)


def _show_answers(texts: Sequence[str], prediction: "Prediction", as_json: bool) -> None:
    answers = prediction.strings("text")
    if as_json:
        rows = [
            {"input": text, "output": answer, "log_prob": float(log_prob)}
            for text, answer, log_prob in zip(texts, answers, prediction.outputs["log_prob"], strict=True)
        ]
        print_json({"predictions": rows, "model": prediction.model, "version": prediction.version})
    else:
        for answer in answers:
            click.echo(answer)


def _show_alternatives(texts: Sequence[str], prediction: "Prediction", as_json: bool) -> None:
    log_probs = prediction.outputs["log_probs"]
    answers = iter(prediction.strings("texts"))
    rows: list[tuple[str, list[dict[str, Any]]]] = []
    for text, row in zip(texts, log_probs.tolist(), strict=True):
        pairs = [(next(answers), log_prob) for log_prob in row]
        # The least float32 stands for an answer that does not exist.
        found = [{"output": answer, "log_prob": log_prob} for answer, log_prob in pairs if log_prob > -1e30]
        rows.append((text, found))
    if as_json:
        predictions = [{"input": text, "answers": found} for text, found in rows]
        print_json({"predictions": predictions, "model": prediction.model, "version": prediction.version})
        return
    for text, found in rows:
        if len(rows) > 1:
            click.echo(text)
        for answer in found:
            click.echo(f"{math.exp(answer['log_prob']):.4f}  {answer['output']}")

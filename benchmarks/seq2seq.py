"""The model of pairs: training examples a second and answers a second, beside the same network in PyTorch."""

import contextlib
import dataclasses
import os
import statistics
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from benchmarks.measure import Figure, compare, timed
from benchmarks.peers.processes import peer_process, peer_python, peer_version
from benchmarks.serve import free_port, grpc_load, running_server
from components.trainer.fitting import compile_model
from components.trainer.seq2seq.export import Decoding, PairsModel
from components.trainer.seq2seq.model import build_model
from components.trainer.seq2seq.network import FIRST_CLASS
from components.trainer.seq2seq.pairs import Rows, TokenPairs
from components.trainer.seq2seq.settings import Seq2SeqSettings, resolve
from components.trainer.seq2seq.training import fit_data
from components.transform.token_pairs import END, FIRST, preprocessing_fn
from serving.contract.processors import count_processors
from serving.launch import server_command
from serving.load_test.load import text_request
from serving.load_test.samples import LoadResult

# The settings are those for as many as each language of the task g2p has to train on; an epoch of the measurement is shorter.
_PAIRS = 3_600
_EXAMPLES = 1_200
_SOURCE, _TARGET = "abcdefghijklmnopqrstuvwxyzàâçèéêëîïôûùüœ-'", "abcdefghijklmnopqrstuvwxyzɑɔəɛɥɲʁʃʒøœŋ"
_SIZES = FIRST + len(_SOURCE), FIRST + len(_TARGET)

# Characters of an input that is answered, and of its answer.
_LENGTH = 10

_SERVED = "pairs"
_SECONDS = 2.0

# Answers of the peer in one measurement, about as long as ours.
_PEER_ANSWERS = {1: 40, 64: 16 * 64}


def measure(runs: int) -> list[Figure]:
    """Measures the model as the defaults make it for 3,600 pairs, untrained, alternately with the same network in PyTorch.

    Training: all of a step, with the batches that each side's users make. Answers: a server under load, over gRPC, beside a
    greedy loop that is called directly, with as many inputs at a time as there are callers.
    """
    settings = resolve(Seq2SeqSettings(), _PAIRS)
    return [*_measure_training(settings, runs), *_measure_answers(settings, runs)]


def _measure_training(settings: Seq2SeqSettings, runs: int) -> list[Figure]:
    lengths = _draw_lengths()
    with contextlib.ExitStack() as stack:
        peers, missing = _peers(stack, settings, {0: {"lengths": lengths.tolist()}})
        sides = {"ours": timed(_training(settings, lengths)), **peers[0]}
        return compare("training", sides, "examples/s", runs, missing)


def _measure_answers(settings: Seq2SeqSettings, runs: int) -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        _export(settings, os.path.join(folder, "serving", _SERVED, "1"), os.path.join(folder, "transform"))
        port = free_port()
        load = grpc_load(port, text_request(_SERVED, _SOURCE[:_LENGTH]))
        command = server_command(os.path.join(folder, "serving"), port=port, executable="builtin")
        stack.enter_context(running_server(command, load))
        asked = {
            callers: {"rows": callers, "length": _LENGTH, "times": answers // callers}
            for callers, answers in _PEER_ANSWERS.items()
        }
        peers, missing = _peers(stack, settings, asked)
        for callers in _PEER_ANSWERS:
            results: list[LoadResult] = []

            def ours(results: list[LoadResult] = results, callers: int = callers) -> float:
                result = load(callers, _SECONDS)
                if result.errors or not result.requests:
                    raise RuntimeError(f"{result.requests} answers, errors {result.errors} at {callers} callers")
                results.append(result)
                return result.throughput

            subject = f"{callers} caller{'s' * (callers > 1)}"
            found = compare(subject, {"ours, over gRPC": ours, **peers[callers]}, "answers/s", runs, missing)
            latency = statistics.median(result.p50_ms for result in results[1:])
            figures += [dataclasses.replace(found[0], note=f"p50 {latency:.1f} ms"), *found[1:]]
    return figures


def _peers(
    stack: contextlib.ExitStack, settings: Seq2SeqSettings, work: dict[int, dict[str, Any]]
) -> tuple[dict[int, dict[str, Callable[[], float]]], dict[str, str]]:
    """Starts PyTorch for each kind of work, with one thread and with one for each core.

    Returns:
      The sides of each kind, and what is missing.
    """
    python = peer_python("train")
    if python is None:
        return {kind: {} for kind in work}, {"PyTorch": "skipped: not installed (make peers)"}
    own = {**dataclasses.asdict(settings), "source_size": _SIZES[0], "target_size": _SIZES[1]}
    name = f"PyTorch {peer_version(python, 'torch')}"
    sides: dict[int, dict[str, Callable[[], float]]] = {}
    for kind, what in work.items():
        sides[kind] = {}
        for threads in sorted({1, count_processors()}):
            process = peer_process(python, "torch_seq2seq.py", {**own, **what, "threads": threads})
            sides[kind][f"{name}, {threads} thread{'s' * (threads > 1)}"] = timed(stack.enter_context(process))
    return sides, {}


def _draw_lengths() -> np.ndarray[Any, np.dtype[np.int64]]:
    """Returns lengths [pairs, 2] like those of French words and their pronunciations."""
    random = np.random.default_rng(0)
    source = np.clip(np.round(random.normal(8.5, 2.3, _EXAMPLES)), 2, 16)
    target = np.clip(np.round(0.75 * source + random.normal(0, 0.9, _EXAMPLES)), 1, 16)
    return np.stack([source, target], axis=1).astype(np.int64)


def _training(settings: Seq2SeqSettings, lengths: np.ndarray[Any, np.dtype[np.int64]]) -> Callable[[], float]:
    random = np.random.default_rng(0)
    pairs = TokenPairs(
        *(
            Rows.of([random.integers(FIRST, size, length).tolist() for length in lengths[:, side]], size)
            for side, size in enumerate(_SIZES)
        )
    )
    data = fit_data(settings, pairs, pairs)
    model = build_model(settings, *_SIZES)
    batches = compile_model(model, settings, data)(0)

    def work() -> float:
        model.fit(batches, steps_per_epoch=data.steps, epochs=1, verbose=0)
        return _EXAMPLES

    return work


def _export(settings: Seq2SeqSettings, path: str, transform_dir: str) -> None:
    """Writes the SavedModel, untrained: all its answers have as many tokens as it may give."""
    spec = {name: tf.io.FixedLenFeature([1], tf.string) for name in ("expression", "answer")}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    example = {"expression": [_SOURCE.encode()], "answer": [_TARGET.encode()]}
    with tft_beam.Context(temp_dir=f"{transform_dir}.tmp"):
        transform = ([example], metadata) | tft_beam.AnalyzeDataset(lambda inputs: preprocessing_fn(inputs, {}))
        _ = transform | tft_beam.WriteTransformFn(transform_dir)
    model = build_model(settings, *_SIZES)
    bias = model.layers[-1].stacked["output_bias"]
    bias.assign(bias - 30.0 * tf.one_hot(END - FIRST_CLASS, bias.shape[1]))
    decoding = Decoding(source_limit=_LENGTH, target_limit=_LENGTH)
    PairsModel(model, tft.TFTransformOutput(transform_dir), decoding).save(path)

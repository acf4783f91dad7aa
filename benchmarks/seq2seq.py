"""The model of pairs: training examples a second and answers a second, beside the same network in PyTorch."""

import contextlib
import dataclasses
import functools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from benchmarks.measuring.figures import Figure, compare
from benchmarks.peers.processes import peer_process, peer_python, peer_version
from benchmarks.serve import Load, grpc_load, running_server
from components.trainer.fitting import compile_model
from components.trainer.seq2seq.export import Decoding, PairsModel
from components.trainer.seq2seq.model import build_model
from components.trainer.seq2seq.network import FIRST_CLASS
from components.trainer.seq2seq.pairs import Rows, TokenPairs
from components.trainer.seq2seq.settings import Seq2SeqSettings, resolve
from components.trainer.seq2seq.training import fit_data
from components.transform.token_pairs import END, FIRST, preprocessing_fn
from serving.free_port import free_port
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


# Does something once, and returns how much it was for each second of processor time, and for each second.
Side = Callable[[], tuple[float, float]]


def measure(runs: int) -> list[Figure]:
    """Measures the model as the defaults make it for 3,600 pairs, untrained, alternately with the same network in PyTorch.

    Training: all of a step, with the batches that each side's users make. Answers: a server under load, over gRPC, beside a
    greedy loop that is called directly, with as many inputs at a time as there are callers.

    The figures are those for a second of processor time, which hold on a machine that does other work as well, and whatever the
    number of threads. PyTorch has one thread, for with several each does less.
    """
    settings = resolve(Seq2SeqSettings(), _PAIRS)
    return [*_measure_training(settings, runs), *_measure_answers(settings, runs)]


def _measure_training(settings: Seq2SeqSettings, runs: int) -> list[Figure]:
    lengths = _draw_lengths()
    with _peer(settings, {"lengths": lengths.tolist()}, len(lengths)) as peer:
        return _compare("training", {"ours": _training(settings, lengths)} | peer, "examples/CPU s", runs)


def _measure_answers(settings: Seq2SeqSettings, runs: int) -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        _export(settings, os.path.join(folder, "serving", _SERVED, "1"), os.path.join(folder, "transform"))
        port = free_port()
        load = grpc_load(port, text_request(_SERVED, _SOURCE[:_LENGTH]))
        command = server_command(os.path.join(folder, "serving"), port=port, executable="builtin")
        with running_server(command, load) as server:
            for callers, answers in _PEER_ANSWERS.items():
                results: list[LoadResult] = []
                sides = {"ours, over gRPC": _asking(load, psutil.Process(server), callers, results)}
                work = {"rows": callers, "length": _LENGTH, "times": answers // callers}
                with _peer(settings, work, answers) as peer:
                    found = _compare(f"{callers} caller{'s' * (callers > 1)}", sides | peer, "answers/CPU s", runs)
                latency = statistics.median(result.p50_ms for result in results[1:])
                figures += [dataclasses.replace(found[0], note=f"{found[0].note}, p50 {latency:.1f} ms"), *found[1:]]
    return figures


def _compare(subject: str, sides: dict[str, Side], unit: str, runs: int) -> list[Figure]:
    """Compares by processor time, and notes the rates by the clock."""
    rates: dict[str, list[float]] = {name: [] for name in sides}

    def measured(name: str) -> float:
        by_processor, by_clock = sides[name]()
        rates[name].append(by_clock)
        return by_processor

    missing = {} if len(sides) > 1 else {"PyTorch": "skipped: not installed (make peers)"}
    figures = compare(subject, {name: functools.partial(measured, name) for name in sides}, unit, runs, missing)
    notes = [f"{statistics.median(values[1:]):,.0f} a second by the clock" for values in rates.values()]
    noted = [
        dataclasses.replace(figure, note="; ".join(filter(None, [figure.note, note])))
        for figure, note in zip(figures, notes, strict=False)
    ]
    return [*noted, *figures[len(noted) :]]


@contextlib.contextmanager
def _peer(settings: Seq2SeqSettings, work: dict[str, Any], amount: int) -> Iterator[dict[str, Side]]:
    """Starts PyTorch, which does so much work at a time. Yields it as a side, or nothing where it is not installed."""
    python = peer_python("train")
    if python is None:
        yield {}
        return
    own = {**dataclasses.asdict(settings), "source_size": _SIZES[0], "target_size": _SIZES[1]}
    with peer_process(python, "torch_seq2seq.py", {**own, **work}) as run:

        def side() -> tuple[float, float]:
            begin = time.perf_counter()
            seconds = run()
            return amount / seconds, amount / (time.perf_counter() - begin)

        yield {f"PyTorch {peer_version(python, 'torch')}": side}


def _asking(load: Load, server: psutil.Process, callers: int, results: list[LoadResult]) -> Side:
    def processor_seconds() -> float:
        times = server.cpu_times()
        return float(times.user + times.system)

    def side() -> tuple[float, float]:
        begin = processor_seconds()
        result = load(callers, _SECONDS)
        if result.errors or not result.requests:
            raise RuntimeError(f"{result.requests} answers, errors {result.errors} at {callers} callers")
        results.append(result)
        return result.requests / (processor_seconds() - begin), result.throughput

    return side


def _draw_lengths() -> np.ndarray[Any, np.dtype[np.int64]]:
    """Returns lengths [pairs, 2] like those of French words and their pronunciations."""
    random = np.random.default_rng(0)
    source = np.clip(np.round(random.normal(8.5, 2.3, _EXAMPLES)), 2, 16)
    target = np.clip(np.round(0.75 * source + random.normal(0, 0.9, _EXAMPLES)), 1, 16)
    return np.stack([source, target], axis=1).astype(np.int64)


def _training(settings: Seq2SeqSettings, lengths: np.ndarray[Any, np.dtype[np.int64]]) -> Side:
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

    def side() -> tuple[float, float]:
        begin, processor_begin = time.perf_counter(), time.process_time()
        model.fit(batches, steps_per_epoch=data.steps, epochs=1, verbose=0)
        return _EXAMPLES / (time.process_time() - processor_begin), _EXAMPLES / (time.perf_counter() - begin)

    return side


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

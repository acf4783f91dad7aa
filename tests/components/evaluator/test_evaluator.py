"""The Evaluator: what is averaged, what is kept of mistakes, and that its artifacts say what the gate said.

The gate itself is in test_gate.py.
"""

import dataclasses
import functools
import json
import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts
from tfx.utils import path_utils, proto_utils

from components.evaluator import mistakes
from components.evaluator.component import Executor
from components.evaluator.metrics import wilson_interval
from components.evaluator.results import Check, Floor, read_evaluation
from components.evaluator.settings import GateSettings, TextGateSettings
from components.evaluator.tfma_results import to_eval_config
from components.example_gen.shards import write_shard
from components.example_gen.splits import SPLITS, TEST, TRAIN, VALIDATION
from components.example_gen.sums import to_record_batch
from components.files import copy_folder
from components.floor.component import FILE_NAME as FLOOR_FILE
from components.names import METRICS_PROPERTY, REASONS_PROPERTY, VERSION_PROPERTY
from components.settings import to_json
from pipeline.beam.settings import BeamSettings
from pipeline.config.task_files import load_task
from pipeline.families import find_family

pytestmark = pytest.mark.model

# The model knows one-digit sums; of two-digit answers it gets these wrong, for it reads three characters.
PAIRS = np.array([[a, b] for a in range(1, 10) for b in range(1, 10)])


def examples_artifact(folder, batch, sides):
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    artifact.split_names = json.dumps(SPLITS)
    write_shard([(batch, np.array(sides, np.uint8))], artifact.uri, 0, 1)
    return artifact


def schema_artifact(folder, family):
    artifact = standard_artifacts.Schema()
    artifact.uri = str(folder)
    tf.io.gfile.copy(find_family(family).schema_path, artifact.uri + "/schema.pbtxt")
    return artifact


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    # Every sum is a test example; what other splits have, no model here has right, and none of it may be counted.
    others = np.array([[10, 10]] * 7)
    sides = [TEST] * len(PAIRS) + [TRAIN] * 4 + [VALIDATION] * 3
    return examples_artifact(
        tmp_path_factory.mktemp("examples"), to_record_batch(np.concatenate([PAIRS, others])), sides
    )


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    return schema_artifact(tmp_path_factory.mktemp("schema"), "sums")


class Constant(tf.Module):
    """A model that answers every expression with one answer."""

    def __init__(self, answer, judged):
        super().__init__()
        self._answer, self._judged = answer, judged

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def evaluate(self, examples):
        parsed = tf.io.parse_example(examples, {"answer": tf.io.FixedLenFeature([], tf.string)})
        right = tf.cast(parsed["answer"] == self._answer, tf.float32)
        text = tf.fill(tf.shape(examples), self._answer)
        judged = {
            "exact_match": right,
            "character_accuracy": right,
            "log_prob": right - 1,
            "edits": 1 - right,
            "reference_tokens": tf.ones_like(right),
        }
        return {"text": text} | {name: judged[name] for name in self._judged}


def model_artifact(folder, version, save):
    artifact = standard_artifacts.Model()
    artifact.uri = str(folder)
    if version:
        save(path_utils.serving_model_dir(artifact.uri))
    artifact.set_string_custom_property(VERSION_PROPERTY, version)
    return artifact


def constant(answer, judged=("exact_match", "character_accuracy", "log_prob", "edits", "reference_tokens")):
    module = Constant(answer, judged)
    return lambda path: tf.saved_model.save(module, path, signatures={"evaluate": module.evaluate})


def evaluate(folder, examples, schema, candidate, baseline=None, **gate):
    config = dataclasses.replace(load_task("sums"), gate=GateSettings(slices=("digits", "carries"), **gate))
    return judge(folder, examples, schema, candidate, baseline, config)


def judge(folder, examples, schema, candidate, baseline, config, floors=()):
    """Runs the executor as the component would for a task, and returns what it wrote."""
    judging = find_family(config.family).judging(config)
    outputs = {"evaluation": [standard_artifacts.ModelEvaluation()], "blessing": [standard_artifacts.ModelBlessing()]}
    for name, (artifact,) in outputs.items():
        artifact.uri = str(folder / name)
    inputs = {
        "examples": [examples],
        "schema": [schema],
        "model": [model_artifact(folder / "candidate", "1", candidate)],
        "baseline_model": [model_artifact(folder / "baseline", "7" if baseline else "", baseline)],
    }
    if floors:
        floor = standard_artifacts.ModelEvaluation()
        floor.uri = str(folder / "floor")
        (folder / "floor").mkdir()
        content = {"floors": [dataclasses.asdict(one) for one in floors], "details": {}}
        (folder / "floor" / FLOOR_FILE).write_text(json.dumps(content))
        inputs["floor"] = [floor]
    properties = {
        "eval_config": proto_utils.proto_to_json(to_eval_config(judging)),
        "example_splits": '["test"]',
        "fairness_indicator_thresholds": "null",
        "rule": to_json(judging.rule),
        "figures": json.dumps([figure.name for figure in judging.figures]),
    }
    context = BaseBeamExecutor.Context(beam_pipeline_args=BeamSettings().pipeline_args, tmp_dir=str(folder / "tmp"))
    Executor(context).Do(inputs, outputs, properties)
    (evaluated,), (blessing,) = outputs["evaluation"], outputs["blessing"]
    evaluation = read_evaluation(evaluated.uri)
    assert bool(blessing.get_int_custom_property("blessed")) == evaluation.blessed == (not evaluation.reasons)
    assert (folder / "blessing" / ("BLESSED" if evaluation.blessed else "NOT_BLESSED")).exists()
    assert json.loads(blessing.get_string_custom_property(REASONS_PROPERTY)) == evaluation.reasons
    noted = json.loads(evaluated.get_string_custom_property(METRICS_PROPERTY))
    assert list(noted) == list(evaluation.metrics)
    assert evaluation.floors == list(floors)
    return evaluation


def test_a_good_model_is_blessed_and_its_slices_add_up(tmp_path, examples, schema, saved_model):
    evaluation = evaluate(tmp_path, examples, schema, lambda path: copy_folder(saved_model, path), exact_match=0.99)
    assert evaluation.blessed
    assert evaluation.reasons == []
    assert evaluation.baseline is None
    assert evaluation.metrics["exact_match"] == 1.0
    assert evaluation.metrics["character_accuracy"] == 1.0
    assert evaluation.metrics["log_prob_low"] < evaluation.metrics["log_prob"] < evaluation.metrics["log_prob_high"] < 0
    assert (evaluation.metrics["exact_match_low"], evaluation.metrics["exact_match_high"]) == pytest.approx(
        wilson_interval(81, 81)
    )
    assert list(evaluation.metrics) == [
        name + behind
        for name in ("exact_match", "error_rate", "character_accuracy", "log_prob")
        for behind in ("", "_low", "_high")
    ]
    counts = {(s.feature, s.value): s.examples for s in evaluation.slices}
    carried = int((PAIRS.sum(axis=1) > 9).sum())
    assert evaluation.mistakes["worst"] == []
    assert all(right == predicted for _, right, predicted, _ in evaluation.mistakes["confusion"])
    assert counts == {("", ""): 81, ("digits", "1+1"): 81, ("carries", "0"): 81 - carried, ("carries", "1"): carried}


def test_a_bad_model_is_refused_and_what_it_got_wrong_is_counted(tmp_path, examples, schema):
    # With a baseline, whose own mistakes must not be among them.
    evaluation = evaluate(tmp_path, examples, schema, constant("10"), baseline=constant("9"), exact_match=0.5)
    share = (PAIRS.sum(axis=1) == 10).mean()
    assert evaluation.metrics["exact_match"] == pytest.approx(share)
    assert evaluation.baseline["exact_match"] == pytest.approx(8 / 81)
    bound, change = evaluation.checks
    assert bound == Check(
        "bound", "exact_match", "gate.exact_match", 0.5, True, evaluation.metrics["exact_match"], False
    )
    assert (change.kind, change.bound, change.passed) == ("change", -0.005, True)
    assert change.value == pytest.approx(1 / 81)
    assert change.note.startswith("the difference is within the noise of 0.0")
    assert evaluation.reasons == [
        f"exact_match on all test examples is {share:.4f}; at least 0.5000 is needed (gate.exact_match)"
    ]
    wrong = {f"{a}+{b}": str(a + b) for a, b in PAIRS if a + b != 10}
    worst = evaluation.mistakes["worst"]
    # All have one probability, and then the order of the expressions decides.
    assert [mistake["expression"] for mistake in worst] == sorted(wrong)[:20]
    assert {(m["text"], m["log_prob"]) for m in worst} == {("10", -1.0)}
    assert all(wrong[mistake["expression"]] == mistake["answer"] for mistake in worst)
    counts = {(position, right, said): count for position, right, said, count in evaluation.mistakes["confusion"]}
    answers = [str(answer) for answer in PAIRS.sum(axis=1)]
    assert counts[1, "", "1"] == sum(len(answer) == 1 for answer in answers)
    assert counts[1, "1", "1"] == sum(len(answer) == 2 for answer in answers)
    assert counts[0, "7", "0"] == sum(answer[-1] == "7" for answer in answers)
    assert sum(counts.values()) == 2 * len(PAIRS)


def test_confusions_stay_within_their_bound():
    rare = Counter({(0, str(number), "x"): 1 for number in range(mistakes._COUNTED)})
    kept = mistakes._bounded(rare + Counter({(0, "a", "b"): 5, (1, "c", "d"): 1}))
    assert len(kept) == mistakes._COUNTED // 2
    assert kept[0, "a", "b"] == 5


def test_what_cannot_be_said_is_counted_and_listed(tmp_path, examples, schema):
    module = Constant("10", ("exact_match", "character_accuracy", "log_prob", "edits", "reference_tokens"))
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["3", "7", "9"], ["51", "55", "57-769 55"]), ""
    )
    module.table = table

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def lacking(serialized):
        parsed = tf.io.parse_example(serialized, {"answer": tf.io.FixedLenFeature([], tf.string)})
        return module.evaluate(serialized) | {"unsayable": table.lookup(parsed["answer"])}

    evaluation = evaluate(
        tmp_path,
        examples,
        schema,
        lambda path: tf.saved_model.save(module, path, signatures={"evaluate": lacking}),
        baseline=constant("9"),
    )
    # 3 is the answer to two of the sums, 7 to six, and 9 to eight.
    assert evaluation.mistakes["unsayable"] == {
        "examples": 16,
        "occurrences": 24,
        "different": 3,
        "tokens": [["7", 14], ["9\u0301", 8], ["3", 2]],
    }


def test_a_baseline_that_cannot_write_the_answers_is_wrong_in_every_character(tmp_path, schema, saved_model):
    # Sums with their answers in Arabic-Indic digits, of which the baseline's vocabulary has none.
    digits = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    rows = [(f"{a}+{b}", str(a + b).translate(digits)) for a, b in PAIRS]
    columns = {
        "expression": [[expression.encode()] for expression, _ in rows],
        "answer": [[answer.encode()] for _, answer in rows],
        "digits": [[b"1+1"]] * len(rows),
        "carries": [[0]] * len(rows),
    }
    examples = examples_artifact(tmp_path / "examples", pa.RecordBatch.from_pydict(columns), [TEST] * len(rows))
    served = functools.partial(copy_folder, saved_model)
    evaluation = evaluate(tmp_path, examples, schema, served, baseline=served)
    for metrics in (evaluation.baseline, evaluation.metrics):
        assert (metrics["exact_match"], metrics["error_rate"]) == (0.0, 1.0)
        # The padding before answers of one digit is all that is right.
        assert metrics["character_accuracy"] == pytest.approx(np.mean([len(answer) == 1 for _, answer in rows]) / 2)
        assert metrics["log_prob"] < math.log(2.0**-126)
    assert evaluation.mistakes["unsayable"]["examples"] == len(rows)
    assert {token for token, _ in evaluation.mistakes["unsayable"]["tokens"]} == set("٠١٢٣٤٥٦٧٨٩")


def test_a_version_that_was_served_before_a_figure_was_there_is_no_bound(tmp_path, examples, schema):
    old = constant("9", judged=("character_accuracy",))
    evaluation = evaluate(tmp_path, examples, schema, constant("10"), baseline=old)
    assert evaluation.blessed
    assert evaluation.baseline["character_accuracy"] == pytest.approx(8 / 81)
    assert "exact_match" not in evaluation.baseline
    assert [(c.kind, c.passed, c.note) for c in evaluation.checks] == [
        ("change", None, "the version being served has no such figure")
    ]


@pytest.fixture(scope="module")
def text_examples(tmp_path_factory):
    columns = {"context": [[b""], [b"abcd"], [b""]], "text": [[b"abcd"], [b"ef"], [b"ghi"]]}
    batch = pa.RecordBatch.from_pydict(columns | {"position": [[0], [4], [9]]})
    return examples_artifact(tmp_path_factory.mktemp("text examples"), batch, [TEST, TEST, VALIDATION])


@pytest.fixture(scope="module")
def text_schema(tmp_path_factory):
    return schema_artifact(tmp_path_factory.mktemp("text schema"), "text")


class Bits(tf.Module):
    """A language model that needs so many bits for each character of the first window and twice as many in the second."""

    def __init__(self, bits):
        super().__init__()
        self._bits = bits

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def evaluate(self, examples):
        spec = {"text": tf.io.FixedLenFeature([], tf.string), "position": tf.io.FixedLenFeature([], tf.int64)}
        parsed = tf.io.parse_example(examples, spec)
        characters = tf.cast(tf.strings.length(parsed["text"]), tf.float32)
        bits = tf.where(parsed["position"] > 0, 2 * self._bits, self._bits)
        return {"log_prob": -np.log(2).astype(np.float32) * bits * characters, "characters": characters}


def bits(number):
    module = Bits(number)
    return lambda path: tf.saved_model.save(module, path, signatures={"evaluate": module.evaluate})


def judge_text(folder, examples, schema, candidate, baseline=None, floors=(), **gate):
    config = dataclasses.replace(load_task("text"), gate=TextGateSettings(**gate))
    return judge(folder, examples, schema, candidate, baseline, config, floors)


def ngram(number):
    return Floor("the 5-gram model", {"bits_per_character": number, "nats_per_character": number * np.log(2)})


def test_bits_per_character_count_every_character_once(tmp_path, text_examples, text_schema):
    evaluation = judge_text(
        tmp_path, text_examples, text_schema, bits(1.5), floors=[ngram(2.1)], bits_per_character=2.1
    )
    assert evaluation.blessed
    assert [(c.kind, c.passed) for c in evaluation.checks] == [("bound", True), ("change", None), ("floor", True)]
    expected = (4 * 1.5 + 2 * 3.0) / 6
    metrics = evaluation.metrics
    assert metrics["bits_per_character"] == pytest.approx(expected)
    assert metrics["nats_per_character"] == pytest.approx(expected * np.log(2))
    assert metrics["perplexity"] == pytest.approx(2**expected)
    # One of two windows lies 2 bits below their mean, and the other 2 above: half the interval is 1.96 sqrt(2² + 2²) / 6.
    half = 1.959964 * np.sqrt(8) / 6
    for name, convert in (
        ("bits_per_character", lambda x: x),
        ("nats_per_character", lambda x: x * np.log(2)),
        ("perplexity", lambda x: 2**x),
    ):
        assert metrics[f"{name}_low"] == pytest.approx(convert(expected - half))
        assert metrics[f"{name}_high"] == pytest.approx(convert(expected + half))


def test_a_language_model_is_refused_for_its_bits_for_what_is_served_and_for_the_floor(
    tmp_path, text_examples, text_schema
):
    evaluation = judge_text(
        tmp_path,
        text_examples,
        text_schema,
        bits(1.5),
        bits(1.35),
        [ngram(1.95)],
        bits_per_character=1.9,
        largest_rise=0.1,
    )
    assert evaluation.baseline["bits_per_character"] == pytest.approx(1.8)
    bound, change, floor = evaluation.reasons
    assert bound == (
        "bits_per_character on all test examples is 2.0000; at most 1.9000 is needed (gate.bits_per_character)"
    )
    assert change.startswith(
        "bits_per_character on all test examples lies 0.2000 above that of the version being served; at most 0.1000 is "
        "allowed (gate.largest_rise); the difference is within the noise of "
    )
    assert floor == (
        "bits_per_character on all test examples is 2.0000, and the 5-gram model has 1.9500; a model must be below that "
        "(gate.beat_floor)"
    )


def test_a_model_that_has_diverged_is_refused_though_no_bound_is_asked_for(tmp_path, text_examples, text_schema):
    evaluation = judge_text(tmp_path, text_examples, text_schema, bits(np.nan), beat_floor=False)
    assert evaluation.reasons == ["bits_per_character on all test examples could not be computed"]

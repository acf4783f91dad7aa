"""The gate: what is averaged, what is refused, and that the refusal says why."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts
from tfx.utils import path_utils, proto_utils

from components.baseline.component import VERSION_PROPERTY
from components.evaluator import mistakes
from components.evaluator.component import REASONS_PROPERTY, Executor
from components.evaluator.gate import to_eval_config
from components.evaluator.metrics import MeanOutput
from components.evaluator.results import Check, read_evaluation
from components.evaluator.settings import GateSettings, TextGateSettings
from components.example_gen.shards import write_shard
from components.example_gen.sums import to_record_batch
from components.files import copy_folder
from components.settings import SettingsError
from pipeline.beam.settings import BeamSettings

# The model knows one-digit sums; of two-digit answers it gets these wrong, for it reads three characters.
PAIRS = np.array([[a, b] for a in range(1, 10) for b in range(1, 10)])


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    artifact = standard_artifacts.Examples()
    artifact.uri = str(tmp_path_factory.mktemp("examples"))
    artifact.split_names = '["train", "eval"]'
    batch = to_record_batch(PAIRS)
    write_shard([(batch, np.ones(len(PAIRS), bool))], artifact.uri, 0, 1)
    return artifact


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    artifact = standard_artifacts.Schema()
    artifact.uri = str(tmp_path_factory.mktemp("schema"))
    tf.io.gfile.copy("components/schema/sums/schema.pbtxt", artifact.uri + "/schema.pbtxt")
    return artifact


class Constant(tf.Module):
    """A model that answers every expression with one answer."""

    def __init__(self, answer):
        super().__init__()
        self._answer = answer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def evaluate(self, examples):
        parsed = tf.io.parse_example(examples, {"answer": tf.io.FixedLenFeature([], tf.string)})
        right = tf.cast(parsed["answer"] == self._answer, tf.float32)
        text = tf.fill(tf.shape(examples), self._answer)
        return {"text": text, "exact_match": right, "character_accuracy": right, "log_prob": right - 1}


def model_artifact(folder, version, save):
    artifact = standard_artifacts.Model()
    artifact.uri = str(folder)
    if version:
        save(path_utils.serving_model_dir(artifact.uri))
    artifact.set_string_custom_property(VERSION_PROPERTY, version)
    return artifact


def constant(answer):
    module = Constant(answer)
    return lambda path: tf.saved_model.save(module, path, signatures={"evaluate": module.evaluate})


def evaluate(folder, examples, schema, candidate, baseline=None, **gate):
    return judge(folder, examples, schema, candidate, baseline, GateSettings(slices=("digits", "carries"), **gate))


def judge(folder, examples, schema, candidate, baseline, gate):
    outputs = {"evaluation": [standard_artifacts.ModelEvaluation()], "blessing": [standard_artifacts.ModelBlessing()]}
    for name, (artifact,) in outputs.items():
        artifact.uri = str(folder / name)
    inputs = {
        "examples": [examples],
        "schema": [schema],
        "model": [model_artifact(folder / "candidate", "1", candidate)],
        "baseline_model": [model_artifact(folder / "baseline", "7" if baseline else "", baseline)],
    }
    config = proto_utils.proto_to_json(to_eval_config(gate))
    properties = {"eval_config": config, "example_splits": "null", "fairness_indicator_thresholds": "null"}
    context = BaseBeamExecutor.Context(beam_pipeline_args=BeamSettings().pipeline_args, tmp_dir=str(folder / "tmp"))
    Executor(context).Do(inputs, outputs, properties)
    blessing = outputs["blessing"][0]
    evaluation = read_evaluation(outputs["evaluation"][0].uri)
    assert bool(blessing.get_int_custom_property("blessed")) == evaluation.blessed
    assert json.loads(blessing.get_string_custom_property(REASONS_PROPERTY)) == evaluation.reasons
    return evaluation


def test_a_good_model_is_blessed_and_its_slices_add_up(tmp_path, examples, schema, saved_model):
    evaluation = evaluate(tmp_path, examples, schema, lambda path: copy_folder(saved_model, path), exact_match=0.99)
    assert evaluation.blessed
    assert evaluation.reasons == []
    assert evaluation.baseline is None
    assert evaluation.metrics["exact_match"] == 1.0
    assert evaluation.metrics["character_accuracy"] == 1.0
    assert evaluation.metrics["log_prob"] < 0
    counts = {(s.feature, s.value): s.examples for s in evaluation.slices}
    carried = int((PAIRS.sum(axis=1) > 9).sum())
    assert evaluation.mistakes["worst"] == []
    assert all(right == predicted for _, right, predicted, _ in evaluation.mistakes["confusion"])
    assert counts == {("", ""): 81, ("digits", "1+1"): 81, ("carries", "0"): 81 - carried, ("carries", "1"): carried}


def test_a_bad_model_is_refused_with_the_figure_and_the_bound(tmp_path, examples, schema):
    evaluation = evaluate(tmp_path, examples, schema, constant("10"), exact_match=0.5)
    assert not evaluation.blessed
    share = (PAIRS.sum(axis=1) == 10).mean()
    assert evaluation.checks == [
        Check("exact_match", "gate.exact_match", False, 0.5, True, evaluation.metrics["exact_match"], False),
        Check("exact_match", "gate.largest_drop", True, -0.005, True, None, None),
    ]
    assert evaluation.metrics["exact_match"] == pytest.approx(share)
    assert evaluation.reasons == [
        f"exact_match on all unseen examples is {share:.4f}; at least 0.5000 is needed (gate.exact_match)"
    ]


def test_the_worst_mistakes_and_the_characters_taken_for_others_are_counted(tmp_path, examples, schema):
    # With a baseline, whose own mistakes must not be among them.
    evaluation = evaluate(tmp_path, examples, schema, constant("10"), baseline=constant("9"), exact_match=0.5)
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
    rare = Counter({(0, str(number), "x"): 1 for number in range(mistakes._CONFUSIONS)})
    kept = mistakes._bounded(rare + Counter({(0, "a", "b"): 5, (1, "c", "d"): 1}))
    assert len(kept) == mistakes._CONFUSIONS // 2
    assert kept[0, "a", "b"] == 5


def test_a_model_worse_than_the_one_being_served_is_refused(tmp_path, examples, schema):
    evaluation = evaluate(
        tmp_path, examples, schema, constant("9"), baseline=constant("10"), exact_match=0.01, largest_drop=0.005
    )
    assert not evaluation.blessed
    assert evaluation.baseline["exact_match"] == pytest.approx(9 / 81)
    drop = 1 / 81
    assert [check.passed for check in evaluation.checks] == [True, False]
    assert evaluation.checks[1].value == pytest.approx(-drop)
    assert evaluation.reasons == [
        f"exact_match on all unseen examples lies {drop:.4f} below that of the version being served; "
        "at most 0.0050 is allowed (gate.largest_drop)"
    ]


def test_a_model_as_good_as_the_one_being_served_is_blessed(tmp_path, examples, schema):
    evaluation = evaluate(
        tmp_path, examples, schema, constant("10"), baseline=constant("10"), exact_match=0.01, largest_drop=0.0
    )
    assert evaluation.blessed


@pytest.fixture(scope="module")
def text_examples(tmp_path_factory):
    artifact = standard_artifacts.Examples()
    artifact.uri = str(tmp_path_factory.mktemp("text examples"))
    artifact.split_names = '["train", "eval"]'
    columns = {"context": [[b""], [b"abcd"]], "text": [[b"abcd"], [b"ef"]], "position": [[0], [4]]}
    batch = pa.RecordBatch.from_pydict(columns)
    write_shard([(batch, np.ones(2, bool))], artifact.uri, 0, 1)
    return artifact


@pytest.fixture(scope="module")
def text_schema(tmp_path_factory):
    artifact = standard_artifacts.Schema()
    artifact.uri = str(tmp_path_factory.mktemp("text schema"))
    tf.io.gfile.copy("components/schema/text/schema.pbtxt", artifact.uri + "/schema.pbtxt")
    return artifact


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


def test_bits_per_character_count_every_character_once(tmp_path, text_examples, text_schema):
    gate = TextGateSettings(bits_per_character=2.1)
    evaluation = judge(tmp_path, text_examples, text_schema, bits(1.5), None, gate)
    assert evaluation.blessed
    expected = (4 * 1.5 + 2 * 3.0) / 6
    assert evaluation.metrics["bits_per_character"] == pytest.approx(expected)
    assert evaluation.metrics["nats_per_character"] == pytest.approx(expected * np.log(2))
    assert evaluation.metrics["perplexity"] == pytest.approx(2**expected)


def test_a_language_model_that_needs_too_many_bits_is_refused(tmp_path, text_examples, text_schema):
    gate = TextGateSettings(bits_per_character=1.9)
    evaluation = judge(tmp_path, text_examples, text_schema, bits(1.5), None, gate)
    assert evaluation.reasons == [
        "bits_per_character on all unseen examples is 2.0000; at most 1.9000 is needed (gate.bits_per_character)"
    ]


def test_a_language_model_worse_than_the_one_being_served_is_refused(tmp_path, text_examples, text_schema):
    gate = TextGateSettings(bits_per_character=9.0, largest_rise=0.1)
    evaluation = judge(tmp_path, text_examples, text_schema, bits(1.5), bits(1.35), gate)
    assert evaluation.baseline["bits_per_character"] == pytest.approx(1.8)
    assert evaluation.reasons == [
        "bits_per_character on all unseen examples lies 0.2000 above that of the version being served; "
        "at most 0.1000 is allowed (gate.largest_rise)"
    ]


def test_settings_that_cannot_be_are_named():
    with pytest.raises(SettingsError, match=r"gate\.bits_per_character is 0"):
        TextGateSettings(bits_per_character=0)
    with pytest.raises(SettingsError, match=r"gate\.largest_rise is -1"):
        TextGateSettings(largest_rise=-1)
    with pytest.raises(SettingsError, match=r"gate\.exact_match is 1\.5"):
        GateSettings(exact_match=1.5)
    with pytest.raises(SettingsError, match=r"gate\.largest_drop is -1"):
        GateSettings(largest_drop=-1)


def test_a_metric_of_an_output_that_the_model_does_not_give_is_an_error_and_not_zero():
    sums, mean = MeanOutput("exact_match").computations()
    (key,) = sums.keys
    with pytest.raises(KeyError, match="exact_match"):
        mean.result({key: sums.combiner.extract_output({"": 3, "log_prob": -1.0})[key]})

"""The gate: what is averaged, what is refused, and that the refusal says why."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts
from tfx.utils import path_utils, proto_utils

from components.baseline.component import VERSION_PROPERTY
from components.evaluator.component import REASONS_PROPERTY, Executor
from components.evaluator.gate import to_eval_config
from components.evaluator.results import read_evaluation
from components.evaluator.settings import GateSettings
from components.example_gen.shards import write_shard
from components.example_gen.sums import to_record_batch
from components.files import copy_folder
from components.settings import SettingsError
from pipeline.config import BeamSettings

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
    outputs = {"evaluation": [standard_artifacts.ModelEvaluation()], "blessing": [standard_artifacts.ModelBlessing()]}
    for name, (artifact,) in outputs.items():
        artifact.uri = str(folder / name)
    inputs = {
        "examples": [examples],
        "schema": [schema],
        "model": [model_artifact(folder / "candidate", "1", candidate)],
        "baseline_model": [model_artifact(folder / "baseline", "7" if baseline else "", baseline)],
    }
    config = proto_utils.proto_to_json(to_eval_config(GateSettings(slices=("digits", "carries"), **gate)))
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
    assert counts == {("", ""): 81, ("digits", "1+1"): 81, ("carries", "0"): 81 - carried, ("carries", "1"): carried}


def test_a_bad_model_is_refused_with_the_figure_and_the_bound(tmp_path, examples, schema):
    evaluation = evaluate(tmp_path, examples, schema, constant("10"), exact_match=0.5)
    assert not evaluation.blessed
    share = (PAIRS.sum(axis=1) == 10).mean()
    assert evaluation.metrics["exact_match"] == pytest.approx(share)
    assert evaluation.reasons == [
        f"exact_match on all unseen examples is {share:.4f}; at least 0.5000 is needed (gate.exact_match)"
    ]


def test_a_model_worse_than_the_one_being_served_is_refused(tmp_path, examples, schema):
    evaluation = evaluate(
        tmp_path, examples, schema, constant("9"), baseline=constant("10"), exact_match=0.01, largest_drop=0.005
    )
    assert not evaluation.blessed
    assert evaluation.baseline["exact_match"] == pytest.approx(9 / 81)
    drop = 1 / 81
    assert evaluation.reasons == [
        f"exact_match on all unseen examples lies {drop:.4f} below that of the version being served; "
        "at most 0.0050 is allowed (gate.largest_drop)"
    ]


def test_a_model_as_good_as_the_one_being_served_is_blessed(tmp_path, examples, schema):
    evaluation = evaluate(
        tmp_path, examples, schema, constant("10"), baseline=constant("10"), exact_match=0.01, largest_drop=0.0
    )
    assert evaluation.blessed


def test_settings_that_cannot_be_are_named():
    with pytest.raises(SettingsError, match=r"gate\.exact_match is 1\.5"):
        GateSettings(exact_match=1.5)
    with pytest.raises(SettingsError, match=r"gate\.largest_drop is -1"):
        GateSettings(largest_drop=-1)

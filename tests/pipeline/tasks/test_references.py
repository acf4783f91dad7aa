"""What the references reach, and ours beside them in the same hour: minutes of training."""

import random
from statistics import median

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from scipy.stats import mannwhitneyu

from benchmarks.peers.notebooks import one_hot, sums_model
from charseq_client import Client
from components.trainer.fixed_length.input_pipeline import read_tokens
from components.transform.preprocessing import read_vocabulary
from tests.pipeline.conftest import serving

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(3_600)]

PAIRS = [(a, b) for a in range(1, 100) for b in range(1, 100)]
# Reference 2 ends at whatever point of its ups and downs it has come to, for its learning rate does not fall: one training of
# it, of the notebook as of ours, shows little.
SEEDS = {"sums": (17,), "sums-lstm": (17, 18, 19, 20, 21), "sums-simple-rnn": (17,)}


@pytest.fixture(scope="module")
def results(charseq, place):
    """From a task to the results of its runs, each in a root of its own: no gate holds one against another."""

    def run(task, seed):
        root = place / f"seed {seed}"
        # One of several trainings that the task's own gate refuses counts as well.
        gate = ("--set", "gate.exact_match=0.1") if len(SEEDS[task]) > 1 else ()
        result = charseq("run", task, "--json", "--root", root, "--set", f"train.seed={seed}", *gate)
        assert result.status == 0, result.stderr
        return {**result.json["metrics"], "root": root}

    return {task: [run(task, seed) for seed in seeds] for task, seeds in SEEDS.items()}


def test_ours_is_right_on_999_of_1000_unseen_sums_in_less_time_than_the_reference_takes(results):
    (ours,) = results["sums"]
    assert ours["exact_match"] >= 0.999
    assert ours["examples"] >= 4_800, "so at most 5,000 of the 10,000 were trained on"
    assert ours["train_seconds"] < min(reference["train_seconds"] for reference in results["sums-lstm"])
    assert all(reference["epochs"] == 200 for reference in results["sums-lstm"])


@pytest.fixture(scope="module")
def shares(results):
    """From a task to the shares of all sums of 1 to 99 that its pushed models have right, asked over gRPC."""

    def ask(task, result):
        with serving(result["root"] / "serving") as address, Client(address, timeout=120) as client:
            answers = client.predict({"text": [f"{a}+{b}" for a, b in PAIRS]}, model=task).strings("text")
        right = sum(answer == str(a + b) for answer, (a, b) in zip(answers, PAIRS, strict=True))
        print(f"{task}: {right:,} of {len(PAIRS):,}, {result['train_seconds']:.1f} s of training")
        return right / len(PAIRS)

    return {task: [ask(task, result) for result in of_task] for task, of_task in results.items()}


@pytest.mark.parametrize(("task", "least"), [("sums", 0.999), ("sums-lstm", 0.97), ("sums-simple-rnn", 0.90)])
def test_of_all_sums_of_1_to_99_so_many_are_right(shares, task, least):
    assert median(shares[task]) >= least


def test_reference_2_has_no_fewer_right_than_its_notebook_on_the_same_examples(results, shares):
    ours = shares["sums-lstm"]
    theirs = notebook_shares(results["sums-lstm"][0]["root"] / "artifacts" / "sums-lstm" / "Transform")
    print("ours", np.sort(ours).round(4), "the notebook", np.sort(theirs).round(4))
    assert mannwhitneyu(ours, theirs, alternative="less").pvalue > 0.01


def notebook_shares(transform_dir):
    """The same shares of the notebook's model.fit, as often, each with other weights and another order."""
    (examples,), (graph,) = ((transform_dir / name).iterdir() for name in ("transformed_examples", "transform_graph"))
    transform_output = tft.TFTransformOutput(str(graph))
    vocabulary = read_vocabulary(transform_output)
    arrays = read_tokens([str(examples / "Split-train" / "*")], transform_output, len(vocabulary))
    questions, answers = (one_hot(tokens, len(vocabulary)) for tokens in (arrays.tokens, arrays.targets))
    layer = transform_output.transform_features_layer()
    columns = {"expression": [f"{a}+{b}" for a, b in PAIRS], "answer": [str(a + b) for a, b in PAIRS]}
    indexed = layer({name: tf.constant(column)[:, tf.newaxis] for name, column in columns.items()})
    shares = []
    for seed in SEEDS["sums-lstm"]:
        random.seed(seed)  # which Keras's initializers draw their seeds from
        model = sums_model(questions.shape[1], answers.shape[1], len(vocabulary))
        model.fit(questions, answers, 128, epochs=200, verbose=0)
        best = model.predict(one_hot(indexed["tokens"].numpy(), len(vocabulary)), 4_096, verbose=0).argmax(-1)
        shares.append(float((best == indexed["targets"].numpy()).all(1).mean()))
    return shares

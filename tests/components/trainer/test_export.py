"""The SavedModel, run as TensorFlow Serving runs it: in a session, through its signatures."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cleaning.settings import Cleaning
from components.example_gen.sums import to_record_batch
from components.trainer.fixed_length.export import Seq2SeqModel
from components.transform.preprocessing import read_vocabulary
from tests.components.conftest import LENGTHS
from tests.components.session import Session

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def served(saved_model):
    return Session(saved_model)


def test_strings_in_strings_out(served):
    answers = served("serving_default", text=["1+2", "9+9", "0+0"])
    assert answers["text"].tolist() == [b"3", b"18", b"0"]
    assert answers["log_prob"].dtype == np.float32
    assert (answers["log_prob"] < 0).all()


def test_log_prob_is_that_of_the_models_own_softmax(served, trained, transform_output):
    vocabulary = read_vocabulary(transform_output)
    tokens = np.array([[vocabulary.index(c) for c in "7+8"]], np.int32)
    probabilities = tf.nn.softmax(trained(tokens))[0].numpy()
    expected = np.log(probabilities.max(axis=-1)).sum()
    assert served("serving_default", text=["7+8"])["log_prob"] == pytest.approx([expected], abs=1e-5)


def test_the_score_of_the_own_answer_is_its_log_prob_and_no_other_scores_higher(served):
    texts = ["1+2", "9+9"]
    own = served("serving_default", text=texts)
    scored = served("score", text=texts, target=own["text"])
    assert scored["log_prob"] == pytest.approx(own["log_prob"], abs=1e-5)
    assert scored["characters"].tolist() == [1, 2]
    assert (served("score", text=texts, target=["7", "7"])["log_prob"] < own["log_prob"]).all()


def test_the_score_of_an_answer_is_that_of_its_characters_and_the_padding_before_them(
    served, trained, transform_output
):
    vocabulary = read_vocabulary(transform_output)
    scored = served("score", text=["1+2", "9+9"], target=["3", "14"])
    assert scored["character_log_prob"].sum(axis=1) == pytest.approx(scored["log_prob"], abs=1e-5)
    tokens = np.array([[vocabulary.index(c) for c in text] for text in ("1+2", "9+9")], np.int32)
    probabilities = tf.nn.softmax(trained(tokens)).numpy()
    targets = [[0, vocabulary.index("3")], [vocabulary.index("1"), vocabulary.index("4")]]
    expected = [[probabilities[row, place, target] for place, target in enumerate(targets[row])] for row in range(2)]
    assert np.exp(scored["character_log_prob"]) == pytest.approx(np.array(expected), abs=1e-5)


def test_without_strings_the_answers_are_the_same(served, transform_output):
    vocabulary = read_vocabulary(transform_output)
    texts = ["1+2", "9+9", "7"]
    tokens = np.array([[0] * (3 - len(t)) + [vocabulary.index(c) for c in t] for t in texts], np.int32)
    log_probabilities = served("numeric", tokens=tokens)["log_probabilities"]
    answers = ["".join(vocabulary[i] for i in row) for row in log_probabilities.argmax(axis=-1)]
    asked = served("serving_default", text=texts)
    assert answers == [text.decode() for text in asked["text"]]
    assert log_probabilities.max(axis=-1).sum(axis=1) == pytest.approx(asked["log_prob"], abs=1e-5)


def test_probabilities_of_all_answers_sum_to_one(served):
    characters = ["", *"+0123456789"]
    answers = characters[1:] + [a + b for a in characters[1:] for b in characters[1:]]
    scores = served("score", text=["4+4"] * len(answers), target=answers)["log_prob"]
    # Answers with padding inside or that are empty cannot be asked for; they are all but impossible.
    assert np.exp(scores).sum() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", r"text\[1\] is empty: send at least one character"),
        (b"1+22", r"text\[1\] has 4 characters: this model reads at most 3"),
        (b"1" * 10_000, r"text\[1\] has 10000 characters"),
        (b"1a2", r"text\[1\]: character `a` \(U\+0061\) at position 2 is unknown: this model knows `\+0123456789`"),
        ("1+２".encode(), r"text\[1\]: character `２` \(U\+FF12\) at position 3 is unknown"),
        (b" 1", r"text\[1\]: character U\+0020 SPACE at position 1 is unknown"),
        (b"1\xff", r"text\[1\]: what stands at character 2 is not UTF-8"),
    ],
)
def test_what_the_model_does_not_know_is_refused_by_name_and_position(served, text, said):
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        served("serving_default", text=["1+2", text])
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        served("score", text=["1+2", text], target=["3", "3"])


def test_inputs_and_targets_are_cleaned_as_the_examples_were(trained, transform_output, served, tmp_path):
    cleaning = Cleaning(byte_order_mark=True, nfc=True)
    Seq2SeqModel(trained, transform_output, *LENGTHS.values(), cleaning).save(str(tmp_path))
    cleans = Session(str(tmp_path))
    assert cleans("serving_default", text=["\ufeff1+2"])["text"].tolist() == [b"3"]
    scored = cleans("score", text=["\ufeff1+2"], target=["\ufeff3"])
    assert scored["log_prob"] == pytest.approx(served("score", text=["1+2"], target=["3"])["log_prob"])
    assert scored["characters"].tolist() == [1]
    said = r"text\[0\] \(after cleaning: .*NFC\): character `é` \(U\+00E9\) at position 2"
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        cleans("serving_default", text=["1e\u0301"])


def test_a_target_that_the_model_cannot_write_is_refused(served):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"target\[0\]: character `x` \(U\+0078\) at position 1"):
        served("score", text=["1+2"], target=["x"])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"target\[0\] has 3 characters: this model reads at most 2"
    ):
        served("score", text=["1+2"], target=["123"])


@settings(max_examples=200, deadline=None)
@given(text=st.binary(max_size=8))
def test_any_bytes_are_answered_or_refused(served, text):
    readable = 1 <= len(text) <= 3 and set(text) <= set(b"+0123456789")
    if readable:
        assert len(served("serving_default", text=[text])["text"]) == 1
    else:
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"text\[0\]"):
            served("serving_default", text=[text])


def test_an_empty_batch_is_answered_with_none(served):
    assert served("serving_default", text=np.array([], object))["text"].tolist() == []


def test_evaluate_judges_whole_answers(served):
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    examples = RecordBatchToExamplesEncoder().encode(to_record_batch(np.array([[1, 2], [9, 9], [4, 4]])))
    wrong = tf.train.Example.FromString(examples[1])
    wrong.features.feature["answer"].bytes_list.value[0] = b"19"
    judged = served("evaluate", examples=[examples[0], wrong.SerializeToString(), examples[2]])
    assert judged["text"].tolist() == [b"3", b"18", b"8"]
    assert judged["exact_match"].tolist() == [1.0, 0.0, 1.0]
    assert judged["character_accuracy"].tolist() == [1.0, 0.5, 1.0]
    assert (judged["log_prob"] < 0).all()
    assert judged["unsayable"].tolist() == [b""] * 3


def test_what_the_model_cannot_write_of_right_answers_is_given_out(served):
    def example(*answers):
        made = tf.train.Example()
        for name, values in (("expression", ["1+2"]), ("answer", answers[:1]), ("others", answers[1:])):
            made.features.feature[name].bytes_list.value.extend(value.encode() for value in values)
        return made.SerializeToString()

    judged = served("evaluate", examples=[example("3", "drei 3"), example("٣"), example("30000")])
    assert judged["exact_match"].tolist() == [1.0, 0.0, 0.0]
    assert judged["unsayable"].tolist() == [b"100 114 101 105 32", b"1635", b""]

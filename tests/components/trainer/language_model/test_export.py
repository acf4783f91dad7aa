"""The SavedModel of a language model, run as TensorFlow Serving runs it: in a session, through its signatures."""

import itertools

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trainer.language_model.decoding import read
from components.trainer.language_model.streams import Streams, build_stream_model, initial_states
from tests.components.session import Session
from tests.components.trainer.language_model.conftest import SMALL, TEXT, WINDOW

pytestmark = pytest.mark.model

KNOWN = "".join(sorted(set(TEXT)))


@pytest.fixture(scope="module")
def served(saved_model):
    return Session(saved_model)


@pytest.fixture(scope="module")
def served_windows(saved_windows):
    return Session(saved_windows)


def sampling(length=20, temperature=1.0, top_k=0, top_p=1.0, seed=0):
    values = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    return {name: np.atleast_1d(value) for name, value in values.items()}


def write(served, prompts, **how):
    return [text.decode() for text in served("serving_default", prompt=prompts, **sampling(**how))["text"]]


def refusal(served, signature, **inputs):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        served(signature, **inputs)
    return error.value.message


def test_text_has_the_length_asked_for_and_known_characters_only(served):
    texts = write(served, ["the cat", "", "so the"], length=[5, 30, 0], temperature=2.0)
    assert [len(text) for text in texts] == [5, 30, 0]
    assert set("".join(texts)) <= set(KNOWN)


def test_the_same_seed_gives_the_same_text_whatever_is_beside_it_in_the_batch(served):
    (alone,) = write(served, ["the cat"], seed=7)
    beside = write(served, ["so", "the cat", "a rat, said the"], seed=[3, 7, 7], temperature=[0.1, 1.0, 1.5])
    assert beside[1] == alone
    assert write(served, ["the cat"], seed=8) != [alone]


def test_prompts_of_a_batch_may_have_settings_of_their_own(served):
    greedy, sampled = write(served, ["the ", "the "], temperature=[0.0, 1.0], seed=[1, 2], length=40)
    assert [greedy] == write(served, ["the "], temperature=0.0, seed=99, length=40)
    assert [sampled] == write(served, ["the "], temperature=1.0, seed=2, length=40)


@pytest.mark.parametrize("model", ["served", "served_windows"])
@pytest.mark.parametrize("prompt", ["", "the cat sat on the mat"])
def test_a_text_in_chunks_is_the_text_in_one_call(model, prompt, request):
    served = request.getfixturevalue(model)
    (whole,) = write(served, [prompt], length=30, seed=5, temperature=0.8, top_k=6, top_p=0.95)
    state, parts = np.zeros([1, 0], np.float32), []
    for length in (1, 12, 0, 17):
        how = sampling(length=length, seed=5, temperature=0.8, top_k=6, top_p=0.95)
        answer = served("step", prompt=[prompt], state=state, **how)
        parts.append(answer["text"][0].decode())
        prompt, state = "", answer["state"]
    assert "".join(parts) == whole


def test_the_score_is_that_of_a_plain_loop_over_keras(served, trained, tokens, first):
    states = initial_states(trained, 1)
    total = np.log(first[tokens[0]])
    for now, following in itertools.pairwise(tokens[:41]):
        logits, *states = trained([tf.constant([[now]], tf.int32), *states])
        total += tf.nn.log_softmax(logits[0, 0])[following].numpy()
    answer = served("score", text=[TEXT[:41]])
    assert answer["log_prob"] == pytest.approx([total], abs=1e-3)
    assert answer["characters"].tolist() == [41]


def test_a_prediction_from_a_window_reads_no_more_than_the_window(served_windows, trained_windows, tokens):
    def log_prob_of_last(text):
        scores = served_windows("score", text=[text, text[:-1]])["log_prob"]
        return scores[0] - scores[1]

    logits = trained_windows(tokens[np.newaxis, 20 - WINDOW : 20].astype(np.int32))
    expected = tf.nn.log_softmax(logits)[0, tokens[20]].numpy()
    assert log_prob_of_last(TEXT[:21]) == pytest.approx(expected, abs=1e-3)
    assert log_prob_of_last("a" * 20 + TEXT[20 - WINDOW : 21]) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.7, 0, 1.0), (1.0, 4, 1.0), (1.0, 0, 0.9)]
)
@pytest.mark.parametrize("prompt", ["the cat ", ""])
def test_what_is_written_follows_the_distribution_that_the_model_states(served, prompt, temperature, top_k, top_p):
    scores = served("score", text=[prompt + character for character in KNOWN])["log_prob"].astype(np.float64)
    scaled = scores / temperature
    order = np.argsort(-scaled)[: top_k or None]
    probabilities = np.zeros(len(KNOWN))
    probabilities[order] = np.exp(scaled[order]) / np.exp(scaled[order]).sum()
    inside = np.cumsum(probabilities[order]) - probabilities[order] < top_p
    probabilities[order[~inside]] = 0
    probabilities /= probabilities.sum()
    rows = 20_000
    how = sampling(1, temperature, top_k, top_p) | {"seed": np.arange(rows)}
    drawn = [text.decode() for text in served("serving_default", prompt=[prompt] * rows, **how)["text"]]
    counts = np.array([drawn.count(character) for character in KNOWN])
    assert counts.sum() == rows
    assert not counts[probabilities == 0].any()
    # The rarest together, as the test's approximation asks for five expected of each kind.
    often = probabilities * rows >= 5
    observed = [*counts[often], counts[~often].sum()]
    expected = [*probabilities[often] * rows, probabilities[~often].sum() * rows]
    if expected[-1] < 1e-6:
        observed, expected = observed[:-1], expected[:-1]
    if len(observed) > 1:
        assert scipy.stats.chisquare(observed, expected).pvalue > 0.001


def test_evaluation_counts_the_text_alone_given_its_context(served):
    example = tf.train.Example()
    for name, value in (("context", TEXT[:25]), ("text", TEXT[25:60])):
        example.features.feature[name].bytes_list.value.append(value.encode())
    example.features.feature["position"].int64_list.value.append(25)
    answer = served("evaluate", examples=[example.SerializeToString()])
    scores = served("score", text=[TEXT[:60], TEXT[:25]])["log_prob"]
    assert answer["log_prob"] == pytest.approx([scores[0] - scores[1]], abs=1e-3)
    assert answer["characters"].tolist() == [35]
    assert answer["unsayable"].tolist() == [b""]
    example.features.feature["context"].bytes_list.value[0] = "ä".encode()
    example.features.feature["text"].bytes_list.value[0] = f"{TEXT[25:28]}\ufffdé{TEXT[28]}".encode()
    answer = served("evaluate", examples=[example.SerializeToString()])
    assert answer["characters"].tolist() == [6]
    assert answer["unsayable"].tolist() == [b"65533 233"], "the context is not judged"


def test_an_unknown_character_is_named_with_its_place(served):
    message = refusal(served, "serving_default", prompt=["the", "the cät"], **sampling())
    assert "prompt[1]: character `ä` (U+00E4) at position 6 is unknown: this model knows `" in message
    assert "not UTF-8" in refusal(served, "score", text=[b"the \xff"])
    assert "text[0] is empty" in refusal(served, "score", text=[""])
    assert "has 1001 characters: this model reads at most 1000" in refusal(served, "score", text=["t" * 1001])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"length": 1001}, "`length` is 1001: this model writes 0 to 1000 characters"),
        ({"length": -1}, "`length` is -1"),
        ({"temperature": -0.5}, "`temperature` is -0.5"),
        ({"temperature": np.nan}, "`temperature` is"),
        ({"temperature": np.inf}, "`temperature` is"),
        ({"top_k": -3}, "`top_k` is -3"),
        ({"top_p": 0.0}, "`top_p` is 0"),
        ({"top_p": 1.5}, "`top_p` is 1.5"),
        ({"seed": [1, 2, 3]}, "`seed` has 3 values for 2 prompts: send 1, or one for each"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(served, how, message):
    assert message in refusal(served, "serving_default", prompt=["the", "cat"], **sampling(**how))


@pytest.mark.parametrize("shape", [(2, 0), (1, 3), (1, 69 + 10)])
def test_a_state_that_is_not_the_models_is_refused(served, shape):
    message = refusal(served, "step", prompt=["the"], state=np.zeros(shape, np.float32), **sampling())
    assert "`state` has the shape" in message
    assert "[prompts, 69]" in message


@given(st.text(max_size=20))
@settings(max_examples=40, deadline=None)
def test_any_prompt_is_continued_or_refused_with_a_reason(served, prompt):
    if set(prompt) <= set(KNOWN):
        assert [len(text) for text in write(served, [prompt], length=3)] == [3]
    else:
        inputs = {"prompt": [prompt.encode("utf-8", "surrogatepass")], **sampling()}
        assert "prompt[0]" in refusal(served, "serving_default", **inputs)


def test_a_model_of_mixed_precision_says_what_its_keras_model_says(transform_output, first, vocabulary, tokens):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_stream_model(SMALL, len(vocabulary))
        characters = Streams(SMALL).character_model(model, first)
        texts = tokens[np.newaxis, :20].astype(np.int32)
        log_prob, _ = read(characters, characters.initial_state(1), tf.constant(texts), tf.constant([20]))
        logits = tf.nn.log_softmax(model([tf.constant(texts), *initial_states(model, 1)])[0])[0].numpy()
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_allclose(log_prob[0, 1:], logits[np.arange(19), texts[0, 1:]], atol=0.05)

"""The SavedModel of pairs, run as TensorFlow Serving runs it: in a session, through its signatures."""

import numpy as np
import pytest
import tensorflow as tf

from components.cleaning.settings import Cleaning
from components.trainer.judging import IMPOSSIBLE
from components.transform.token_pairs import END, SOURCE_VOCABULARY, TARGET_VOCABULARY, read_vocabulary
from tests.components.trainer.seq2seq.conftest import PAIRS, say, softmax

pytestmark = pytest.mark.model


def test_strings_in_strings_out(served):
    answers = served("serving_default", text=["ceb", "ahca", "dada"])
    assert [text.decode() for text in answers["text"]] == [say("ceb"), say("ahca"), say("dada")]
    assert (answers["log_prob"] < 0).all()


def test_an_answer_is_the_same_whatever_is_asked_with_it(served):
    words = [word for word, _ in PAIRS[::7]]
    together = served("serving_default", text=words)
    alone = [served("serving_default", text=[word]) for word in words]
    assert together["text"].tolist() == [answer["text"][0] for answer in alone]
    assert together["log_prob"] == pytest.approx(np.concatenate([answer["log_prob"] for answer in alone]), abs=1e-5)


@pytest.mark.parametrize(
    ("trained", "beam"), [("trained_pairs", 4), pytest.param("untrained_pairs", 1, marks=pytest.mark.slow)]
)
def test_the_score_of_the_own_answer_is_its_log_prob(serve, trained, beam, request):
    served = serve(request.getfixturevalue(trained), beam=beam)
    words = [word for word, _ in PAIRS[::7]]
    own = served("serving_default", text=words)
    said = [text.decode() for text in own["text"]]
    scored = served("score", text=words, target=said)
    assert scored["log_prob"] == pytest.approx(own["log_prob"], abs=1e-4)
    assert scored["token_log_prob"].sum(axis=1) == pytest.approx(scored["log_prob"], abs=1e-4)
    assert scored["tokens"].tolist() == [len(text.split()) for text in said]


def test_log_prob_is_that_of_the_mean_of_the_networks(served, trained_pairs, pairs_transform):
    vocabulary = read_vocabulary(pairs_transform, TARGET_VOCABULARY)
    source = read_vocabulary(pairs_transform, "source_tokens")
    text = served("serving_default", text=["ceb"])["text"][0].decode()
    targets = [vocabulary.index(token) for token in text.split()] + [2]
    logits = trained_pairs([np.array([[source.index(c) for c in "ceb"] + [2]]), np.array([[1, *targets[:-1]]])])
    probabilities = softmax(logits.numpy())[0].mean(axis=1)
    expected = sum(np.log(probabilities[step, token - 2]) for step, token in enumerate(targets))
    assert served("serving_default", text=["ceb"])["log_prob"] == pytest.approx([expected], abs=1e-4)


def test_no_answer_is_longer_than_the_limit_and_its_probability_is_right(serve, untrained_pairs):
    served = serve(untrained_pairs, target_limit=3)
    words = [word for word, _ in PAIRS[::5]]
    own = served("serving_default", text=words)
    said = [text.decode() for text in own["text"]]
    assert max(len(text.split()) for text in said) == 3
    assert served("score", text=words, target=said)["log_prob"] == pytest.approx(own["log_prob"], abs=1e-4)


def test_attention_says_where_the_model_looked(served):
    answer = served("attention", text=["cebd", "a"])
    assert [text.decode() for text in answer["text"]] == [say("cebd"), say("a")]
    assert [token.decode() for token in answer["source"][1]] == ["a", "", "", "", ""]
    assert [token.decode() for token in answer["target"][0]] == [*say("cebd").split(), ""]
    shares = answer["attention"]
    assert shares.shape == (2, answer["target"].shape[1], 5)
    assert shares.sum(axis=-1) == pytest.approx(np.ones(shares.shape[:2]), abs=1e-5)
    assert shares[1, :, 2:].max() == 0  # nothing is read where there is nothing
    # Each letter of this word is one phone, and is looked at for it.
    assert shares[0, :4].argmax(axis=1).tolist() == pytest.approx([0, 1, 2, 3], abs=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"text\[1\] is empty: send at least one character"),
        ("a" * 21, r"text\[1\] has 21 characters: this model reads at most 20"),
        ("abxé", r"text\[1\]: character `x` \(U\+0078\) at position 3 is unknown: this model knows `abcdeh`"),
        ("ab\u200b", r"text\[1\]: character U\+200B ZERO WIDTH SPACE at position 3 is unknown"),
        (b"ab\xff", r"text\[1\]: what stands at character 3 is not UTF-8: send UTF-8"),
    ],
)
def test_what_the_model_cannot_read_is_refused(served, text, said):
    for signature, inputs in {"serving_default": {}, "nbest": {"n": np.array([2], np.int32)}, "attention": {}}.items():
        with pytest.raises(tf.errors.InvalidArgumentError, match=said):
            served(signature, text=["a", text], **inputs)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("a q", r"target\[0\]: token `q` \(U\+0071\) at position 2 is unknown: this model knows `a aː"),
        ("k\u200b a", r"target\[0\]: token `k\u200b` \(U\+006B, U\+200B ZERO WIDTH SPACE\) at position 1 is unknown"),
        ("a " * 13, r"target\[0\] has 13 tokens: this model reads at most 12"),
        (b"a tb\xff", r"target\[0\]: what stands at character 5 is not UTF-8: send UTF-8"),
    ],
)
def test_a_target_that_the_model_cannot_say_is_refused(served, target, said):
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        served("score", text=["ab"], target=[target])


def test_inputs_and_targets_are_cleaned_as_the_pairs_were(serve, trained_pairs, served):
    cleans = serve(trained_pairs, cleaning=Cleaning(byte_order_mark=True, nfc=True))
    plain = served("score", text=["ceb"], target=[say("ceb")])
    scored = cleans("score", text=["\ufeffceb"], target=["\ufeff" + say("ceb")])
    assert scored["log_prob"] == pytest.approx(plain["log_prob"], abs=1e-5)
    assert [text.decode() for text in cleans("serving_default", text=["\ufeffceb"])["text"]] == [say("ceb")]
    # Its vocabulary has e but no é: what is typed as two characters is one that is unknown, as it was in the examples.
    said = r"text\[0\] \(after cleaning: .*NFC\): character `é` \(U\+00E9\) at position 2 is unknown"
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        cleans("serving_default", text=["ce\u0301b"])


def test_unknown_characters_can_be_replaced_and_are_counted(serve, trained_pairs):
    served = serve(trained_pairs, unknown="replace", cleaning=Cleaning(nfc=True))
    answers = served("serving_default", text=["cxbe\u0301", "ceb"])
    assert answers["unknown"].tolist() == [2, 0]
    assert answers["text"][1].decode() == say("ceb")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"text\[0\] is empty"):
        served("serving_default", text=[""])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"text\[0\]: what stands at character 2 is not UTF-8"):
        served("serving_default", text=[b"c\xff"])


def examples(rows):
    """Serialized examples of inputs and their right answers."""
    serialized = []
    for word, (first, *others) in rows:
        example = tf.train.Example()
        for name, values in (("expression", [word]), ("answer", [first]), ("others", others)):
            example.features.feature[name].bytes_list.value.extend(value.encode() for value in values)
        serialized.append(example.SerializeToString())
    return serialized


def test_without_strings_the_answers_are_the_same(served, pairs_transform):
    source, target = (read_vocabulary(pairs_transform, name) for name in (SOURCE_VOCABULARY, TARGET_VOCABULARY))
    words = ["cebd", "a", "ahca"]
    rows = [[*(source.index(c) for c in word), END] for word in words]
    found = served("numeric", tokens=np.array([row + [0] * (5 - len(row)) for row in rows], np.int32))
    asked = served("serving_default", text=words)
    said = [" ".join(filter(None, (target[index] for index in row))) for row in found["tokens"]]
    assert said == [text.decode() for text in asked["text"]]
    assert found["log_probabilities"].sum(axis=1) == pytest.approx(asked["log_prob"], abs=1e-4)


def test_evaluate_counts_edits_in_tokens(served):
    rows = [
        ("ceb", [say("ceb")]),
        ("ceb", ["tʃ b b d"]),  # one replaced, one inserted
        ("ceb", ["k a", say("ceb"), "b"]),  # one of several is right
        ("ceb", ["k b b d", "tʃ ɛ d"]),  # the nearer counts
        ("ceb", ["tʃ ɛ q"]),  # a token that training does not have
        ("ceb", [say("ceb"), "x\u0301 tʃ q"]),  # it cannot be said, but another answer can
    ]
    judged = served("evaluate", examples=examples(rows))
    assert {text.decode() for text in judged["text"]} == {say("ceb")}
    assert judged["exact_match"].tolist() == [1, 0, 1, 0, 0, 1]
    assert judged["edits"].tolist() == [0, 2, 0, 1, 1, 0]
    assert judged["reference_tokens"].tolist() == [3, 4, 3, 3, 3, 3]
    scored = served("score", text=["ceb"] * 2, target=[say("ceb"), "tʃ b b d"])["log_prob"]
    assert judged["log_prob"][:2] == pytest.approx(scored, abs=1e-4)
    assert judged["log_prob"][2] == pytest.approx(scored[0], abs=1e-4)
    known = served("score", text=["ceb"], target=["tʃ ɛ d"])["token_log_prob"]
    # In the answer with an unknown token, the two tokens before it are as likely as in the right answer.
    assert judged["log_prob"][4] <= IMPOSSIBLE + known[0, :2].sum() + 1e-3
    assert judged["unsayable"].tolist() == [b"", b"", b"", b"", b"113", b"120-769 113"]
    assert all(judged[name].dtype == np.float32 for name in judged if name not in ("text", "unsayable"))


def test_an_empty_request_has_an_empty_answer(served):
    assert served("serving_default", text=[])["text"].tolist() == []

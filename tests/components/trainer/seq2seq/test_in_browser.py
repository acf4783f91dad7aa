"""The model in TensorFlow.js answers as the served one does."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from components.browser.export import export
from components.cleaning.settings import Cleaning
from components.trainer.seq2seq.export import PairsModel
from tests.browser import axe_violations, page_in_chromium, static_files
from tests.components.session import Session
from tests.components.trainer.seq2seq.conftest import DECODING, PAIRS
from tests.tensorflow_js import IN_TENSORFLOW_JS, TOOLS, answers, refusal

pytestmark = [*IN_TENSORFLOW_JS, pytest.mark.slow]


@pytest.fixture(scope="module")
def exported(trained_pairs, pairs_transform, tmp_path_factory):
    """The folder of the served model, and that of the files for a browser."""
    folder = tmp_path_factory.mktemp("browser")
    decoding = dataclasses.replace(DECODING, cleaning=Cleaning(byte_order_mark=True, nfc=True))
    PairsModel(trained_pairs, pairs_transform, decoding).save(str(folder / "model"))
    export(str(folder / "model"), "words", "1", TOOLS, str(folder / "site"))
    return folder


def test_answers_and_probabilities_are_those_of_the_served_model(exported):
    words = ["\ufeffcebd", *(word for word, _ in PAIRS[:60])]
    served = Session(str(exported / "model"))("serving_default", text=words)
    with static_files(exported / "site") as address, page_in_chromium(address) as tab:
        texts, probabilities = answers(tab, words)
        assert tab.errors == []
    assert [text.encode() for text in texts] == served["text"].tolist()
    assert probabilities == pytest.approx(np.exp(served["log_prob"]), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("text", ["", "abé", "ab\U0001f600", "a" * 21])
def test_what_the_served_model_refuses_is_refused_in_the_same_words(exported, text):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        Session(str(exported / "model"))("serving_default", text=["a", text])
    with static_files(exported / "site") as address, page_in_chromium(address) as tab:
        assert refusal(tab, ["a", text]) in error.value.message


def test_the_page_shows_the_tokens(exported):
    from playwright.sync_api import expect

    with static_files(exported / "site") as address, page_in_chromium(address) as tab:
        expect(tab.page.locator("#about")).to_contain_text("Model words, version 1")
        tab.page.get_by_label("Text to answer").fill("ceb")
        tab.page.keyboard.press("Enter")
        expect(tab.page.locator("#whole")).to_contain_text("ceb → tʃ ɛ b")
        assert [cell.inner_text() for cell in tab.page.locator("#characters .character").all()] == [
            "tʃ",
            "ɛ",
            "b",
            "end",
        ]
        assert axe_violations(tab) == ""
        assert tab.errors == []


def test_what_is_needed_beside_the_graph_lies_in_the_model(exported):
    about = json.loads((exported / "site" / "about.json").read_text("utf-8"))
    assert (about["name"], about["source_separator"], about["target_separator"]) == ("words", "", " ")
    assert {"a", "h"} <= set(about["source"])
    assert "tʃ" in about["target"]

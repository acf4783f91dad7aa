"""The references' architectures in TensorFlow.js; tests/pipeline/tasks/test_browser_model.py has ours, and the page."""

import numpy as np
import pytest

from components.browser.export import export
from components.trainer.fixed_length.export import Seq2SeqModel
from components.trainer.fixed_length.models import build_model
from components.trainer.fixed_length.settings import RecurrentSettings
from components.transform.preprocessing import read_vocabulary
from tests.browser import page_in_chromium, static_files
from tests.components.conftest import LENGTHS, one_digit_sums
from tests.components.session import Session
from tests.tensorflow_js import IN_TENSORFLOW_JS, TOOLS, answers

pytestmark = [*IN_TENSORFLOW_JS, pytest.mark.slow]


@pytest.mark.parametrize("architecture", ["simple_rnn", "lstm"])
def test_a_reference_answers_as_its_saved_model(architecture, transform_output, tmp_path):
    vocabulary = read_vocabulary(transform_output)
    model = build_model(RecurrentSettings(architecture=architecture), *LENGTHS.values(), len(vocabulary))
    Seq2SeqModel(model, transform_output, *LENGTHS.values()).save(str(tmp_path / "model"))
    export(str(tmp_path / "model"), architecture, "1", TOOLS, str(tmp_path / "site"))
    sums = [expression for expression, _ in one_digit_sums()]
    expected = Session(str(tmp_path / "model"))("serving_default", text=sums)
    with static_files(tmp_path / "site") as address, page_in_chromium(address) as tab:
        texts, probabilities = answers(tab, sums)
    assert [text.encode() for text in texts] == expected["text"].tolist()
    assert probabilities == pytest.approx(np.exp(expected["log_prob"]), rel=1e-3)

"""Asking a model in the browser."""

import contextlib

import pytest

from components.browser.export import find_tools
from components.settings import SettingsError
from tests.browser import IN_CHROMIUM


def _find_tools():
    with contextlib.suppress(SettingsError):
        return find_tools("")


TOOLS = _find_tools()

# For a module, or a test, that needs TensorFlow.js in a browser.
IN_TENSORFLOW_JS = [
    *IN_CHROMIUM,
    pytest.mark.skipif(TOOLS is None, reason="TensorFlow.js is not installed: make browser"),
]

_ANSWER = """async (texts) => {
  const { answer, load } = await import("./model.js");
  return (await answer(await load(), texts)).map(({ text, probability }) => [text, probability]);
}"""


_REFUSAL = """async (texts) => {
  const { RefusedError, answer, load } = await import("./model.js");
  const model = await load();
  try { await answer(model, texts); } catch (error) { if (error instanceof RefusedError) return error.message; }
}"""


def refusal(tab, texts):
    """Returns what the model whose page is open says of texts of which it refuses one."""
    return tab.page.evaluate(_REFUSAL, texts)


def answers(tab, texts):
    """Returns the answers of the model whose page is open, and their probabilities."""
    return list(zip(*tab.page.evaluate(_ANSWER, texts), strict=True))

"""The browser's copy of a model: the same numbers without strings, and what is said where it cannot be made."""

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.browser.component import Executor
from components.browser.export import find_tools
from components.browser.graph import rewrite, save_numeric
from components.browser.settings import BrowserSettings
from components.names import BROWSER_MODEL_KEY
from components.settings import SettingsError, to_json
from pipeline.config.overrides import override
from pipeline.config.task_files import load_task
from tests.components.session import Session

pytestmark = pytest.mark.model


def test_the_copy_has_the_models_numbers_and_neither_strings_nor_tables(saved_model, tmp_path):
    save_numeric(saved_model, str(tmp_path))
    tokens = np.random.default_rng(1).integers(0, 12, [64, 3], np.int32)
    copy = Session(str(tmp_path))("serving_default", tokens=tokens)["log_probabilities"]
    original = Session(saved_model)("numeric", tokens=tokens)["log_probabilities"]
    assert copy == pytest.approx(original, abs=1e-5)
    loaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"].graph
    types = {output.dtype for operation in loaded.get_operations() for output in operation.outputs}
    assert not types & {tf.string, tf.resource}
    assert "Erfc" not in {operation.type for operation in loaded.get_operations()}


@pytest.mark.parametrize("function", [tf.math.erfc, tf.math.tanh])
def test_what_stands_for_an_operation_has_its_values(function):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None], "x")
        tf.identity(function(x), "y")
    values = np.linspace(-4, 4, 101, dtype=np.float32)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        (y,) = tf.import_graph_def(rewrite(graph.as_graph_def()), return_elements=["y:0"], name="")
        changed = session.run(y, {"x:0": values})
    assert changed == pytest.approx(function(values).numpy(), abs=2e-7)


def test_a_model_of_an_older_version_is_refused(tmp_path):
    module = tf.Module()
    module.answer = tf.function(lambda text: {"text": text}, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.answer})
    with pytest.raises(ValueError, match="has no signature 'numeric'"):
        save_numeric(str(tmp_path), str(tmp_path / "copy"))


def test_nothing_is_made_of_a_model_that_was_not_pushed(tmp_path):
    pushed, target = standard_artifacts.PushedModel(), standard_artifacts.Model()
    pushed.set_int_custom_property("pushed", 0)
    target.uri = str(tmp_path / "browser")
    properties = {"browser_settings": to_json(BrowserSettings(export=True, tools="nowhere")), "model_name": "sums"}
    Executor().Do({"pushed_model": [pushed]}, {BROWSER_MODEL_KEY: [target]}, properties)
    assert not (tmp_path / "browser").exists()


def test_what_is_missing_is_named_with_what_to_do(tmp_path):
    with pytest.raises(SettingsError, match=r"there is no .*tensorflowjs_converter: run `make browser`"):
        find_tools(str(tmp_path))


def test_it_is_part_of_the_graph_when_asked_for():
    from pipeline.create_pipeline import create_pipeline
    from pipeline.places import Places

    def components(config):
        return [component.id for component in create_pipeline(config, Places("/nowhere")).components]

    assert "BrowserModel" not in components(load_task("sums"))
    assert components(override(load_task("sums"), ["browser.export=true"]))[-1] == "BrowserModel"


def test_a_language_model_has_none_yet():
    with pytest.raises(SettingsError, match=r"browser.export: text writes text"):
        override(load_task("text"), ["browser.export=true"])

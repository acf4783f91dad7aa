"""The undocumented parts of Keras that the training needs still do what they are used for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer import keras_internals
from components.trainer.run_files import summarize_layers

pytestmark = pytest.mark.model

ROWS = np.ones([8, 3], np.float32), np.ones([8, 1], np.float32)


@pytest.fixture
def model():
    inputs = keras.Input([3], name="numbers")
    hidden = keras.layers.Dense(2, name="hidden")(inputs)
    outputs = keras.layers.Dense(1, name="out")(keras.layers.Concatenate(name="both")([inputs, hidden]))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def test_fit_calls_the_functions_that_were_set(model):
    calls = []

    def run(name, logs):
        def function(iterator):
            for _ in iterator:
                calls.append(name)
            return logs

        return function

    keras_internals.build_metrics(model, ROWS)
    keras_internals.skip_building(model)
    keras_internals.set_train_function(model, run("train", {"loss": 3.0}))
    keras_internals.set_test_function(model, run("test", {"loss": 4.0}))
    history = model.fit(*ROWS, batch_size=4, epochs=2, validation_data=ROWS, validation_batch_size=8, verbose=0).history
    assert history == {"loss": [3.0, 3.0], "val_loss": [4.0, 4.0]}
    assert calls == ["train", "train", "test"] * 2


def test_metrics_are_built_by_a_batch_and_report_the_weighted_loss(model):
    keras_internals.build_metrics(model, ROWS)
    assert {variable.path.split("/")[0] for variable in model.metrics_variables} >= {"loss", "mean_absolute_error"}
    keras_internals.record_loss(model, tf.constant(1.0), tf.constant(3.0))
    keras_internals.record_loss(model, tf.constant(5.0), tf.constant(1.0))
    assert float(model.get_metrics_result()["loss"]) == 2.0
    assert model.optimizer.built


def test_connections_are_those_of_the_layers(model):
    assert keras_internals.layer_connections(model) == [
        ("numbers", "hidden"),
        ("numbers", "both"),
        ("hidden", "both"),
        ("both", "out"),
    ]
    assert summarize_layers(model)[-1].name == "out"

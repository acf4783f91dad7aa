"""Dropout: shares, means, and that it is still when it should be."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.layers.dropout import Dropout


@pytest.mark.parametrize("compiled", [False, True])
def test_the_share_is_dropped_and_the_mean_stays(compiled):
    layer = Dropout(0.4)
    run = tf.function(lambda inputs: layer(inputs, training=True), jit_compile=compiled)
    ones = tf.ones([100, 20, 50])
    first, second = run(ones).numpy(), run(ones).numpy()
    assert (first == 0).mean() == pytest.approx(0.4, abs=0.01)
    assert first.mean() == pytest.approx(1.0, abs=0.02)
    assert not (first == second).all()
    assert (layer(ones, training=False).numpy() == 1).all()


def test_the_same_features_are_dropped_at_all_times():
    layer = Dropout(0.5, noise_shape=(None, 1, None))
    dropped = layer(tf.ones([8, 30, 64]), training=True).numpy()
    assert (dropped == dropped[:, :1]).all()
    assert len(np.unique(dropped[:, 0], axis=0)) == 8


def test_a_saved_layer_is_restored(tmp_path):
    model = keras.Sequential([keras.Input([4]), Dropout(0.3)])
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").layers[0].rate == 0.3

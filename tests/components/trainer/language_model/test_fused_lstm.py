"""FusedLSTM is keras.layers.LSTM: the same outputs, states and gradients."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.layers.fused_lstm import FusedLSTM

pytestmark = pytest.mark.model

BATCH, STEPS, FEATURES, UNITS = 4, 7, 5, 6


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(17)  # otherwise other weights every time, and some with larger rounding errors


def build(layer_class, return_sequences, steps=None, fresh=False, **options):
    inputs = [keras.Input([steps, FEATURES]), keras.Input([UNITS]), keras.Input([UNITS])]
    layer = layer_class(UNITS, return_sequences=return_sequences, return_state=True, **options)
    if fresh:
        return keras.Model(inputs[0], layer(inputs[0]))
    return keras.Model(inputs, layer(inputs[0], initial_state=inputs[1:]))


def values(*shape):
    return tf.constant(np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32))


def one_hot():
    return tf.one_hot(np.random.default_rng(0).integers(FEATURES, size=(BATCH, STEPS)), FEATURES)


def repeated():
    return tf.repeat(values(BATCH, 1, FEATURES), STEPS, axis=1)


KINDS = ("any", "one_hot", "repeated")


def combinations():
    """All of them; a third, in which any two options meet in every way, is not marked slow."""
    flags = (False, True)
    for compiled, unroll, return_sequences, kind, fresh in itertools.product(flags, flags, flags, KINDS, flags):
        number = compiled + unroll + 2 * return_sequences + KINDS.index(kind) + fresh
        marks = () if number % 3 == 0 else pytest.mark.slow
        yield pytest.param(compiled, unroll, return_sequences, kind, fresh, marks=marks)


@pytest.mark.parametrize(("compiled", "unroll", "return_sequences", "kind", "fresh"), list(combinations()))
def test_results_and_gradients_are_those_of_keras(compiled, unroll, return_sequences, kind, fresh):
    options = {} if kind == "any" else {kind: True}
    fused = build(FusedLSTM, return_sequences, STEPS if unroll else None, fresh, unroll=unroll, **options)
    plain = build(keras.layers.LSTM, return_sequences, None, fresh, use_cudnn=False)
    plain.set_weights(fused.get_weights())
    first = {"any": lambda: values(BATCH, STEPS, FEATURES), "one_hot": one_hot, "repeated": repeated}[kind]()
    inputs = [first] if fresh else [first, values(BATCH, UNITS), tf.transpose(values(UNITS, BATCH))]

    def run(model):
        weights = [variable.value for variable in model.trainable_variables]

        @tf.function(jit_compile=compiled)
        def differentiate():
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                outputs = model(inputs[0] if fresh else inputs)
                # Each in a way of its own, so that none stands for another.
                loss = sum(tf.reduce_sum(tf.sin((n + 1) * output)) for n, output in enumerate(outputs))
            first, *others = tape.gradient(loss, [*inputs, *weights])
            # A choice of rows has none; what is the same at all steps has the sum of theirs.
            seen = {"any": lambda: [first], "one_hot": list, "repeated": lambda: [tf.reduce_sum(first, 1)]}[kind]()
            return outputs, seen, others

        return tf.nest.flatten(differentiate())

    for one, other in zip(run(fused), run(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("steps", "unroll"), [(None, False), (1, False), (1, True)])
def test_a_sequence_may_have_one_step(steps, unroll):
    fused = build(FusedLSTM, True, steps, fresh=True, unroll=unroll)
    plain = build(keras.layers.LSTM, True, steps, fresh=True, use_cudnn=False)
    plain.set_weights(fused.get_weights())

    def run(model):
        with tf.GradientTape() as tape:
            outputs = model(values(BATCH, 1, FEATURES))
            loss = sum(tf.reduce_sum(output**2) for output in outputs)
        return [*outputs, *tape.gradient(loss, [variable.value for variable in model.trainable_variables])]

    for one, other in zip(run(fused), run(plain), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_weight_dropout_is_for_training_and_changes_from_call_to_call():
    model = build(FusedLSTM, True, weight_dropout=0.5)
    inputs = [values(BATCH, STEPS, FEATURES), values(BATCH, UNITS), values(BATCH, UNITS)]
    calm = [model(inputs, training=False)[0].numpy() for _ in range(2)]
    wild = [model(inputs, training=True)[0].numpy() for _ in range(2)]
    assert (calm[0] == calm[1]).all()
    assert not (wild[0] == wild[1]).all()


def test_a_saved_layer_is_restored_with_its_weight_dropout(tmp_path):
    model = build(FusedLSTM, True, weight_dropout=0.25)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.layers[-1].weight_dropout == 0.25
    inputs = [values(BATCH, STEPS, FEATURES), values(BATCH, UNITS), values(BATCH, UNITS)]
    np.testing.assert_array_equal(model(inputs)[0], restored(inputs)[0])

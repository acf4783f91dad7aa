"""References 2 and 3 as our Trainer fits them learn what the notebooks' model.fit learns, epoch by epoch."""

import dataclasses

import keras
import numpy as np
import pytest

from components.trainer.fitting import compile_model
from components.trainer.input_pipeline import TokenArrays
from components.trainer.language_model.models import build_model as build_language_model
from components.trainer.language_model.token_text import TokenText
from components.trainer.language_model.training import fit_data as text_fit_data
from components.trainer.models import build_model
from components.trainer.training import fit_data as sums_fit_data
from pipeline.bench.notebooks import one_hot, sums_model, text_model
from pipeline.tasks import find_task

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

SEEDS = range(5)
BATCH = 128
DIGITS = "0123456789+ "
WINDOW = 40


def sums_data():
    random = np.random.default_rng(0)
    pairs = random.integers(1, 100, [4_500, 2])
    texts = [(f"{a}+{b}".rjust(5), str(a + b).rjust(3)) for a, b in pairs]
    return (
        np.array([[DIGITS.index(c) for c in text] for text in column], np.uint8) for column in zip(*texts, strict=True)
    )


def our_sums(seed, epochs):
    settings = dataclasses.replace(find_task("sums-lstm").train, seed=seed)
    arrays = TokenArrays(*sums_data())
    keras.utils.set_random_seed(seed)
    model = build_model(settings, 5, 3, len(DIGITS))
    data = sums_fit_data(settings, arrays, arrays)
    batches = compile_model(model, settings, data)(0)
    return model.fit(batches, steps_per_epoch=data.steps, epochs=epochs, verbose=0).history["loss"]


def their_sums(seed, epochs):
    questions, answers = (one_hot(tokens, len(DIGITS)) for tokens in sums_data())
    keras.utils.set_random_seed(seed)
    return sums_model(5, 3, len(DIGITS)).fit(questions, answers, BATCH, epochs, verbose=0).history["loss"]


def text_data():
    from pydoc_data.topics import topics

    text = "".join(topics[name] for name in sorted(topics))[:60_000]
    characters = {character: index for index, character in enumerate(sorted(set(text)))}
    tokens = np.array([characters[character] for character in text], np.uint8)
    return tokens, np.arange(WINDOW, len(tokens), 3), len(characters)


def our_text(seed, epochs):
    tokens, targets, vocabulary = text_data()
    settings = dataclasses.replace(find_task("text-lstm").train, seed=seed)
    text = TokenText(tokens, targets - WINDOW, targets, targets + 1)
    keras.utils.set_random_seed(seed)
    model = build_language_model(settings, vocabulary)
    data = text_fit_data(settings, text, text, WINDOW)
    batches = compile_model(model, settings, data)(0)
    return model.fit(batches, steps_per_epoch=data.steps, epochs=epochs, verbose=0).history["loss"]


def their_text(seed, epochs):
    tokens, targets, vocabulary = text_data()
    windows = one_hot(tokens[targets[:, np.newaxis] + np.arange(-WINDOW, 0)], vocabulary)
    keras.utils.set_random_seed(seed)
    model = text_model(WINDOW, vocabulary)
    return model.fit(windows, one_hot(tokens[targets], vocabulary), BATCH, epochs, verbose=0).history["loss"]


@pytest.mark.parametrize(
    ("ours", "theirs", "epochs"),
    [(our_sums, their_sums, 40), (our_text, their_text, 3)],
    ids=["sums-lstm", "text-lstm"],
)
def test_the_loss_falls_as_in_the_notebook(ours, theirs, epochs):
    curves = np.array([[fit(seed, epochs) for seed in SEEDS] for fit in (ours, theirs)])  # (side, seed, epoch)
    means, noise = curves.mean(1), np.sqrt((curves.var(1, ddof=1) / len(SEEDS)).sum(0))
    print(np.stack([*means, noise], 1).round(4))
    assert (means[:, -1] < 0.8 * means[:, 0]).all()  # both have learned
    # Means of 5 seeds; 4 times their standard error, which such few seeds tell roughly.
    assert (np.abs(means[0] - means[1]) < 4 * noise).all()

"""References 2 and 3 as their notebooks have them: one-hot arrays of the whole data set into model.fit.

python -m benchmarks.peers.notebooks FOLDER     runs all of reference 2, leaves its files in FOLDER, prints seconds as JSON
"""

import time

_BEGIN = time.perf_counter()

import json  # noqa: E402 (importing is a part of the notebook's time)
import os  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402

import keras  # noqa: E402
import matplotlib.figure  # noqa: E402
import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
from keras import layers  # noqa: E402

_IMPORTED = time.perf_counter()

_UNITS = 128


def sums_model(inputs: int, outputs: int, vocabulary: int) -> keras.Model:
    """Returns reference 2, compiled: one-hot [batch, inputs, vocabulary] to probabilities [batch, outputs, vocabulary]."""

    def lstm(return_sequences: bool) -> keras.Layer:
        initializer = keras.initializers.GlorotNormal()
        return layers.LSTM(_UNITS, recurrent_initializer=initializer, return_sequences=return_sequences)

    model = keras.Sequential(
        [
            keras.Input([inputs, vocabulary]),
            lstm(False),
            layers.RepeatVector(outputs),
            lstm(True),
            layers.TimeDistributed(layers.Dense(vocabulary)),
            layers.Activation("softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.001), loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def text_model(inputs: int, vocabulary: int) -> keras.Model:
    """Returns reference 3, compiled: one-hot [batch, inputs, vocabulary] to probabilities [batch, vocabulary]."""
    model = keras.Sequential(
        [keras.Input([inputs, vocabulary]), layers.LSTM(_UNITS), layers.Dense(vocabulary, activation="softmax")]
    )
    model.compile(optimizer=keras.optimizers.RMSprop(0.01), loss="categorical_crossentropy")
    return model


def one_hot(indices: npt.NDArray[np.integer], vocabulary: int) -> npt.NDArray[np.bool_]:
    """Returns indices [...] as one-hot vectors [..., vocabulary], of the type that the notebooks have."""
    vectors: npt.NDArray[np.bool_] = np.eye(vocabulary, dtype=bool)[indices]
    return vectors


def main() -> None:
    """Runs the notebook of reference 2 from its imports to its files."""
    seconds = {"imports": _IMPORTED - _BEGIN}
    characters = "0123456789+ "
    inputs, outputs, examples = 5, 3, 5_000
    begin = time.perf_counter()

    def encode(texts: list[str], length: int) -> npt.NDArray[np.bool_]:
        vectors = np.zeros([len(texts), length, len(characters)], bool)
        for row, text in enumerate(texts):
            for place, character in enumerate(text.rjust(length)):
                vectors[row, place, characters.index(character)] = True
        return vectors

    random.seed(1)
    pairs = [(random.randint(1, 99), random.randint(1, 99)) for _ in range(examples)]  # noqa: S311 (nothing is secret)
    questions = encode([f"{a}+{b}" for a, b in pairs], inputs)
    answers = encode([str(a + b) for a, b in pairs], outputs)
    seconds["data"], begin = time.perf_counter() - begin, time.perf_counter()

    folder = sys.argv[1]
    model = sums_model(inputs, outputs, len(characters))
    tensorboard = keras.callbacks.TensorBoard(os.path.join(folder, "logs"), histogram_freq=1)
    history = model.fit(
        questions, answers, 128, epochs=200, validation_split=0.1, callbacks=[tensorboard], verbose=0
    ).history
    seconds["model.fit"], begin = time.perf_counter() - begin, time.perf_counter()

    figure = matplotlib.figure.Figure()
    axes = figure.subplots(1, 2)
    for axis, metric in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(history[metric])
        axis.plot(history[f"val_{metric}"])
    figure.savefig(os.path.join(folder, "curves.png"))
    for row in range(40):
        model.predict(questions[row : row + 1], verbose=0)
    seconds["plots and predictions"], begin = time.perf_counter() - begin, time.perf_counter()

    model.save(os.path.join(folder, "model.h5"))
    seconds["saving"] = time.perf_counter() - begin
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()

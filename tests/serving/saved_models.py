"""Tiny SavedModels for the tests; the only place there that imports TensorFlow."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

_TEXTS = (tf.TensorSpec([None], tf.string, name="text"),)
_SAMPLING = tuple(
    tf.TensorSpec([None], dtype, name=name)
    for name, dtype in (
        ("prompt", tf.string),
        ("length", tf.int32),
        ("temperature", tf.float32),
        ("top_k", tf.int32),
        ("top_p", tf.float32),
        ("seed", tf.int64),
    )
)

# The four places of the adding model's answers.
_PROBABILITIES = (0.99999, 0.9, 0.75, 0.5)

_WARMUP = Path("assets.extra") / "tf_serving_warmup_requests"


class _Shout(tf.Module):
    """Strings in, strings out, with the version in every answer; refuses an exclamation mark as our models refuse."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self.version = tf.Variable(version)
        # A table and a variable, because those are what a loader can forget.
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["ab"], ["AB"]), "?")

    @tf.function(input_signature=_TEXTS)
    def shout(self, text: Any) -> dict[str, Any]:
        bad = tf.strings.regex_full_match(text, "(?s).*!.*")
        said = tf.strings.join(['text[0]: character "!" in "', text[0], '" is not one this model knows'])
        check = tf.debugging.Assert(tf.logical_not(tf.reduce_any(bad)), [said])
        with tf.control_dependencies([check]):
            answer = tf.strings.join([tf.strings.as_string(self.version), ":", text, ":", self.table.lookup(text)])
            return {"text": answer, "log_prob": tf.cast(tf.strings.length(text), tf.float32)}

    @tf.function(input_signature=_TEXTS)
    def same(self, text: Any) -> dict[str, Any]:
        return {"first": text, "second": text}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float64, name="seconds")])
    def slow(self, seconds: Any) -> dict[str, Any]:
        end = tf.timestamp() + seconds
        steps = tf.while_loop(lambda _: tf.timestamp() < end, lambda i: (i + 1,), (0,))
        return {"steps": steps[0], "version": tf.identity(self.version)}


class _Numbers(tf.Module):
    """Every type of number in and out."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float32, name="a"),
            tf.TensorSpec([None, None], tf.float32, name="b"),
        ]
    )
    def product(self, a: Any, b: Any) -> dict[str, Any]:
        return {"product": tf.matmul(a, b)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="x")])
    def cast(self, x: Any) -> dict[str, Any]:
        names = ("float32", "float64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "int64", "bool")
        return {name: tf.cast(x, name) for name in (*names, "float16", "bfloat16", "complex64", "complex128")}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 2], tf.float32, name="x"),
            tf.TensorSpec([None, None], tf.string, name="text"),
        ]
    )
    def wide(self, x: Any, text: Any) -> dict[str, Any]:
        return {"x": x, "text": text}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="x")])
    def scalar(self, x: Any) -> dict[str, Any]:
        return {"x": x + 1, "none": tf.zeros([0, 2]), "nothing": tf.constant([], tf.string)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def total(self, x: Any) -> dict[str, Any]:
        return {"total": tf.reduce_sum(x)}


class _Judge(tf.Module):
    """Signatures over tf.Example, with a feature ``x`` of floats: what Classify, Regress and MultiInference call."""

    def _x(self, examples: Any) -> Any:
        return tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32, -1.0)})["x"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs: Any) -> dict[str, Any]:
        x = self._x(inputs)
        labels = tf.repeat([["low", "high"]], tf.shape(x)[0], axis=0)
        return {"classes": labels, "scores": tf.stack([1 - x, x], axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs: Any) -> dict[str, Any]:
        return {"outputs": self._x(inputs) * 2}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def wrong(self, inputs: Any) -> dict[str, Any]:
        return {"outputs": tf.constant([[1.0, 2.0]])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def raw(self, image_bytes: Any) -> dict[str, Any]:
        return {"raw_bytes": image_bytes}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="x")])
    def same_int64(self, x: Any) -> dict[str, Any]:
        return {"x": x}


class _Writer(tf.Module):
    """The interface of a language model: goes through the alphabet, from where the state says or after the prompt."""

    def _write(self, prompt: Any, length: Any, start: Any) -> Any:
        alphabet = tf.constant("abcdefghijklmnopqrstuvwxyz")
        lengths = tf.broadcast_to(length, tf.shape(start))  # one for all prompts, or one for each
        return tf.map_fn(
            lambda row: tf.strings.substr(alphabet, row[0], row[1]), (start, lengths), fn_output_signature=tf.string
        )

    @tf.function(input_signature=_SAMPLING)
    def write(self, prompt: Any, length: Any, temperature: Any, top_k: Any, top_p: Any, seed: Any) -> dict[str, Any]:
        return {"text": self._write(prompt, length, tf.strings.length(prompt))}

    @tf.function(input_signature=[*_SAMPLING, tf.TensorSpec([None, None], tf.float32, name="state")])
    def step(
        self, prompt: Any, length: Any, temperature: Any, top_k: Any, top_p: Any, seed: Any, state: Any
    ) -> dict[str, Any]:
        start = tf.strings.length(prompt) + tf.cast(tf.reduce_sum(state, axis=1), tf.int32)
        return {"text": self._write(prompt, length, start), "state": tf.cast(start + length, tf.float32)[:, None]}


class _Adder(tf.Module):
    """The interface of a model of sums: adds, with answers of four places, and refuses what it does not know."""

    def _add(self, text: Any) -> Any:
        unknown = tf.logical_not(tf.strings.regex_full_match(text, "[0-9]+[+][0-9]+"))
        said = tf.strings.join(["text[0]: `", text[0], "` is no sum: this model knows `+0123456789`"])
        with tf.control_dependencies([tf.debugging.Assert(tf.logical_not(tf.reduce_any(unknown)), [said])]):
            terms = tf.strings.to_number(tf.strings.split(text, "+").to_tensor(), tf.int32)
            return tf.strings.as_string(tf.reduce_sum(terms, axis=1))

    @tf.function(input_signature=_TEXTS)
    def answer(self, text: Any) -> dict[str, Any]:
        return {
            "text": self._add(text),
            "log_prob": tf.fill(tf.shape(text), tf.reduce_sum(tf.math.log(_PROBABILITIES))),
        }

    @tf.function(input_signature=[*_TEXTS, tf.TensorSpec([None], tf.string, name="target")])
    def score(self, text: Any, target: Any) -> dict[str, Any]:
        log_prob = tf.repeat(tf.math.log([_PROBABILITIES]), tf.shape(self._add(text))[0], axis=0)
        lengths = tf.strings.length(target)
        return {"log_prob": tf.reduce_sum(log_prob, axis=1), "characters": lengths, "character_log_prob": log_prob}


class _Alternatives(tf.Module):
    """The interface of a model with several answers: repeats of the text, each half as likely; of one character, one alone."""

    @tf.function(input_signature=[*_TEXTS, tf.TensorSpec([None], tf.int32, name="n")])
    def nbest(self, text: Any, n: Any) -> dict[str, Any]:
        number = tf.range(1, tf.reduce_max(n) + 1)
        texts = tf.map_fn(
            lambda t: tf.map_fn(lambda i: tf.strings.reduce_join(tf.repeat(t, i)), number, tf.string), text
        )
        log_probs = tf.cast(number, tf.float32)[tf.newaxis] * tf.math.log(0.5)
        missing = (tf.strings.length(text)[:, tf.newaxis] == 1) & (number > 1)[tf.newaxis]
        return {"texts": texts, "log_probs": tf.where(missing, tf.float32.min, log_probs)}


class _Reader(_Alternatives):
    """The interface of a seq2seq model of tokens: says the characters of a text, one a token, and looks at each for itself."""

    def _tokens(self, text: Any) -> Any:
        tokens = tf.strings.unicode_split(text, "UTF-8")
        return tf.concat([tokens, tf.fill([tf.shape(text)[0], 1], "")], axis=1).to_tensor("")

    @tf.function(input_signature=_TEXTS)
    def answer(self, text: Any) -> dict[str, Any]:
        return {"text": tf.identity(text), "log_prob": tf.fill(tf.shape(text), tf.math.log(0.5))}

    @tf.function(input_signature=[*_TEXTS, tf.TensorSpec([None], tf.string, name="target")])
    def score(self, text: Any, target: Any) -> dict[str, Any]:
        token_log_prob = tf.zeros(tf.shape(self._tokens(target))) + tf.math.log(0.75)
        return {"token_log_prob": token_log_prob, "log_prob": tf.reduce_sum(token_log_prob, axis=1)}

    @tf.function(input_signature=_TEXTS)
    def attention(self, text: Any) -> dict[str, Any]:
        tokens = self._tokens(text)
        shares = tf.eye(tf.shape(tokens)[1], batch_shape=[tf.shape(text)[0]])
        return {"text": tf.identity(text), "source": tokens, "target": tokens, "attention": shares}


def save_reader(folder: Path) -> Path:
    """Saves the model with the interface of a seq2seq model to ``folder``."""
    module = _Reader()
    signatures = {name: getattr(module, name) for name in ("score", "attention", "nbest")}
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.answer, **signatures})
    return folder


class _Compiled(tf.Module):
    """A function that XLA is to compile."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def double(self, x: Any) -> dict[str, Any]:
        return {"y": self._compiled(x)}

    @tf.function(jit_compile=True)
    def _compiled(self, x: Any) -> Any:
        return x * 2 + 1


class _Heavy(tf.Module):
    """Strings in, their lengths out, by way of 10,000 numbers a row."""

    @tf.function(input_signature=_TEXTS)
    def measure(self, text: Any) -> dict[str, Any]:
        if text.shape.rank != 1:
            raise ValueError("one text a row")
        lengths = tf.cast(tf.strings.length(text), tf.float32)[: tf.shape(text)[0], tf.newaxis]
        wide = tf.matmul(lengths, tf.ones([1, 10_000]))
        return {"length": tf.reduce_mean(tf.sqrt(wide * wide), axis=1)}


def save_compiled(folder: Path) -> Path:
    """Saves the model that is compiled to ``folder``."""
    module = _Compiled()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.double})
    return folder


def save_heavy(folder: Path) -> Path:
    """Saves the model that needs much memory to ``folder``."""
    module = _Heavy()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.measure})
    return folder


class _Forecaster(tf.Module):
    """Forecasts the last value three times, one less and two more, of histories of four values or more."""

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, "history")])
    def forecast(self, history: Any) -> dict[str, Any]:
        enough = tf.debugging.Assert(tf.shape(history)[1] >= 4, ["history is short: this model reads 4"])
        with tf.control_dependencies([enough]):
            middle = tf.tile(history[:, -1:], [1, 3])
        return {"forecast": middle, "lower": middle - 1, "upper": middle + 2}

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "history")])
    def window(self, history: Any) -> dict[str, Any]:
        return self.forecast(history)


def save_forecaster(folder: Path) -> Path:
    """Saves the model that forecasts to ``folder``."""
    module = _Forecaster()
    signatures = {"serving_default": module.forecast, "window": module.window}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def save_adder(folder: Path, *, characters: bool = True) -> Path:
    """Saves the model that adds to ``folder``; without `characters` it has no signature `score`."""
    module = _Adder()
    signatures = {"serving_default": module.answer} | ({"score": module.score} if characters else {})
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def save_alternatives(folder: Path) -> Path:
    """Saves the model with several answers to ``folder``."""
    module = _Alternatives()
    tf.saved_model.save(module, str(folder), signatures={"nbest": module.nbest})
    return folder


def save_writer(folder: Path) -> Path:
    """Saves the model that writes to ``folder``."""
    module = _Writer()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.write, "step": module.step})
    return folder


def save_judge(folder: Path) -> Path:
    """Saves the model that classifies to ``folder``."""
    module = _Judge()
    signatures = {name: getattr(module, name) for name in ("classify", "regress", "wrong", "raw", "same_int64")}
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.classify, **signatures})
    return folder


def save_shout(folder: Path, version: int) -> Path:
    """Saves version ``version`` of the text model to ``folder``."""
    module = _Shout(version)
    signatures = {"serving_default": module.shout, "same": module.same, "slow": module.slow}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def save_numbers(folder: Path) -> Path:
    """Saves the model of numbers to ``folder``."""
    module = _Numbers()
    signatures = {name: getattr(module, name) for name in ("cast", "wide", "scalar", "total")}
    signatures["serving_default"] = module.product
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Writes a TFRecord file as TensorFlow does."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def write_warmup(folder: Path, *logs: Any) -> Path:
    """Gives a SavedModel the warm-up requests of some `PredictionLog`s; returns the file."""
    (folder / _WARMUP).parent.mkdir(exist_ok=True)
    write_records(folder / _WARMUP, (log.SerializeToString() for log in logs))
    return folder / _WARMUP


def rename_method(folder: Path, signature: str, method_name: str) -> None:
    """Changes for which method a signature of a SavedModel was exported."""
    path = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    model.meta_graphs[0].signature_def[signature].method_name = method_name
    path.write_bytes(model.SerializeToString())

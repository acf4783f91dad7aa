"""The SavedModel of a language model: prompts in, text out, sampling inside the graph."""

import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.cleaning.settings import NO_CLEANING, Cleaning
from components.example_gen.settings import REPLACEMENT
from components.trainer.judging import UNSAYABLE, join_unsayable
from components.trainer.language_model.decoding import CharacterModel, generate, read
from components.trainer.language_model.sampling import SamplingInputs
from components.trainer.string_model import Reading, StringModel, graph_function, tracked, unreadable
from components.transform.preprocessing import TOKENS, code_points, read_vocabulary
from components.transform.text import CONTEXT, POSITION, SCORED, TEXT

# The code points of Unicode without the surrogates.
_CODE_POINTS = 0x110000 - 0x800

# How a caller says how to sample: one value for all prompts, or one for each.
_SAMPLING = {
    "length": tf.int32,
    "temperature": tf.float32,
    "top_k": tf.int32,
    "top_p": tf.float32,
    "seed": tf.int64,
}


class LanguageModel(StringModel):
    """A trained language model."""

    SIGNATURES = ("serving_default", "score", "step", "evaluate")

    def __init__(
        self,
        model: keras.Model,
        transform_output: tft.TFTransformOutput,
        characters: CharacterModel,
        max_length: int,
        cleaning: Cleaning = NO_CLEANING,
        stand_in: bool = True,
    ):
        """Wraps a model.

        Args:
          model: The trained model.
          transform_output: The graph that made the training tokens.
          characters: The same model, character by character.
          max_length: Most characters to write, or of a prompt, in one request.
          cleaning: How the training text was cleaned.
          stand_in: Whether U+FFFD stands for the training text's rare characters. It is no character then that a prompt can
            have, or that the model writes. Otherwise it is a character like any other, if the training text has it.
        """
        super().__init__(tracked(model), transform_output, read_vocabulary(transform_output), cleaning)
        self._model = characters
        self._max_length = max_length
        # What stands for rare characters is read and scored, but it is no character itself.
        nameless = ("", REPLACEMENT) if stand_in else ("",)
        self._is_unknown = tf.constant([character in nameless for character in self.vocabulary])
        self._barred = tf.where(self._is_unknown, -np.inf, 0.0)
        self._unknown_points = _CODE_POINTS - sum(character not in nameless for character in self.vocabulary)

    @graph_function(prompt=tf.string, **_SAMPLING)
    def serving_default(
        self,
        prompt: tf.Tensor,
        length: tf.Tensor,
        temperature: tf.Tensor,
        top_k: tf.Tensor,
        top_p: tf.Tensor,
        seed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Continues prompts string [N]: `text` string [N], without the prompts. An empty prompt begins a text.

        Args:
          prompt: What to continue.
          length: Characters to write, int32 [1] or [N].
          temperature: float32 [1] or [N]; see SamplingInputs, likewise for the others.
          top_k: int32 [1] or [N].
          top_p: float32 [1] or [N].
          seed: int64 [1] or [N]. The same seed gives the same text.
        """
        nothing = tf.zeros([tf.shape(prompt)[0], 0])
        text, _ = self._write(prompt, nothing, length, temperature, top_k, top_p, seed)
        return {"text": text}

    @graph_function(prompt=tf.string, state=tf.TensorSpec([None, None], tf.float32), **_SAMPLING)
    def step(
        self,
        prompt: tf.Tensor,
        state: tf.Tensor,
        length: tf.Tensor,
        temperature: tf.Tensor,
        top_k: tf.Tensor,
        top_p: tf.Tensor,
        seed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Writes a chunk of a text and says where to go on, so that a client streams over plain calls.

        Args:
          prompt: What to read first, string [N]; empty to go on.
          state: float32 [N, 0] at first, then what the call before returned.
          length: As for serving_default.
          temperature: As for serving_default.
          top_k: As for serving_default.
          top_p: As for serving_default.
          seed: As for serving_default. The chunks together are the text of one call with the same seed.

        Returns:
          `text` string [N] and `state` float32 [N, size].
        """
        text, state = self._write(prompt, state, length, temperature, top_k, top_p, seed)
        return {"text": text, "state": state}

    @graph_function(text=tf.string)
    def score(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores texts string [N]: `log_prob` float32 [N] (natural log, all characters), `characters` int32 [N]."""
        tokens, lengths = self._index_or_refuse(text, "text", least=1)
        log_prob, _ = read(self._model, self._model.initial_state(tf.shape(text)[0]), tokens, lengths)
        return {"log_prob": tf.reduce_sum(log_prob, axis=1), "characters": lengths}

    @graph_function(examples=tf.string)
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Judges serialized tf.Examples [N] by their own text, given their context; the Evaluator adds these figures up.

        A character that the vocabulary lacks costs what the model gives to the unknown (index 0, or U+FFFD where it stands for
        rare characters), and beside that the choice among all code points that the vocabulary lacks, each as likely: so the
        figures are those of a distribution over all of Unicode.

        Returns:
          float32 [N] each: `log_prob` (natural log) of the characters of `text` together, and `characters`, how many these are;
          and `unsayable` string [N], the characters of `text` that the vocabulary lacks, see `join_unsayable`.
        """
        features = {name: tf.io.FixedLenFeature([1], tf.string) for name in (CONTEXT, TEXT)}
        features[POSITION] = tf.io.FixedLenFeature([1], tf.int64)
        parsed = tf.io.parse_example(examples, features)
        indexed = self.transform(parsed)
        lengths = tf.cast(indexed[TOKENS].row_lengths(), tf.int32)
        scored = tf.cast(tf.reshape(indexed[SCORED], [-1]), tf.int32)
        tokens = tf.cast(indexed[TOKENS].to_tensor(), tf.int32)
        log_prob, _ = read(self._model, self._model.initial_state(tf.shape(tokens)[0]), tokens, lengths)
        column = tf.range(tf.shape(tokens)[1])
        inside = (column >= (lengths - scored)[:, tf.newaxis]) & (column < lengths[:, tf.newaxis])
        is_unknown = tf.gather(self._is_unknown, tokens)
        log_prob -= tf.where(is_unknown, math.log(self._unknown_points), 0.0)
        characters = tf.strings.unicode_split(parsed[TEXT][:, 0], "UTF-8", errors="replace")
        lacks, rows = tf.boolean_mask(is_unknown, inside), characters.value_rowids()
        return {
            "log_prob": tf.reduce_sum(tf.where(inside, log_prob, 0.0), axis=1),
            "characters": tf.cast(scored, tf.float32),
            UNSAYABLE: join_unsayable(characters.flat_values, lacks, rows, characters.nrows()),
        }

    def _write(self, prompt: tf.Tensor, state: tf.Tensor, *sampling: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads prompts and writes on: text string [N] and the state after it, float32 [N, size]."""
        rows = tf.shape(prompt)[0]
        length, *how = self._check_sampling(rows, sampling)
        state = self._check_state(rows, state)
        tokens, lengths = self._index_or_refuse(prompt, "prompt", least=0)
        parts = tf.split(state[:, 1:], self._model.state_widths, axis=1)
        _, parts = read(self._model, parts, tokens, lengths)
        drawn = tf.cast(state[:, 0], tf.int64)
        written, parts = generate(self._model, parts, length, SamplingInputs(*how), drawn, self._barred)
        # Beyond a row's length stands -1.
        characters = tf.where(written < 0, "", tf.gather(self._characters, tf.maximum(written, 0)))
        after = tf.concat([state[:, :1] + tf.cast(length, tf.float32)[:, tf.newaxis], *parts], axis=1)
        return tf.strings.reduce_join(characters, axis=1), after

    def _check_state(self, rows: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """Returns the state of rows that begin, for a state of no columns, or the one given; refuses one of another size."""
        size = 1 + sum(self._model.state_widths)
        shape = tf.shape(state)
        wrong = (shape[0] != rows) | ((shape[1] != 0) & (shape[1] != size))
        what = tf.strings.format(
            f"`state` has the shape {{}} for {{}} prompts: send [prompts, 0] to begin, or what the call before returned, "
            f"[prompts, {size}]",
            (shape, rows),
        )
        with tf.control_dependencies([self.refuse(wrong[tf.newaxis], lambda _: what)]):
            begun = tf.concat([tf.zeros([rows, 1]), *self._model.initial_state(rows)], axis=1)
            return tf.ensure_shape(tf.cond(shape[1] == 0, lambda: begun, lambda: state), [None, size])

    def _check_sampling(self, rows: tf.Tensor, sampling: tuple[tf.Tensor, ...]) -> list[tf.Tensor]:
        """Returns the sampling inputs, each [N]; refuses what has another size or value than it can have."""
        checked = []
        for (name, dtype), values in zip(_SAMPLING.items(), sampling, strict=True):
            count = tf.shape(values)[0]
            what = tf.strings.format(
                f"`{name}` has {{}} values for {{}} prompts: send 1, or one for each", (count, rows)
            )
            wrong_count = (count != 1) & (count != rows)
            with tf.control_dependencies([self.refuse(wrong_count[tf.newaxis], lambda _, what=what: what)]):  # type: ignore[misc]
                values = tf.broadcast_to(values, [rows])
            wrong, remedy = self._wrong_value(name, values)

            def describe(
                row: tf.Tensor, name: str = name, values: tf.Tensor = values, remedy: str = remedy
            ) -> tf.Tensor:
                return tf.strings.join([f"`{name}` is ", tf.strings.as_string(values[row]), f": {remedy}"])

            with tf.control_dependencies([self.refuse(wrong, describe)]):
                checked.append(tf.identity(tf.cast(values, dtype)))
        return checked

    def _wrong_value(self, name: str, values: tf.Tensor) -> tuple[tf.Tensor, str]:
        """Returns which values an input cannot have, bool [N], and which it can."""
        if name == "length":
            most = self._max_length
            return (values < 0) | (values > most), f"this model writes 0 to {most} characters in one request"
        if name == "temperature":
            return ~(tf.math.is_finite(values) & (values >= 0)), "it is 0 (the most likely character) or more"
        if name == "top_k":
            return values < 0, "it is a number of characters, or 0 for all"
        if name == "top_p":
            return ~((values > 0) & (values <= 1)), "it is a probability above 0 and up to 1"
        return tf.zeros_like(values, tf.bool), ""

    def _index_or_refuse(self, sent: tf.Tensor, name: str, least: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the indices of strings [N], cleaned, by the Transform graph, int32 [N, longest], and their lengths [N].

        Raises (in the graph, as INVALID_ARGUMENT): a string is too short, too long, no UTF-8, or has an unknown character.
        """
        text = self.clean(sent)
        lengths = tf.cast(code_points(text).row_lengths(), tf.int32)
        inputs = {CONTEXT: tf.fill([tf.shape(text)[0], 1], ""), TEXT: text[:, tf.newaxis]}
        indexed = self.transform(inputs | {POSITION: tf.zeros([tf.shape(text)[0], 1], tf.int64)})
        tokens = tf.cast(indexed[TOKENS].to_tensor(), tf.int32)
        inside = tf.range(tf.shape(tokens)[1]) < lengths[:, tf.newaxis]
        unknown = inside & tf.gather(self._is_unknown, tokens)
        wrong_length = (lengths < least) | (lengths > self._max_length)

        def describe(row: tf.Tensor) -> tf.Tensor:
            where = self.place(name, row, sent, text)
            return self.describe_string(
                where, text[row], unknown[row], wrong_length[row], Reading(self.vocabulary, self._max_length)
            )

        refused = wrong_length | unreadable(text) | tf.reduce_any(unknown, axis=1)
        with tf.control_dependencies([self.refuse(refused, describe)]):
            return tf.identity(tokens), lengths

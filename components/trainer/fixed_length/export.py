"""The SavedModel of a seq2seq model: strings in, strings out, decoding inside the graph.

A model's logits at different positions are independent given the input, so the best character of every position together are
the best answer: greedy decoding is exact.
"""

import dataclasses
import functools
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

from components.cleaning.settings import NO_CLEANING, Cleaning
from components.trainer.judging import (
    ANSWERS,
    IMPOSSIBLE,
    UNSAYABLE,
    join_unsayable,
    nearest_answer,
    parse_answers,
)
from components.trainer.string_model import Reading, StringModel, graph_function, tracked, unreadable
from components.transform.preprocessing import ANSWER, EXPRESSION, TARGETS, TOKENS, code_points, read_vocabulary

# How a server batches, with --enable_per_model_batching_parameters. A request may have 1,024 rows, which are run in batches of
# 64: 64 rows take 3 times as long as one (sums, one core), and more at a time only take more memory. The wait is less than so
# many requests take over the network and back.
_BATCHING = """\
max_batch_size { value: 1024 }
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 64 }
batch_timeout_micros { value: 5000 }
max_enqueued_batches { value: 256 }
"""


class Seq2SeqModel(StringModel):
    """A trained seq2seq model."""

    SIGNATURES = ("serving_default", "score", "numeric", "evaluate")
    # An answer takes the same steps whatever is asked, so requests lose nothing by sharing a batch.
    BATCHING = _BATCHING

    def __init__(
        self,
        model: keras.Model,
        transform_output: tft.TFTransformOutput,
        input_length: int,
        output_length: int,
        cleaning: Cleaning = NO_CLEANING,
    ):
        """Wraps a model.

        Args:
          model: From tokens int32 [N, input_length] to logits [N, output_length, vocabulary].
          transform_output: The graph that made the training tokens.
          input_length: Most characters of an expression.
          output_length: Most characters of an answer.
          cleaning: How the training's strings were cleaned.
        """
        super().__init__(tracked(model), transform_output, read_vocabulary(transform_output), cleaning)
        self._logits = functools.partial(model, training=False)
        self._cleaning = cleaning
        self._lengths = {EXPRESSION: input_length, ANSWER: output_length}
        # With the length in its shape, which is where a client finds it.
        tokens = tf.TensorSpec([None, input_length], tf.int32, "tokens")
        self.numeric = tf.function(self._numeric, input_signature=[tokens], autograph=False)

    def describe_numeric(self) -> dict[str, Any]:
        """Returns the characters by index, the most of an expression, and its cleaning."""
        return {
            "architecture": "fixed_length",
            "source": self.vocabulary,
            "target": self.vocabulary,
            "source_separator": "",
            "target_separator": "",
            "longest": self._lengths[EXPRESSION],
            "cleaning": dataclasses.asdict(self._cleaning),
        }

    @graph_function(text=tf.string)
    def serving_default(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers expressions string [N]: `text` string [N] and its natural-log probability `log_prob` float32 [N]."""
        tokens, _ = self._index_or_refuse(text, EXPRESSION, TOKENS, "text")
        log_probabilities = self._predict(tokens)
        answers, log_prob = self._decode(log_probabilities)
        return {"text": answers, "log_prob": log_prob}

    @graph_function(text=tf.string, target=tf.string)
    def score(self, text: tf.Tensor, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores given answers.

        Returns:
          `log_prob` float32 [N], natural log of the whole answer; `characters` int32 [N]; `character_log_prob` float32
          [N, output_length], the addends of `log_prob`: the answer's characters stand in the last columns, what is before them
          is the padding on its left, which the model predicts like any character.
        """
        tokens, _ = self._index_or_refuse(text, EXPRESSION, TOKENS, "text")
        targets, characters = self._index_or_refuse(target, ANSWER, TARGETS, "target")
        character_log_prob = _character_log_prob(self._predict(tokens), targets)
        return {
            "log_prob": tf.reduce_sum(character_log_prob, axis=1),
            "characters": characters,
            "character_log_prob": character_log_prob,
        }

    def _numeric(self, tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers without strings, for runtimes that have none, such as TensorFlow.js; nothing is refused.

        Args:
          tokens: Indices of characters int32 [N, input_length], 0 for the padding on the left.

        Returns:
          `log_probabilities` float32 [N, output_length, vocabulary], natural logs; the answer is padded on the left.
        """
        log_probabilities = self._predict(tokens)
        log_probabilities.set_shape([None, self._lengths[ANSWER], len(self.vocabulary)])
        return {"log_probabilities": log_probabilities}

    @graph_function(examples=tf.string)
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Judges serialized tf.Examples [N] by their own answers; the Evaluator adds these figures up.

        A character of the right answer that the model cannot write is wrong, whatever the model says in its place, and so is
        what exceeds the longest answer that it can give.

        Returns:
          `text` string [N]; float32 [N] each: `exact_match` (1 if the text is a right answer), `character_accuracy` (share of
          the first right answer's characters, padding included), `log_prob` (of that answer), `edits` (the fewest insertions,
          deletions and substitutions of characters that make a right answer of the model's; Levenshtein 1966) and
          `reference_tokens` (characters of that right answer); and `unsayable` string [N], the characters of right answers that
          the model lacks, see `join_unsayable`.
        """
        parsed = parse_answers(examples)
        answers, right_answers = parsed[ANSWER], parsed[ANSWERS]
        indexed = self.transform({EXPRESSION: parsed[EXPRESSION][:, tf.newaxis], ANSWER: answers[:, tf.newaxis]})
        targets = tf.cast(indexed[TARGETS], tf.int32)
        log_probabilities = self._predict(tf.cast(indexed[TOKENS], tf.int32))
        text, _ = self._decode(log_probabilities)
        best = tf.argmax(log_probabilities, axis=-1, output_type=tf.int32)
        lengths = tf.strings.length(answers, "UTF8_CHAR")
        longest = self._lengths[ANSWER]
        inside = tf.range(longest) >= longest - lengths[:, tf.newaxis]
        sayable = ~inside | (targets > 0)
        beyond = tf.cast(tf.maximum(lengths - longest, 0), tf.float32)
        right = tf.reduce_sum(tf.cast((best == targets) & sayable, tf.float32), axis=1)
        character_log_prob = tf.where(sayable, _character_log_prob(log_probabilities, targets), IMPOSSIBLE)
        edits, reference = nearest_answer(text, right_answers)
        return {
            "text": text,
            "exact_match": tf.cast(edits == 0, tf.float32),
            "character_accuracy": right / (longest + beyond),
            "log_prob": tf.reduce_sum(character_log_prob, axis=1) + IMPOSSIBLE * beyond,
            "edits": edits,
            "reference_tokens": reference,
            UNSAYABLE: self._unsayable(right_answers),
        }

    def _unsayable(self, answers: tf.RaggedTensor) -> tf.Tensor:
        """Returns the characters of right answers, ragged string [N, answers], that the vocabulary lacks: string [N]."""
        characters = tf.strings.unicode_split(answers.flat_values, "UTF-8", errors="replace")
        points = code_points(answers.flat_values).flat_values
        known = tf.constant(sorted(map(ord, filter(None, self.vocabulary))), tf.int64)
        places = tf.minimum(tf.searchsorted(known, points), tf.size(known) - 1)
        rows = tf.gather(answers.value_rowids(), characters.value_rowids())
        return join_unsayable(characters.flat_values, tf.gather(known, places) != points, rows, answers.nrows())

    def _predict(self, tokens: tf.Tensor) -> tf.Tensor:
        """Returns natural-log probabilities float32 [N, output_length, vocabulary]."""
        return tf.nn.log_softmax(tf.cast(self._logits(tokens), tf.float32))

    def _decode(self, log_probabilities: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the most likely answers string [N] and their log-probabilities float32 [N]."""
        best = tf.argmax(log_probabilities, axis=-1)  # (batch, output_length)
        text = tf.strings.reduce_join(tf.gather(self._characters, best), axis=1)
        return text, tf.reduce_sum(tf.reduce_max(log_probabilities, axis=-1), axis=1)

    def _index_or_refuse(self, sent: tf.Tensor, feature: str, output: str, name: str) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the indices of strings [N], cleaned, by the Transform graph, int32 [N, length], and their lengths, int32 [N].

        Raises (in the graph, as INVALID_ARGUMENT): a string is empty, too long, no UTF-8, or has an unknown character.
        """
        longest = self._lengths[feature]
        text = self.clean(sent)
        lengths = tf.cast(code_points(text).row_lengths(), tf.int32)
        tokens = tf.cast(self.transform({feature: text[:, tf.newaxis]})[output], tf.int32)
        # Tokens end where their string ends, so the first `longest` characters of a string that fits stand in its last
        # columns; a character with index 0 there is one that the vocabulary lacks.
        inside = tf.range(longest) >= longest - lengths[:, tf.newaxis]
        unknown = inside & (tokens == 0)
        wrong_length = (lengths < 1) | (lengths > longest)

        def describe(row: tf.Tensor) -> tf.Tensor:
            where = self.place(name, row, sent, text)
            columns = unknown[row][tf.maximum(longest - lengths[row], 0) :]
            return self.describe_string(where, text[row], columns, wrong_length[row], Reading(self.vocabulary, longest))

        refused = wrong_length | unreadable(text) | tf.reduce_any(unknown, axis=1)
        with tf.control_dependencies([self.refuse(refused, describe)]):
            return tf.identity(tokens), lengths


def _character_log_prob(log_probabilities: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Returns the log-probability of each character of answers int32 [N, output_length]: float32 [N, output_length]."""
    return tf.gather(log_probabilities, targets, batch_dims=2)

"""The SavedModel of a seq2seq model: strings in, strings out, the search inside the graph."""

import dataclasses
from typing import Any, Literal

import keras
import tensorflow as tf
import tensorflow_transform as tft

from components.cleaning.settings import NO_CLEANING, Cleaning
from components.trainer.judging import ANSWERS, IMPOSSIBLE, UNSAYABLE, join_unsayable, parse_answers
from components.trainer.seq2seq.inference import Memory, trained_networks
from components.trainer.seq2seq.network import FIRST_CLASS
from components.trainer.seq2seq.search import beam, greedy
from components.trainer.string_model import Reading, StringModel, graph_function, unreadable
from components.transform.preprocessing import ANSWER, EXPRESSION, TARGETS, TOKENS
from components.transform.token_pairs import (
    BEGIN,
    END,
    PADDING,
    SOURCE_VOCABULARY,
    TARGET_VOCABULARY,
    UNKNOWN,
    read_vocabulary,
    split,
)

Unknown = Literal["refuse", "replace"]

# Most answers that `nbest` gives.
_MOST_ANSWERS = 64

# `nbest` keeps so many beginnings for each answer, and no fewer than these: a beginning that is unlikely at first can become
# one of the best answers.
_BEGINNINGS_PER_ANSWER = 2
_LEAST_BEGINNINGS = 8

# How a server batches, see `components.trainer.fixed_length.export`.
_BATCHING = """\
max_batch_size { value: 1024 }
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 64 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 256 }
"""


@dataclasses.dataclass(frozen=True)
class Decoding:
    """How a model reads and answers.

    Attributes:
      source_limit: Most tokens of an input.
      target_limit: Most tokens of an answer.
      source_separator: What stands between an input's tokens; empty if every character is one.
      target_separator: Likewise of an answer's.
      beam: Beginnings of answers that `serving_default` keeps; 1 is greedy.
      length_penalty: See `search.beam`.
      unknown: Whether an input with an unknown token is refused, or answered as well as the model can.
      cleaning: How the strings of the examples were cleaned; inputs and targets that are sent are cleaned in the same way.
    """

    source_limit: int
    target_limit: int
    source_separator: str = ""
    target_separator: str = ""
    beam: int = 1
    length_penalty: float = 0.0
    unknown: Unknown = "refuse"
    cleaning: Cleaning = NO_CLEANING


class PairsModel(StringModel):
    """A trained seq2seq model."""

    SIGNATURES = ("serving_default", "nbest", "score", "attention", "numeric", "evaluate")
    BATCHING = _BATCHING

    def __init__(self, model: keras.Model, transform_output: tft.TFTransformOutput, decoding: Decoding):
        """Wraps a model.

        Args:
          model: As `build_model` made it.
          transform_output: The graph that made the training tokens.
          decoding: How it answers.
        """
        source = read_vocabulary(transform_output, SOURCE_VOCABULARY)
        target = read_vocabulary(transform_output, TARGET_VOCABULARY)
        super().__init__([], transform_output, source, decoding.cleaning)
        self._networks = trained_networks(model)
        self._how = decoding
        # Each with the separator behind it, so that an answer is one join.
        behind = decoding.target_separator
        self._pieces = tf.constant([token + behind if token else "" for token in target])
        self._tokens = {EXPRESSION: tf.constant(source), ANSWER: tf.constant(target)}
        self._readings = {
            EXPRESSION: Reading(source, decoding.source_limit, decoding.source_separator),
            ANSWER: Reading(target, decoding.target_limit, decoding.target_separator),
        }

    def describe_numeric(self) -> dict[str, Any]:
        """Returns the tokens of both sides by index, and how strings are read and written."""
        reading, how = self._readings[EXPRESSION], self._how
        return {
            "architecture": "seq2seq",
            "source": reading.vocabulary,
            "target": self._readings[ANSWER].vocabulary,
            "source_separator": reading.separator,
            "target_separator": how.target_separator,
            "longest": reading.longest,
            "unknown": how.unknown,
            "indices": {"end": END, "unknown": UNKNOWN},
            "cleaning": dataclasses.asdict(how.cleaning),
        }

    @graph_function(text=tf.string)
    def serving_default(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers inputs string [N]: `text` string [N] and its natural-log probability `log_prob` float32 [N].

        If unknown tokens are replaced, `unknown` int32 [N] is how many the input has.
        """
        source = self._index_or_refuse(text, EXPRESSION, TOKENS, "text")
        said, log_prob = self._answer(self._networks.encode(source))
        answer = {"text": self._join(said), "log_prob": log_prob}
        if self._how.unknown == "replace":
            answer["unknown"] = tf.reduce_sum(tf.cast(source == UNKNOWN, tf.int32), axis=1)
        return answer

    @graph_function(text=tf.string, n=tf.int32)
    def nbest(self, text: tf.Tensor, n: tf.Tensor) -> dict[str, tf.Tensor]:
        """Gives several answers to each input.

        Args:
          text: Inputs, string [N].
          n: How many answers, [1] or [N] of the same value.

        Returns:
          `texts` string [N, n], best first, each another one; `log_probs` float32 [N, n], natural log; the least float32
          stands for an answer that does not exist.
        """
        # A server's warm-up may send no rows, and then no n.
        count = tf.reduce_max(tf.concat([n, [1]], 0))
        wrong = (n < 1) | (n > _MOST_ANSWERS) | (n != count)

        def describe(row: tf.Tensor) -> tf.Tensor:
            least_and_most = f": send one number from 1 to {_MOST_ANSWERS}"
            return tf.strings.join(["`n` is ", tf.strings.as_string(n[row]), least_and_most])

        with tf.control_dependencies([self.refuse(wrong, describe)]):
            count = tf.identity(count)
        memory = self._networks.encode(self._index_or_refuse(text, EXPRESSION, TOKENS, "text"))
        width = tf.maximum(count * _BEGINNINGS_PER_ANSWER, max(_LEAST_BEGINNINGS, self._how.beam))
        how = self._how
        said, log_probs = beam(self._networks, memory, how.target_limit, width, count, how.length_penalty)
        return {"texts": self._join(said), "log_probs": log_probs}

    @graph_function(text=tf.string, target=tf.string)
    def score(self, text: tf.Tensor, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores given answers.

        Returns:
          `log_prob` float32 [N], natural log of the whole answer, its end included; `tokens` int32 [N], END not counted;
          `token_log_prob` float32 [N, longest + 1], the addends of `log_prob`, 0 after the end.
        """
        source = self._index_or_refuse(text, EXPRESSION, TOKENS, "text")
        targets = self._index_or_refuse(target, ANSWER, TARGETS, "target")
        token_log_prob = self._token_log_prob(self._networks.encode(source), targets)
        return {
            "log_prob": tf.reduce_sum(token_log_prob, axis=1),
            "tokens": tf.reduce_sum(tf.cast(targets >= UNKNOWN, tf.int32), axis=1),
            "token_log_prob": token_log_prob,
        }

    @graph_function(text=tf.string)
    def attention(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers, and says where the model looked.

        Returns:
          `text` string [N] and `log_prob` float32 [N]; `source` string [N, source_length] and `target` string [N,
          target_length]: the tokens, empty strings from the end of each on; `attention` float32 [N, target_length,
          source_length]: how much of each source token was read for each target token, shares of 1. The ends count as tokens.
        """
        source = self._index_or_refuse(text, EXPRESSION, TOKENS, "text")
        memory = self._networks.encode(source)
        said, log_prob = self._answer(memory)
        _, shares = self._networks.read(memory, _begun(said))
        return {
            "text": self._join(said),
            "log_prob": log_prob,
            "source": tf.gather(self._tokens[EXPRESSION], source),
            "target": tf.gather(self._tokens[ANSWER], said),
            "attention": shares,
        }

    @graph_function(tokens=tf.TensorSpec([None, None], tf.int32))
    def numeric(self, tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers without strings, for runtimes that have none, such as TensorFlow.js; greedy, and nothing is refused.

        Args:
          tokens: Indices of tokens int32 [N, source_length], each row with END and then 0 for padding.

        Returns:
          `tokens` int32 [N, steps], each row with END and then 0, and `log_probabilities` float32 [N, steps], natural logs of
          the probabilities of these tokens, 0 after the end.
        """
        memory = self._networks.encode(tokens, plain=True)
        said, log_probabilities = greedy(self._networks, memory, self._how.target_limit, plain=True)
        return {"tokens": said, "log_probabilities": log_probabilities}

    @graph_function(examples=tf.string)
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Judges serialized tf.Examples [N] by their own answers, of which each is right; the Evaluator adds these figures up.

        Returns:
          `text` string [N]; float32 [N] each: `exact_match` (1 if the answer is right), `edits` (tokens to insert, delete or
          replace for the nearest right answer), `reference_tokens` (of that one), `log_prob` (of the likeliest right answer);
          and `unsayable` string [N], the tokens of right answers that the model lacks, see `join_unsayable`.
        """
        parsed = parse_answers(examples)
        answers = parsed[ANSWERS]
        source = self._index(parsed[EXPRESSION], EXPRESSION, TOKENS)
        targets = self._index(answers.flat_values, ANSWER, TARGETS)
        rows = tf.cast(answers.value_rowids(), tf.int32)
        memory = self._networks.encode(source)
        said, _ = self._answer(memory)
        log_prob = tf.reduce_sum(self._token_log_prob(memory.take(rows), targets), axis=1)
        edits = tf.edit_distance(_sparse(tf.gather(said, rows)), _sparse(targets), normalize=False)
        lengths = tf.reduce_sum(tf.cast(targets >= UNKNOWN, tf.float32), axis=1)
        count = tf.shape(source)[0]
        fewest = tf.math.unsorted_segment_min(edits, rows, count)
        # The longest of the answers that are equally near.
        nearest = tf.where(edits == tf.gather(fewest, rows), lengths, -1.0)
        tokens = split(answers.flat_values, self._how.target_separator)
        lacks = tf.boolean_mask(targets, targets >= UNKNOWN) == UNKNOWN
        return {
            "text": self._join(said),
            "exact_match": tf.cast(fewest == 0, tf.float32),
            "edits": fewest,
            "reference_tokens": tf.math.unsorted_segment_max(nearest, rows, count),
            "log_prob": tf.math.unsorted_segment_max(log_prob, rows, count),
            UNSAYABLE: join_unsayable(tokens.flat_values, lacks, tf.gather(rows, tokens.value_rowids()), count),
        }

    def _answer(self, memory: Memory) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the best answers int32 [N, steps] and their log-probabilities [N]."""
        how = self._how
        if how.beam == 1:
            said, log_probabilities = greedy(self._networks, memory, how.target_limit)
            return said, tf.reduce_sum(log_probabilities, axis=1)
        said, log_probs = beam(self._networks, memory, how.target_limit, how.beam, 1, how.length_penalty)
        return said[:, 0], log_probs[:, 0]

    def _token_log_prob(self, memory: Memory, targets: tf.Tensor) -> tf.Tensor:
        """Returns the log-probability of each token of answers int32 [N, length], 0 of padding: float32 [N, length].

        An unknown token costs IMPOSSIBLE: the model never says one, whatever its untrained class gets.
        """
        said, _ = self._networks.read(memory, _begun(targets))
        own = tf.gather(said, tf.maximum(targets - FIRST_CLASS, 0), batch_dims=2)
        # A probability that float32 rounds to 0 costs as much.
        log_prob = tf.where(targets == UNKNOWN, IMPOSSIBLE, tf.maximum(tf.math.log(own), IMPOSSIBLE))
        return tf.where(targets == PADDING, 0.0, log_prob)

    def _join(self, said: tf.Tensor) -> tf.Tensor:
        """Returns tokens int32 [..., length] as strings [...]."""
        joined = tf.strings.reduce_join(tf.gather(self._pieces, said), axis=-1)
        if not self._how.target_separator:
            return joined
        behind = len(self._how.target_separator.encode())
        return tf.strings.substr(
            joined, tf.zeros_like(joined, tf.int32), tf.maximum(tf.strings.length(joined) - behind, 0)
        )

    def _index(self, text: tf.Tensor, feature: str, output: str) -> tf.Tensor:
        """Returns the indices of strings [N] by the Transform graph, each row with END: int32 [N, longest + 1]."""
        tokens = tf.cast(self.transform({feature: text[:, tf.newaxis]})[output], tf.int32)
        return tf.concat([tokens, tf.fill([tf.shape(text)[0], 1], END)], axis=1).to_tensor(PADDING)

    def _index_or_refuse(self, sent: tf.Tensor, feature: str, output: str, name: str) -> tf.Tensor:
        """Returns what `_index` returns for strings [N], cleaned.

        Raises (in the graph, as INVALID_ARGUMENT): a string is empty, too long, no UTF-8, or has an unknown token that is not
        to be replaced. A right answer may be empty.
        """
        reading = self._readings[feature]
        text = self.clean(sent)
        indices = self._index(text, feature, output)
        lengths = tf.reduce_sum(tf.cast(indices >= UNKNOWN, tf.int32), axis=1)
        unknown = indices == UNKNOWN
        if feature == EXPRESSION and self._how.unknown == "replace":
            unknown = tf.zeros_like(unknown)
        wrong_length = (lengths < (1 if feature == EXPRESSION else 0)) | (lengths > reading.longest)

        def describe(row: tf.Tensor) -> tf.Tensor:
            where = self.place(name, row, sent, text)
            return self.describe_string(where, text[row], unknown[row], wrong_length[row], reading)

        refused = wrong_length | unreadable(text) | tf.reduce_any(unknown, axis=1)
        with tf.control_dependencies([self.refuse(refused, describe)]):
            return tf.identity(indices)


def _begun(said: tf.Tensor) -> tf.Tensor:
    """Returns the beginnings before each token of answers int32 [N, length]."""
    return tf.concat([tf.fill([tf.shape(said)[0], 1], BEGIN), said[:, :-1]], axis=1)


def _sparse(indices: tf.Tensor) -> tf.SparseTensor:
    """Returns the tokens of rows int32 [N, length], without special indices, as edit_distance takes them.

    An unknown token stays. No model says it.
    """
    return tf.RaggedTensor.from_row_lengths(
        tf.boolean_mask(indices, indices >= UNKNOWN), tf.reduce_sum(tf.cast(indices >= UNKNOWN, tf.int64), axis=1)
    ).to_sparse()

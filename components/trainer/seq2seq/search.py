"""Search for answers: greedy, and with a beam. Both stop when nothing can change any more."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from components.trainer.seq2seq.inference import Memory, Network
from components.trainer.seq2seq.network import FIRST_CLASS
from components.transform.token_pairs import BEGIN, END, PADDING, UNKNOWN

# Log-probability of what cannot be said; finite, so that no NaN comes of it.
_NEVER = -1e9

# Log-probability of an answer that does not exist: the least float32, since JSON has no infinity.
IMPOSSIBLE = tf.float32.min


def greedy(networks: Sequence[Network], memories: Sequence[Memory], limit: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes the most likely token at every step.

    Args:
      networks: Those whose mean probabilities count.
      memories: What each of them remembers of inputs.
      limit: Most tokens of an answer. Then it ends, whatever is likelier.

    Returns:
      Answers, int32 [N, steps], each with END and then padding; and their natural-log probabilities, float32 [N].
    """
    rows = tf.shape(memories[0].keys)[0]

    def step(
        index: tf.Tensor, token: tf.Tensor, done: tf.Tensor, log_prob: tf.Tensor, said: tf.TensorArray, *states: Any
    ) -> tuple[Any, ...]:
        probabilities, after = _step(networks, memories, states, token)
        best, probability = _best(probabilities, index == limit)
        token = tf.where(done, PADDING, best)
        log_prob += tf.where(done, 0.0, tf.math.log(probability))
        return index + 1, token, done | (best == END), log_prob, said.write(index, token), *after

    said = tf.TensorArray(tf.int32, size=0, dynamic_size=True, element_shape=[None])
    _, _, _, log_prob, said, *_ = tf.while_loop(
        lambda index, token, done, *_: (index <= limit) & ~tf.reduce_all(done),
        step,
        (
            tf.constant(0),
            tf.fill([rows], BEGIN),
            tf.zeros([rows], tf.bool),
            tf.zeros([rows]),
            # One step that says nothing, so that there is something to stack if there are no rows.
            said.write(0, tf.zeros([rows], tf.int32)),
            *_begin(networks, rows),
        ),
        parallel_iterations=1,
    )
    return tf.transpose(said.stack()), log_prob


def beam(
    networks: Sequence[Network],
    memories: Sequence[Memory],
    limit: int,
    width: tf.Tensor | int,
    answers: tf.Tensor | int,
    length_penalty: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Keeps the best beginnings of answers.

    A row is over when as many answers as asked for are better than all that what is not finished can become. Two beginnings are
    never the same, so no answer comes twice.

    Args:
      networks: Those whose mean probabilities count.
      memories: What each of them remembers of inputs.
      limit: Most tokens of an answer.
      width: Beginnings to keep.
      answers: Answers to return, at most `width`.
      length_penalty: Power of the length, END included, by which log-probabilities are divided to compare answers.

    Returns:
      Answers, int32 [N, answers, steps], best first, each with END and then padding, and their natural-log probabilities,
      float32 [N, answers]: IMPOSSIBLE, and no token, where there are not so many.
    """
    rows = tf.shape(memories[0].keys)[0]
    # Each input `width` times, one after the other.
    memories = [Memory(*(tf.repeat(part, width, axis=0) for part in (m.keys, m.values, m.padding))) for m in memories]
    first = tf.repeat(tf.range(rows) * width, width)  # where each beginning's row begins

    def lengths(said: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(said != PADDING, tf.float32), axis=-1)

    def normalized(log_prob: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        return log_prob / tf.maximum(length, 1.0) ** length_penalty if length_penalty else log_prob

    def going_on(index: tf.Tensor, token: tf.Tensor, log_prob: tf.Tensor, said: tf.Tensor, *_: Any) -> tf.Tensor:
        ended = tf.reshape((token == END) | (token == PADDING), [rows, width])
        score = normalized(log_prob, lengths(said))
        finished = tf.where(ended & (log_prob > _NEVER / 2), score, IMPOSSIBLE)
        enough = tf.math.top_k(finished, answers).values[:, -1]
        # Longer answers are less likely, and divided by more.
        possible = tf.reduce_max(tf.where(ended, IMPOSSIBLE, normalized(log_prob, float(limit + 1))), axis=1)
        return (index <= limit) & tf.reduce_any(possible > enough)

    def step(
        index: tf.Tensor, token: tf.Tensor, log_prob: tf.Tensor, said: tf.Tensor, *states: tf.Tensor
    ) -> tuple[Any, ...]:
        ended = (token == END) | (token == PADDING)
        probabilities, after = _step(networks, memories, states, token)
        classes = probabilities.shape[-1]
        gained = tf.math.log(probabilities) + _barred(classes, index == limit)
        # What has ended goes on in one way, instead of END, which costs nothing and says PADDING.
        once = tf.one_hot(END - FIRST_CLASS, classes, 0.0, _NEVER)
        gained = tf.reshape(tf.where(ended[:, tf.newaxis], once, gained), [rows, width, classes])
        log_probs = log_prob[:, :, tf.newaxis] + gained
        length = tf.reshape(lengths(said), [rows, width, 1]) + tf.cast(~tf.reshape(ended, [rows, width, 1]), tf.float32)
        _, chosen = tf.math.top_k(tf.reshape(normalized(log_probs, length), [rows, width * classes]), width)
        log_prob = tf.gather(tf.reshape(log_probs, [rows, width * classes]), chosen, batch_dims=1)
        origin = first + tf.reshape(chosen // classes, [-1])
        token = tf.reshape(chosen % classes, [-1]) + FIRST_CLASS
        token = tf.where(tf.gather(ended, origin), PADDING, token)
        before = tf.gather(tf.reshape(said, [rows * width, index]), origin)
        said = tf.reshape(tf.concat([before, token[:, tf.newaxis]], axis=1), [rows, width, index + 1])
        return index + 1, token, log_prob, said, *(tf.gather(state, origin) for state in after)

    start = tf.one_hot(0, width, 0.0, _NEVER)  # all beginnings are the same, so only one counts
    states = _begin(networks, rows * width)
    variables = (
        tf.constant(0),
        tf.fill([rows * width], BEGIN),
        tf.repeat(start[tf.newaxis], rows, axis=0),
        tf.zeros([rows, width, 0], tf.int32),
        *states,
    )
    shapes = [tf.TensorShape(shape) for shape in ([], [None], [None, None], [None, None, None])]
    _, _, log_prob, said, *_ = tf.while_loop(
        going_on,
        step,
        variables,
        shape_invariants=(*shapes, *(tf.TensorShape([None, state.shape[1]]) for state in states)),
        parallel_iterations=1,
    )
    ended = tf.reduce_any(said == END, axis=-1) & (log_prob > _NEVER / 2)
    score = tf.where(ended, normalized(log_prob, lengths(said)), IMPOSSIBLE)
    _, order = tf.math.top_k(score, answers)
    log_prob = tf.where(ended, log_prob, IMPOSSIBLE)
    said = tf.where(ended[..., tf.newaxis], said, PADDING)
    return tf.gather(said, order, batch_dims=1), tf.gather(log_prob, order, batch_dims=1)


def _step(
    networks: Sequence[Network], memories: Sequence[Memory], states: Sequence[tf.Tensor], token: tf.Tensor
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Returns the networks' mean probabilities of each class, [N, classes], and all states after the step."""
    said: list[tf.Tensor] = []
    after: list[tf.Tensor] = []
    for index, (network, memory) in enumerate(zip(networks, memories, strict=True)):
        output, cell = states[2 * index : 2 * index + 2]
        probabilities, state = network.step(memory, (output, cell), token)
        said.append(probabilities)
        after += state
    return mean(said), after


def mean(values: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the mean of tensors of one shape."""
    return values[0] if len(values) == 1 else tf.add_n(list(values)) * (1 / len(values))


def _begin(networks: Sequence[Network], rows: tf.Tensor) -> list[tf.Tensor]:
    return [tensor for network in networks for tensor in network.begin(rows)]


def _barred(classes: int, last: tf.Tensor) -> tf.Tensor:
    """Returns what is added to log-probabilities: unknown tokens are not said, and of the last token only END is."""
    unknown = tf.one_hot(UNKNOWN - FIRST_CLASS, classes, _NEVER, 0.0)
    return tf.where(last, tf.one_hot(END - FIRST_CLASS, classes, 0.0, _NEVER), unknown)


def _best(probabilities: tf.Tensor, last: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the most likely tokens int32 [N] and their probabilities; END if it is the last."""
    classes = probabilities.shape[-1]
    open_ = tf.where(last, tf.one_hot(END - FIRST_CLASS, classes), 1 - tf.one_hot(UNKNOWN - FIRST_CLASS, classes))
    values, indices = tf.math.top_k(probabilities * open_, 1)
    return indices[:, 0] + FIRST_CLASS, values[:, 0]

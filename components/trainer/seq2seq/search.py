"""Search for answers: greedy, and with a beam. Both stop when nothing can change any more."""

from typing import Any

import tensorflow as tf

from components.trainer.seq2seq.inference import Memory, State, TrainedNetworks
from components.trainer.seq2seq.network import FIRST_CLASS
from components.transform.token_pairs import BEGIN, END, PADDING, UNKNOWN

# Log-probability of what cannot be said; finite, so that no NaN comes of it.
_NEVER = -1e9

# Log-probability of an answer that does not exist: the least float32, since JSON has no infinity.
IMPOSSIBLE = tf.float32.min


def greedy(networks: TrainedNetworks, memory: Memory, limit: int, plain: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes the most likely token at every step.

    Args:
      networks: Those whose mean probabilities count.
      memory: What they remember of inputs.
      limit: Most tokens of an answer. Then it ends, whatever is likelier.
      plain: Whether no operation within the loop has two outputs, of which TensorFlow.js knows the first only.

    Returns:
      Answers, int32 [N, steps], each with END and then padding; and the natural-log probability of each of their tokens, END
      included and 0 after it, float32 [N, steps].
    """
    rows = tf.shape(memory.padding)[0]
    open_, only_end = _open(networks.classes, last=False), _open(networks.classes, last=True)
    arrays = [
        tf.TensorArray(dtype, limit + 1, element_shape=[None], clear_after_read=False)
        for dtype in (tf.int32, tf.float32)
    ]

    # What has ended goes on, until all has: to leave it out is done once, behind the loop.
    # (The best probability is carried on because TensorFlow.js frees what is only written to an array.)
    def step(
        index: tf.Tensor,
        _: tf.Tensor,
        token: tf.Tensor,
        best: tf.Tensor,
        done: tf.Tensor,
        said: tf.TensorArray,
        found: tf.TensorArray,
        *state: tf.Tensor,
    ) -> tuple[Any, ...]:
        probabilities, after = networks.step(memory, State(*state), token)
        # At the last step all rows end.
        # (Where a whole tensor is chosen, the operation of TensorFlow 1 is ten times as fast.)
        sayable = tf.compat.v1.where(index == limit, only_end, open_)
        best, class_ = _best(probabilities * sayable, plain)
        token = class_ + FIRST_CLASS
        done |= token == END
        said, found = said.write(index, token), found.write(index, best)
        return index + 1, ~tf.reduce_all(done), token, best, done, said, found, after.gates, after.cell

    state = networks.begin(rows)
    begun, certain, open_rows = tf.fill([rows], BEGIN), tf.ones([rows]), tf.zeros([rows], tf.bool)
    count, _, _, _, _, said, found, *_ = tf.while_loop(
        lambda _, going_on, *__: going_on,
        step,
        # One step is made even if there are no rows, so that there is something to stack.
        (tf.constant(0), tf.constant(True), begun, certain, open_rows, *arrays, state.gates, state.cell),
        parallel_iterations=1,
    )
    said, found = (tf.transpose(array.gather(tf.range(count))) for array in (said, found))
    ended = tf.cumsum(tf.cast(said == END, tf.int32), axis=1, exclusive=True) > 0
    return tf.where(ended, PADDING, said), tf.where(ended, 0.0, tf.math.log(found))


def _best(probabilities: tf.Tensor, plain: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the largest probability of each row of [N, classes], float [N], and its class, int32 [N]."""
    if plain:
        return tf.reduce_max(probabilities, axis=1), tf.argmax(probabilities, axis=1, output_type=tf.int32)
    best, classes = tf.math.top_k(probabilities, 1)  # one operation instead of two
    return tf.squeeze(best, 1), tf.squeeze(classes, 1)


def beam(
    networks: TrainedNetworks,
    memory: Memory,
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
      memory: What they remember of inputs.
      limit: Most tokens of an answer.
      width: Beginnings to keep.
      answers: Answers to return, at most `width`.
      length_penalty: Power of the length, END included, by which log-probabilities are divided to compare answers.

    Returns:
      Answers, int32 [N, answers, steps], best first, each with END and then padding, and their natural-log probabilities,
      float32 [N, answers]: IMPOSSIBLE, and no token, where there are not so many.
    """
    rows = tf.shape(memory.padding)[0]
    # Each input `width` times, one after the other.
    memory = memory.take(tf.repeat(tf.range(rows), width))
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
        index: tf.Tensor, token: tf.Tensor, log_prob: tf.Tensor, said: tf.Tensor, *state: tf.Tensor
    ) -> tuple[Any, ...]:
        ended = (token == END) | (token == PADDING)
        probabilities, after = networks.step(memory, State(*state), token)
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
        after = after.take(origin)
        return index + 1, token, log_prob, said, after.gates, after.cell

    start = tf.one_hot(0, width, 0.0, _NEVER)  # all beginnings are the same, so only one counts
    state = networks.begin(rows * width)
    classes = networks.classes
    variables = (
        tf.constant(0),
        tf.fill([rows * width], BEGIN),
        tf.repeat(start[tf.newaxis], rows, axis=0),
        tf.zeros([rows, width, 0], tf.int32),
        state.gates,
        state.cell,
    )
    shapes = [tf.TensorShape(shape) for shape in ([], [None], [None, None], [None, None, None])]
    _, _, log_prob, said, *_ = tf.while_loop(
        going_on,
        step,
        variables,
        shape_invariants=(
            *shapes,
            *(tf.TensorShape([*part.shape[:-2], None, part.shape[-1]]) for part in (state.gates, state.cell)),
        ),
        parallel_iterations=1,
    )
    ended = tf.reduce_any(said == END, axis=-1) & (log_prob > _NEVER / 2)
    score = tf.where(ended, normalized(log_prob, lengths(said)), IMPOSSIBLE)
    _, order = tf.math.top_k(score, answers)
    log_prob = tf.where(ended, log_prob, IMPOSSIBLE)
    said = tf.where(ended[..., tf.newaxis], said, PADDING)
    return tf.gather(said, order, batch_dims=1), tf.gather(log_prob, order, batch_dims=1)


def _barred(classes: int, last: tf.Tensor) -> tf.Tensor:
    """Returns what is added to log-probabilities: unknown tokens are not said, and of the last token only END is."""
    unknown = tf.one_hot(UNKNOWN - FIRST_CLASS, classes, _NEVER, 0.0)
    return tf.where(last, tf.one_hot(END - FIRST_CLASS, classes, 0.0, _NEVER), unknown)


def _open(classes: int, *, last: bool) -> tf.Tensor:
    """Returns 1 for each class that may be said, else 0: no unknown token, and of the last token only END."""
    return tf.one_hot(END - FIRST_CLASS, classes) if last else 1 - tf.one_hot(UNKNOWN - FIRST_CLASS, classes)

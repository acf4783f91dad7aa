"""What the machine's matrix products allow at most: those of a training step alone, as fast as TensorFlow does them."""

import dataclasses
import time
from typing import Literal

import tensorflow as tf

from serving.contract.processors import count_processors


@dataclasses.dataclass(frozen=True)
class Product:
    """Products [rows, inner] times [inner, columns] of a training step.

    Attributes:
      rows: Rows of the left matrix.
      inner: What is summed over.
      columns: Columns of the right matrix.
      count: How many of them a step has.
      batch: Which dimension is the batch's rows, or those of all steps. It can be divided among the cores, each of which then
        has a product of its own.
    """

    rows: int
    inner: int
    columns: int
    count: int = 1
    batch: Literal["rows", "inner"] = "rows"

    def share(self, cores: int) -> "Product":
        """Returns one core's product."""
        return dataclasses.replace(self, **{self.batch: -(-getattr(self, self.batch) // cores)})

    @property
    def operations(self) -> float:
        """Floating-point operations of all of them."""
        return 2.0 * self.rows * self.inner * self.columns * self.count


def recurrence(batch: int, units: int, steps: int) -> list[Product]:
    """Returns the products of an LSTM's steps, each as large as it can be.

    Those that every step waits for, forward and backward; and that of the kernel's gradient, one for all steps. None for a
    one-hot vector, which only selects a row of the kernel.

    Args:
      batch: Rows.
      units: Width.
      steps: How many have a state before them that is not zero.
    """
    gates = 4 * units
    forward, backward = Product(batch, units, gates, steps), Product(batch, gates, units, steps)
    return [forward, backward, Product(units, steps * batch, gates, batch="inner")]


def dense(rows: int, inner: int, columns: int) -> list[Product]:
    """Returns the products of a dense layer, forward and backward; one for all steps, or for a vector that is repeated."""
    return [
        Product(rows, inner, columns),
        Product(rows, columns, inner),
        Product(inner, rows, columns, batch="inner"),
    ]


# Enough that a measurement is longer than the clock's and the scheduler's grain.
_OPERATIONS = 5e9


class Ceiling:
    """Measures how long a step's products take, each shape in a loop of its own.

    By TensorFlow's own kernels and by XLA, each dividing a product among the cores as it likes, and by XLA with a share of the
    batch for each core. What counts is the fastest, shape by shape.
    """

    def __init__(self, products: list[Product]):
        cores = count_processors()
        ways = {(False, 1), (True, 1), (True, cores)}
        self._loops = [(product, [_loop(product, *way) for way in ways]) for product in products]

    def seconds(self) -> float:
        """Measures once and returns the seconds of a step's products."""
        return sum(
            product.count * min(_time(loop) / repetitions for loop, repetitions in loops)
            for product, loops in self._loops
        )


def _loop(product: Product, compiled: bool, cores: int) -> tuple[tf.types.experimental.GenericFunction, int]:
    """Returns a function that does a product again and again, and how often."""
    repetitions = max(1, int(_OPERATIONS * product.count / product.operations))
    share = product.share(cores)

    @tf.function(jit_compile=compiled, autograph=False)
    def multiply(lefts: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        nothing = tf.zeros([share.rows, share.columns])
        _, last = tf.while_loop(
            lambda index, _: index < repetitions,
            lambda index, _: (index + 1, tf.matmul(lefts[index % 4], right)),
            (0, nothing),
            parallel_iterations=1,
        )
        return last

    # Another left matrix in each repetition, so that none is done only once.
    operands = [
        (tf.random.normal([4, share.rows, share.inner]), tf.random.normal([share.inner, share.columns]))
        for _ in range(cores)
    ]

    @tf.function(autograph=False)
    def all_cores() -> list[tf.Tensor]:
        return [multiply(*both) for both in operands]

    return all_cores, repetitions


def _time(loop: tf.types.experimental.GenericFunction) -> float:
    begin = time.perf_counter()
    tf.nest.map_structure(lambda result: result.numpy(), loop())
    return time.perf_counter() - begin

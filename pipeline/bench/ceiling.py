"""What the machine's matrix products allow at most: those of a training step alone, as fast as TensorFlow does them."""

import dataclasses
import time

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Product:
    """Products [rows, inner] times [inner, columns] of a training step.

    Attributes:
      rows: Rows of the left matrix.
      inner: What is summed over.
      columns: Columns of the right matrix.
      count: How many of them a step has.
    """

    rows: int
    inner: int
    columns: int
    count: int = 1

    @property
    def operations(self) -> float:
        """Floating-point operations of all of them."""
        return 2.0 * self.rows * self.inner * self.columns * self.count


# Enough that a measurement is longer than the clock's and the scheduler's grain.
_OPERATIONS = 5e9


class Ceiling:
    """Measures how long a step's products take, each shape in a loop of its own, by XLA and by TensorFlow's own kernels.

    What counts is the faster of the two, shape by shape.
    """

    def __init__(self, products: list[Product]):
        self._loops = [(product, [_loop(product, compiled) for compiled in (True, False)]) for product in products]

    def seconds(self) -> float:
        """Measures once and returns the seconds of a step's products."""
        return sum(
            product.count * min(_time(loop) / repetitions for loop, repetitions in loops)
            for product, loops in self._loops
        )


def _loop(product: Product, compiled: bool) -> tuple[tf.types.experimental.GenericFunction, int]:
    """Returns a function that does a product again and again, and how often."""
    repetitions = max(1, int(_OPERATIONS * product.count / product.operations))
    # Another left matrix in each repetition, so that none is done only once.
    lefts = tf.random.normal([4, product.rows, product.inner])
    right = tf.random.normal([product.inner, product.columns])

    @tf.function(jit_compile=compiled, autograph=False)
    def multiply() -> tf.Tensor:
        nothing = tf.zeros([product.rows, product.columns])
        _, last = tf.while_loop(
            lambda index, _: index < repetitions,
            lambda index, _: (index + 1, tf.matmul(lefts[index % 4], right)),
            (0, nothing),
            parallel_iterations=1,
        )
        return last

    return multiply, repetitions


def _time(loop: tf.types.experimental.GenericFunction) -> float:
    begin = time.perf_counter()
    loop().numpy()
    return time.perf_counter() - begin

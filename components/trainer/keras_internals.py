"""The parts of Keras that it does not document and that the training needs, each behind a function of its own.

`tests/components/trainer/test_keras_internals.py` fails where a new version of Keras has changed one of them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

# What `fit` calls for `steps_per_execution` batches; it returns the logs.
StepFunction = Callable[[Iterator[Any]], dict[str, Any]]


def set_train_function(model: keras.Model, run: StepFunction) -> None:
    """Has `model.fit` run its training steps by a function."""
    model.make_train_function = lambda force=False: setattr(model, "train_function", run)


def set_training_step(model: keras.Model, step: Callable[..., None]) -> None:
    """Has `model.fit` run its training steps by a function of a batch's parts, `model.steps_per_execution` in one call."""

    @tf.function(autograph=False)
    def run(iterator: Iterator[Any]) -> None:
        def body(done: tf.Tensor) -> tuple[tf.Tensor]:
            step(*next(iterator))
            return (done + 1,)

        tf.while_loop(lambda done: done < model.steps_per_execution, body, (0,), parallel_iterations=1)

    def run_and_measure(iterator: Iterator[Any]) -> dict[str, Any]:
        run(iterator)
        return dict(model.get_metrics_result())

    set_train_function(model, run_and_measure)


def set_test_function(model: keras.Model, run: StepFunction) -> None:
    """Has `model.fit` and `model.evaluate` run their validation steps by a function."""
    model.make_test_function = lambda force=False: setattr(model, "test_function", run)


def build_metrics(model: keras.Model, batch: Any) -> None:
    """Makes the variables of a compiled model's metrics and optimizer, as `fit` would with its first batch.

    Args:
      model: A compiled model.
      batch: Any batch, for its shapes.
    """
    model._symbolic_build(data_batch=batch)


def skip_building(model: keras.Model) -> None:
    """Has `fit` build nothing by itself: `build_metrics` has done it."""
    model._maybe_symbolic_build = lambda *args, **kwargs: None


def record_loss(model: keras.Model, loss: tf.Tensor, weight: tf.Tensor) -> None:
    """Adds a step's loss to the mean that `fit` reports as `loss`.

    Args:
      model: A compiled model.
      loss: A scalar.
      weight: How much it counts, such as the step's number of rows.
    """
    model._loss_tracker.update_state(loss, sample_weight=weight)


def layer_connections(model: keras.Model) -> list[tuple[str, str]]:
    """Returns which layer feeds which, by name, each pair once, in the order of the layers."""
    pairs = (
        (parent.operation.name, layer.name)
        for layer in model.layers
        for node in layer._inbound_nodes
        for parent in node.parent_nodes
    )
    names = {layer.name for layer in model.layers}
    return [pair for pair in dict.fromkeys(pairs) if names.issuperset(pair)]

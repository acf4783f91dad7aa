"""Training on several machines: synchronous data parallelism under MultiWorkerMirroredStrategy.

TF_CONFIG says who the workers are, as TFJob of Kubeflow sets it. Every worker makes the whole sequence of batches, a pure
function of the seed, and takes its share of each, so that the result is that of one process with the same batches.

Keras 3.15 does not know this strategy in `fit` (keras-team/keras issue 20585): it adds up what other workers hold, which only
they can see. Here a step is run by the strategy itself, and metrics are read from their variables, which it does know.
"""

import functools
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.trainer.keras_internals import (
    StepFunction,
    build_metrics,
    set_test_function,
    set_train_function,
    skip_building,
)


def is_chief() -> bool:
    """Says whether this process writes checkpoints and the model: worker 0 does, and one that is alone."""
    task = _tf_config().get("task", {})
    return task.get("type", "worker") in ("chief", "worker") and int(task.get("index", 0)) == 0


@functools.cache
def worker_strategy() -> tf.distribute.Strategy | None:
    """Returns the strategy of this process's workers; None if it is alone.

    TensorFlow sets up how workers reach each other only before its first operation: a worker calls this first.
    """
    workers = _tf_config().get("cluster", {}).get("worker", [])
    return tf.distribute.MultiWorkerMirroredStrategy() if len(workers) > 1 else None


def share(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns batches of which each worker takes its share of the rows."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return batches.with_options(options)


def run_steps_by_strategy(model: keras.Model, strategy: tf.distribute.Strategy, batch: Any) -> None:
    """Has `model.fit` run its steps in a way that works with several workers.

    Args:
      model: A compiled model, made under the strategy.
      strategy: The workers' strategy.
      batch: Any batch, for the shapes that metrics are made with.
    """
    with strategy.scope():
        build_metrics(model, batch)
    skip_building(model)
    train, test = (_step_function(model, strategy, step) for step in (model.train_step, model.test_step))
    set_train_function(model, train)
    set_test_function(model, test)


def plain_copy(model: keras.Model, build: Callable[[], keras.Model]) -> keras.Model:
    """Returns a model with the same weights that belongs to no strategy, so that this process alone can use and export it."""
    copy = build()
    for target, source in zip(copy.variables, model.variables, strict=True):
        target.assign(np.asarray(source))
    return copy


def _step_function(model: keras.Model, strategy: tf.distribute.Strategy, step: Callable[[Any], Any]) -> StepFunction:
    @tf.function  # type: ignore[untyped-decorator]
    def run(iterator: Iterator[Any]) -> None:
        strategy.run(step, args=(next(iterator),))

    def run_and_measure(iterator: Iterator[Any]) -> dict[str, Any]:
        run(iterator)
        return dict(model.get_metrics_result())

    return run_and_measure


def _tf_config() -> dict[str, Any]:
    return dict(json.loads(os.environ.get("TF_CONFIG") or "{}"))

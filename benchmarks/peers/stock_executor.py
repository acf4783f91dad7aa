"""The ExampleGen executor that one writes by TFX's guide: a row at a time in Python. And Beam's own worker processes."""

import random
import shlex
import sys
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor

LARGEST = 99


class StockRunner(FnApiRunner):
    """Beam's local runner as `--direct_running_mode=multi_processing` makes it, but for two things that would not work here.

    Python's path is quoted for the shell; and the worker imports TFX before TFDV, which cannot be imported before it.
    """

    def __init__(self) -> None:
        command = f"{shlex.quote(sys.executable)} -m pipeline.beam.worker"
        super().__init__(default_environment=SubprocessSDKEnvironment.from_command_string(command))


class StockExecutor(BaseExampleGenExecutor):
    """Generates sums of two numbers from 1 to 99, as many as the custom config says under `count`."""

    def GetInputSourceToExamplePTransform(self) -> Any:  # noqa: N802 (TFX's name)
        """Returns the transform from nothing to tf.Examples."""
        return _generate


@beam.ptransform_fn
def _generate(pipeline: beam.Pipeline, exec_properties: dict[str, Any], split_pattern: str) -> beam.PCollection:
    count = int(split_pattern)
    return pipeline | beam.Create([None]) | beam.FlatMap(lambda _: range(count)) | beam.Map(_make_example)


def _make_example(index: int) -> tf.train.Example:
    generator = random.Random(index)  # noqa: S311 (nothing is secret)
    first, second = generator.randint(1, LARGEST), generator.randint(1, LARGEST)
    carries = int(first % 10 + second % 10 > 9) + int(first + second > 99)
    digits = sorted((len(str(first)), len(str(second))), reverse=True)
    text = {
        "expression": f"{first}+{second}",
        "answer": str(first + second),
        "digits": "+".join(map(str, digits)),
    }
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()])) for name, value in text.items()
    }
    features["carries"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[carries]))
    return tf.train.Example(features=tf.train.Features(feature=features))

"""The generator of words, with the product's way of writing splits."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import Channel, standard_artifacts

from components.example_gen import shards, splits
from components.example_gen.component import ExampleGenSpec
from components.example_gen.executor import ShardedExecutor, WriteShard
from components.settings import from_json, to_json
from shouting.family import ShoutingData


class WriteWords(WriteShard):
    """Writes all words as one shard."""

    def batches(self, source: int) -> Iterator[shards.SplitBatch]:
        """Yields the words, and on which side of the split each is."""
        data = from_json(ShoutingData, self._data_json)
        draw = np.random.default_rng(source)
        words = sorted({"".join(draw.choice(list(data.letters), data.length)) for _ in range(data.count)})
        columns = {"expression": words, "answer": [word.upper() for word in words]}
        batch = pa.RecordBatch.from_pydict({k: pa.array([[w.encode()] for w in v]) for k, v in columns.items()})
        yield batch, splits.sides(data, draw.random(len(words)))


class ShoutingExecutor(ShardedExecutor):
    """One shard."""

    def _shards(self, data_json: str) -> list[int]:
        return [17]

    def _write(self) -> WriteWords:
        return WriteWords()


class ShoutingExampleGen(BaseBeamComponent):
    """Generates words: features `expression` and `answer`."""

    SPEC_CLASS = ExampleGenSpec
    EXECUTOR_SPEC = BeamExecutorSpec(ShoutingExecutor)

    def __init__(self, data: ShoutingData):
        super().__init__(
            ExampleGenSpec(data=to_json(data), fingerprint="", examples=Channel(type=standard_artifacts.Examples))
        )

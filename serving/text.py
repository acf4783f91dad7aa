"""Text from a served language model: whole, or streamed over plain Predict calls.

>>> with Client("localhost:8500") as client:
...     generate(client, ["It was a "], Sampling(length=20, seed=1)).strings("text")
['dark and stormy nigh']
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from serving.arrays import Array, Value
from serving.client import Client, Prediction

_STEP_SIGNATURE = "step"

DEFAULT_MODEL = "text"


@dataclass(frozen=True)
class Sampling:
    """How a text is written.

    Attributes:
      length: Characters to write.
      temperature: The logits are divided by it; 0 takes the most likely character each time.
      top_k: Only the k most likely characters are drawn from; 0 is all.
      top_p: Only the most likely characters that together have at least this probability; 1 is all.
      seed: The same seed gives the same text.
    """

    length: int = 200
    temperature: float = 0.7
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def inputs(self, prompts: int) -> dict[str, Array]:
        """Returns the model's inputs, one value for each of `prompts` rows: servers batch rows of different requests."""
        values = {
            "length": np.int32(self.length),
            "temperature": np.float32(self.temperature),
            "top_k": np.int32(self.top_k),
            "top_p": np.float32(self.top_p),
            "seed": np.int64(self.seed),
        }
        return {name: np.full([prompts], value) for name, value in values.items()}


@dataclass(frozen=True)
class Chunk:
    """A part of a text that is being written.

    Attributes:
      text: The part.
      model: The model that writes it.
      version: Its version, the same for all parts.
    """

    text: str
    model: str
    version: int


def generate(
    client: Client,
    prompts: Sequence[str],
    sampling: Sampling,
    *,
    model: str = DEFAULT_MODEL,
    version: int | None = None,
    label: str | None = None,
) -> Prediction:
    """Continues prompts in one call: output `text`, without the prompts. An empty prompt begins a text.

    Raises:
      PredictionError: The server refused, or could not be reached.
    """
    inputs: dict[str, Value] = {"prompt": list(prompts), **sampling.inputs(len(prompts))}
    return client.predict(inputs, model=model, version=version, label=label)


def stream(
    client: Client,
    prompt: str,
    sampling: Sampling,
    *,
    chunk: int = 32,
    model: str = DEFAULT_MODEL,
    version: int | None = None,
    label: str | None = None,
) -> Iterator[Chunk]:
    """Yields a text as it is written, the same one as `generate` gives for the same seed.

    The model's state travels with the calls, so that any server of that version can answer any of them.

    Args:
      client: The client.
      prompt: What to continue.
      sampling: How to write.
      chunk: Characters of a call.
      model: The model.
      version: Its version; by default the one that answers first, to the end.
      label: The label of a version.

    Raises:
      PredictionError: The server refused, or could not be reached; also when the version is gone before the text is done.
    """
    state = np.zeros([1, 0], np.float32)
    left = sampling.length
    while left > 0:
        inputs: dict[str, Value] = {"prompt": [prompt], "state": state, **sampling.inputs(1)}
        inputs["length"] = np.array([min(chunk, left)], np.int32)
        answer = client.predict(inputs, model=model, version=version, label=label, signature=_STEP_SIGNATURE)
        yield Chunk(answer.strings("text")[0], answer.model, answer.version)
        prompt, state, left = "", answer.outputs["state"], left - chunk
        version, label = answer.version, None

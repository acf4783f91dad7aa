"""Text from a served language model: whole, or streamed over plain Predict calls.

>>> with Client("localhost:8500") as client:
...     generate(client, ["It was a "], Sampling(length=20, seed=1)).strings("text")
['dark and stormy nigh']

:func:`generate_async` and :func:`stream_async` are the same for asyncio.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from charseq_client.arrays import Value
from charseq_client.asynchronous import AsyncClient
from charseq_client.blocking import Client, Prediction
from charseq_client.tensors import Tensor

_STEP_SIGNATURE = "step"

# Fields of Sampling, which are inputs of the model, and their types.
_TYPES = {"length": "int32", "temperature": "float32", "top_k": "int32", "top_p": "float32", "seed": "int64"}

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

    def inputs(self, prompts: int) -> dict[str, Value]:
        """Returns the model's inputs, one value for each of `prompts` rows: servers batch rows of different requests."""
        return {name: Tensor.of([getattr(self, name)] * prompts, kind) for name, kind in _TYPES.items()}


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
    return client.predict(_inputs(prompts, sampling), model=model, version=version, label=label)


async def generate_async(
    client: AsyncClient,
    prompts: Sequence[str],
    sampling: Sampling,
    *,
    model: str = DEFAULT_MODEL,
    version: int | None = None,
    label: str | None = None,
) -> Prediction:
    """Continues prompts in one call; see :func:`generate`."""
    return await client.predict(_inputs(prompts, sampling), model=model, version=version, label=label)


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

    The model's state travels with the calls, so that any server of that version can answer any of them. There is always one
    call at least: a prompt or a length that the model refuses is refused, and a text of no characters is one empty chunk.

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
    text = _Text(prompt, sampling, chunk, model, version, label)
    while not text.done:
        yield text.take(client.predict(**text.next_call()))


async def stream_async(
    client: AsyncClient,
    prompt: str,
    sampling: Sampling,
    *,
    chunk: int = 32,
    model: str = DEFAULT_MODEL,
    version: int | None = None,
    label: str | None = None,
) -> AsyncIterator[Chunk]:
    """Yields a text as it is written; see :func:`stream`."""
    text = _Text(prompt, sampling, chunk, model, version, label)
    while not text.done:
        yield text.take(await client.predict(**text.next_call()))


def _inputs(prompts: Sequence[str], sampling: Sampling) -> dict[str, Value]:
    return {"prompt": list(prompts), **sampling.inputs(len(prompts))}


class _Text:
    """A text that is written call by call.

    Attributes:
      done: Whether all characters are written.
    """

    def __init__(
        self, prompt: str, sampling: Sampling, chunk: int, model: str, version: int | None, label: str | None
    ) -> None:
        if chunk < 1:
            raise ValueError(f"chunk is {chunk}; give at least 1.")
        self.done = False
        self._left = sampling.length
        self._prompt, self._sampling, self._chunk = prompt, sampling, chunk
        self._model, self._version, self._label = model, version, label
        self._state: Value = Tensor.of([], "float32", (1, 0))

    def next_call(self) -> dict[str, Any]:
        """Returns the arguments of `predict` for the next part."""
        inputs = {**_inputs([self._prompt], self._sampling), "state": self._state}
        inputs["length"] = Tensor.of([min(self._chunk, self._left)], "int32")
        where = {"model": self._model, "version": self._version, "label": self._label}
        return {"inputs": inputs, "signature": _STEP_SIGNATURE, **where}

    def take(self, answer: Prediction) -> Chunk:
        """Returns what an answer adds to the text."""
        self._prompt, self._state = "", answer.outputs["state"]
        self._version, self._label = answer.version, None
        self._left -= self._chunk
        self.done = self._left <= 0
        return Chunk(answer.strings("text")[0], answer.model, answer.version)

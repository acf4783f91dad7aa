"""Batches of requests with different shapes, and batching parameters that a model brings."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charseq_client import Client
from charseq_client.arrays import from_proto, to_proto
from serving.server.batching.inputs import concatenate, kind_of, padded_shapes
from tests.serving.conftest import Push
from tests.serving.processes import RunningServer, running_server

pytestmark = pytest.mark.e2e

_NO_PATIENCE_S = 5


def _ask_wide(client: Client, number: int) -> None:
    """Asks with an input of 1 + number and one of 4 - number columns; both are answered as the largest of all."""
    x = np.arange(2.0 + 2 * number, dtype=np.float32).reshape(1, 1 + number, 2) + 100 * number
    text = [[f"{number}.{column}" for column in range(4 - number)]]
    prediction = client.predict({"x": x, "text": text}, model="numbers", signature="wide")
    padding = ((0, 0), (0, 3 - number), (0, 0))
    assert prediction.outputs["x"].tolist() == np.pad(x, padding, constant_values=x[0, 0, 0]).tolist()
    assert prediction.strings("text") == text[0] + [text[0][0]] * number


def _ask_all(server: RunningServer) -> float:
    """Asks with inputs of four shapes at a time; returns how many seconds that took."""
    started = time.monotonic()
    with Client(server.target) as client, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: _ask_wide(client, number), range(4)))
    return time.monotonic() - started


_FOUR_PADDED = "max_batch_size { value: 4 } batch_timeout_micros { value: 20000000 } pad_variable_length_inputs: true"


def test_requests_of_different_shapes_share_a_batch(tmp_path: Path, numbers_model: Path, push: Push) -> None:
    push(numbers_model, tmp_path / "serving" / "numbers", 1)
    (tmp_path / "batching.config").write_text(_FOUR_PADDED)
    arguments = ("--enable_batching", f"--batching_parameters_file={tmp_path / 'batching.config'}")
    with running_server(tmp_path, f"--serving_dir={tmp_path / 'serving'}", *arguments) as server:
        # Had they not shared one, which is full with them, each would have waited for the time to be over.
        assert _ask_all(server) < _NO_PATIENCE_S


def test_a_model_brings_its_own_parameters(
    tmp_path: Path, shout_models: dict[int, Path], numbers_model: Path, judge_model: Path, push: Push
) -> None:
    serving_dir = tmp_path / "serving"
    for name, model, content in (
        ("numbers", numbers_model, _FOUR_PADDED),
        ("judge", judge_model, "max_batch_size { value: 8 } allowed_batch_sizes: 4"),
        ("shout", shout_models[1], None),
    ):
        aside = push(model, tmp_path / "aside" / name, 1)
        if content is not None:
            (aside / "batching_params.pbtxt").write_text(content)
        push(aside, serving_dir / name, 1)
    # Whoever was batched by these would wait for a minute.
    (tmp_path / "batching.config").write_text(
        "max_batch_size { value: 64 } batch_timeout_micros { value: 60000000 } num_batch_threads { value: 2 }"
    )
    arguments = [f"--serving_dir={serving_dir}", "--max_num_load_retries=0", "--enable_batching"]
    arguments += [f"--batching_parameters_file={tmp_path / 'batching.config'}"]
    arguments += ["--enable_per_model_batching_parameters"]
    with running_server(tmp_path, *arguments) as server, Client(server.target) as client:
        assert _ask_all(server) < _NO_PATIENCE_S
        started = time.monotonic()
        assert client.predict({"text": ["ab"]}, model="shout").strings("text") == ["1:ab:AB"]
        assert time.monotonic() - started < _NO_PATIENCE_S, "a model without parameters is not batched"
        (status,) = client.status("judge")
        assert status.state == "END"
        assert "batching_params.pbtxt: allowed_batch_sizes must ascend and end with max_batch_size, 8" in (
            status.error_message
        )


def _as_field(proto: Any) -> Any:
    """Writes a tensor of floats as one value for each element, instead of its bytes."""
    values = np.frombuffer(proto.tensor_content, np.float32).tolist()
    proto.ClearField("tensor_content")
    proto.float_val.extend(values)
    return proto


@pytest.mark.parametrize("layout", ["bytes", "field", "strings"])
def test_padding_in_every_layout(layout: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        rank = int(rng.integers(1, 5))
        arrays = []
        for _ in range(int(rng.integers(1, 5))):
            shape = rng.integers(1, 4, rank)
            array = rng.integers(0, 100, shape).astype(np.float32)
            arrays.append(array.astype("S").astype(object) if layout == "strings" else array)
        protos = [to_proto("x", array) for array in arrays]
        if layout == "field":
            protos = [_as_field(proto) for proto in protos]
        rows = sum(len(array) for array in arrays)
        shapes = padded_shapes([[("x", proto)] for proto in protos], rows + 2)
        assert shapes is not None
        assert len({kind_of([("x", proto)], pad=True)[0] for proto in protos}) == 1
        largest = np.max([array.shape for array in arrays], axis=0)[1:]
        expected = []
        for array in arrays:
            whole = np.full((len(array), *largest), array.ravel()[0], array.dtype)
            whole[tuple(map(slice, array.shape))] = array
            expected.append(whole)
        together = from_proto(concatenate(protos, rows, shapes[0])).tolist()
        wanted = np.concatenate([*expected, expected[-1][-1:], expected[-1][-1:]]).tolist()
        assert together == wanted


def test_what_is_not_padded() -> None:
    short, long = to_proto("x", [[1.0]]), to_proto("x", np.zeros([1, 1 << 24], np.float32))
    batch = [[("x", short)], [("x", long)]]
    assert kind_of(batch[0], pad=True) == kind_of(batch[1], pad=True)
    assert padded_shapes(batch, 2) is None, "one request cannot make many others as large as itself"
    assert padded_shapes([batch[1], batch[1]], 2) == [(2, 1 << 24)]
    empty = to_proto("x", np.zeros([1, 0], np.float32))
    assert kind_of([("x", empty)], pad=True) != kind_of(batch[0], pad=True)

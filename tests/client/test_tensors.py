"""Tensors without numpy, held against those with it."""

import sys
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from charseq_client import arrays, tensors
from charseq_client.arrays import from_proto, to_proto, to_tensor
from charseq_client.tensors import Tensor

_SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
_ARRAYS = st.sampled_from(sorted(tensors.DATA_TYPES)).flatmap(lambda name: hnp.arrays(name, _SHAPES))


@pytest.fixture
def no_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_import_numpy", lambda: None)


@given(_ARRAYS)
def test_numbers_are_read_alike_without_numpy(array: np.ndarray) -> None:
    for proto in (to_proto("x", array), tf.make_tensor_proto(array)):
        nested = tensors.nest(tensors.read_numbers(proto, array.size), array.shape)
        np.testing.assert_array_equal(np.array(nested, array.dtype).reshape(array.shape), array)


@given(
    st.lists(
        st.one_of(
            st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(width=32), st.complex_numbers(allow_nan=False)
        )
    )
)
def test_python_numbers_get_the_types_that_numpy_and_tensorflow_give_them(values: list[Any]) -> None:
    if {type(value) for value in values} <= {int, bool} and min(values, default=0) < 0 and max(values) >= 2**63:
        with pytest.raises(ValueError, match="too large"):
            to_tensor("x", values)
        return
    tensor = to_tensor("x", values)
    array = from_proto(tensor.to_proto())

    kind = tensors.number_type(tensor).name
    if kind == "float32":
        np.testing.assert_array_equal(array, np.array(values, np.float64).astype(np.float32))
    else:
        np.testing.assert_array_equal(array, np.array(values, kind))


@given(_ARRAYS.filter(lambda array: array.ndim > 0), st.integers(0, 4), st.integers(0, 4))
def test_rows_are_those_of_the_array(array: np.ndarray, start: int, length: int) -> None:
    start = min(start, len(array))
    rows = to_tensor("x", array).rows(start, start + length)

    np.testing.assert_array_equal(from_proto(rows.to_proto()), array[start : start + length])


def test_rows_of_strings_and_a_sum_of_parts(no_numpy: None) -> None:
    tensor = to_tensor("x", [["a", "b"], ["c", "d"], ["e", "f"]])
    parts = [from_proto(tensor.rows(0, 2).to_proto()), from_proto(tensor.rows(2, 4).to_proto())]

    assert arrays.concatenate(parts) == [[b"a", b"b"], [b"c", b"d"], [b"e", b"f"]]
    assert arrays.elements(parts[0]) == [b"a", b"b", b"c", b"d"]


def test_without_numpy_outputs_are_nested_lists(no_numpy: None) -> None:
    assert from_proto(to_proto("x", [[1, 2], [3, 4]])) == [[1, 2], [3, 4]]
    assert from_proto(to_proto("x", 2.5)) == 2.5
    assert from_proto(to_proto("x", "é")) == "é".encode()
    assert from_proto(tf.make_tensor_proto(7, shape=[2, 2])) == [[7, 7], [7, 7]]


def test_numpy_is_not_imported_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "numpy")

    assert to_proto("x", [1.5]).tensor_content == np.array([1.5], "<f4").tobytes()
    assert "numpy" not in sys.modules


@pytest.mark.parametrize(
    ("value", "message"), [([None], "NoneType is no type"), ([2**64], "too large"), ([{}], "dict is no type")]
)
def test_what_is_no_tensor_is_named(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"'x'.*{message}"):
        to_proto("x", value)


def test_a_tensor_is_sent_as_it_is() -> None:
    assert from_proto(to_proto("seed", Tensor.of([3], "int64"))).dtype == np.int64
    with pytest.raises(ValueError, match="do not fit the type int32"):
        Tensor.of([2**31], "int32")

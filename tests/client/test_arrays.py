"""Arrays to TensorProto and back, held against TensorFlow's own conversion."""

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from charseq_client.arrays import from_proto, to_proto

_DTYPES = (
    *("float16", "float32", "float64", "complex64", "complex128", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
_SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@given(st.sampled_from(_DTYPES).flatmap(lambda name: hnp.arrays(name, _SHAPES)))
def test_tensorflow_reads_what_we_write_and_we_read_what_it_writes(array: np.ndarray) -> None:
    np.testing.assert_array_equal(tf.make_ndarray(to_proto("x", array)), array)
    as_content, as_values = tf.make_tensor_proto(array), tf.constant(array)
    np.testing.assert_array_equal(from_proto(as_content), array)
    assert from_proto(as_content).dtype == array.dtype
    assert from_proto(to_proto("x", array)).shape == tuple(as_values.shape)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_bytes_pass_unchanged(values: list[bytes]) -> None:
    array = np.empty(len(values), object)
    array[:] = values
    proto = to_proto("x", values) if values else to_proto("x", array)

    assert tf.make_ndarray(proto).tolist() == values
    assert from_proto(proto).tolist() == values


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        ([1, 2], tf.int32, (2,)),
        ([2**40], tf.int64, (1,)),
        (3, tf.int32, ()),
        ([[0.5], [1]], tf.float32, (2, 1)),
        ([True], tf.bool, (1,)),
        ("text", tf.string, ()),
        (("a", b"b"), tf.string, (2,)),
        (np.array(["a", "bc"]), tf.string, (2,)),
        (np.int64(3), tf.int64, ()),
        ([np.float64(1)], tf.float64, (1,)),
        (np.arange(4, dtype=">i4"), tf.int32, (4,)),
    ],
)
def test_python_values_get_the_types_that_tensorflow_gives_them(value: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    proto = to_proto("x", value)

    assert proto.dtype == dtype.as_datatype_enum
    assert tf.make_ndarray(proto).shape == shape
    np.testing.assert_array_equal(tf.make_ndarray(proto).astype(str), np.array(value).astype(str))


def test_text_of_the_command_line_goes_as_its_own_bytes() -> None:
    argument = b"\xff\xc3\xa9".decode("utf-8", "surrogateescape")

    assert list(to_proto("text", [argument, "é"]).string_val) == [b"\xff\xc3\xa9", "é".encode()]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1, 2], [3]], "ragged"),
        (["a", 1], "mixes strings with int"),
        (["\ud800"], "no UTF-8 form"),
        (np.array(["2020-01-01"], "datetime64[D]"), "no tensor has"),
    ],
)
def test_what_cannot_be_sent_is_named(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"'text'.*{message}"):
        to_proto("text", value)


def test_abbreviated_and_packed_strings() -> None:
    proto = tf.make_tensor_proto(7, tf.int32, [3])
    assert from_proto(proto).tolist() == [7, 7, 7]
    # As a server with --enable_serialization_as_tensor_content sends them: lengths first.
    content = tf.make_tensor_proto(["", ""], tf.string)
    content.ClearField("string_val")
    content.tensor_content = b"\x02\x80\x01" + b"ab" + b"c" * 128
    assert from_proto(content).tolist() == [b"ab", b"c" * 128]

"""Outputs in the wire format of a ``PredictResponse``, written without a message."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from charseq_client.arrays import from_proto
from charseq_client.messages import predict_pb2, types_pb2
from serving.contract.errors import ServingError
from serving.server.models.tensors import Encoder, Values, encode_as_content, encode_as_field

_DTYPES = {
    types_pb2.DT_FLOAT: np.float32,
    types_pb2.DT_DOUBLE: np.float64,
    types_pb2.DT_BOOL: np.bool_,
    types_pb2.DT_INT8: np.int8,
    types_pb2.DT_UINT16: np.uint16,
    types_pb2.DT_INT32: np.int32,
    types_pb2.DT_INT64: np.int64,
    types_pb2.DT_UINT64: np.uint64,
}
_SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
_BOTH = pytest.mark.parametrize("encode", [encode_as_field, encode_as_content])


@_BOTH
@given(alias=st.text(max_size=200), dtype=st.sampled_from(sorted(_DTYPES)), shape=_SHAPES, data=st.data())
def test_numbers_come_back(
    encode: Encoder, alias: str, dtype: int, shape: tuple[int, ...], data: st.DataObject
) -> None:
    array = data.draw(arrays.arrays(_DTYPES[dtype], shape))
    response = predict_pb2.PredictResponse.FromString(encode(alias, Values(dtype, shape, memoryview(array.tobytes()))))
    assert list(response.outputs) == [alias]
    assert response.outputs[alias].dtype == dtype
    np.testing.assert_array_equal(from_proto(response.outputs[alias]), array)


@_BOTH
@given(alias=st.text(max_size=200), strings=st.lists(st.binary(max_size=300), max_size=5))
def test_strings_come_back(encode: Encoder, alias: str, strings: list[bytes]) -> None:
    response = predict_pb2.PredictResponse.FromString(
        encode(alias, Values(types_pb2.DT_STRING, (len(strings),), strings))
    )
    assert from_proto(response.outputs[alias]).tolist() == strings


@_BOTH
def test_a_type_without_values_is_refused(encode: Encoder) -> None:
    with pytest.raises(ServingError, match="An output of type DT_VARIANT cannot be sent; export numbers or strings"):
        encode("x", Values(types_pb2.DT_VARIANT, (1,), b"12345678"))

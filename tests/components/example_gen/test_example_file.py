"""Examples as they are written: the same bytes in every process."""

import pyarrow as pa
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.example_file import encode_examples

ROWS = st.lists(
    st.tuples(
        st.lists(st.binary(max_size=300), max_size=3),
        st.none() | st.lists(st.integers(-(2**63), 2**63 - 1), max_size=200),
        st.lists(st.floats(width=32, allow_nan=False), max_size=3),
    ),
    min_size=1,
    max_size=5,
)


@given(ROWS)
def test_examples_are_those_of_tfx_with_features_by_name(rows):
    text, numbers, floats = zip(*rows, strict=True)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(text, pa.list_(pa.binary())),
            pa.array(numbers, pa.list_(pa.int64())),
            pa.array(floats, pa.list_(pa.float32())),
        ],
        ["text", "a number", "fl\u00f6te"],
    )
    parsed = [tf.train.Example.FromString(example) for example in RecordBatchToExamplesEncoder().encode(batch)]
    assert list(encode_examples(batch)) == [example.SerializeToString(deterministic=True) for example in parsed]


def test_ragged_columns_keep_the_names_of_tfx():
    schema = text_format.Parse(
        """
        feature { name: "tokens$ragged_values" type: INT }
        tensor_representation_group {
          key: ""
          value {
            tensor_representation {
              key: "tokens"
              value { ragged_tensor { feature_path { step: "tokens$ragged_values" } } }
            }
          }
        }
        """,
        schema_pb2.Schema(),
    )
    batch = pa.RecordBatch.from_arrays([pa.array([[1, 2], [3]], pa.list_(pa.int64()))], ["tokens"])
    expected = list(RecordBatchToExamplesEncoder(schema).encode(batch))
    assert list(encode_examples(batch, schema)) == expected
    assert expected != list(encode_examples(batch))

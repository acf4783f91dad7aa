"""Features that exist in statistics alone, made from those of the examples.

A schema declares one by `validation_derived_source`, with the name of its deriver and the feature that it is made from, and by
`lifecycle_stage: VALIDATION_DERIVED`: Transform and the models then pass it over. TFDV's own step that would make such features
does nothing in its public release.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2


def derive(batch: pa.RecordBatch, schema: schema_pb2.Schema) -> pa.RecordBatch:
    """Returns a batch with the derived features of a schema beside its own.

    Args:
      batch: Columns of lists, as TFXIO reads examples.
      schema: What is derived, and from what. A feature whose source the batch lacks is left out.

    Raises:
      ValueError: The schema names a deriver that does not exist.
    """
    for feature in schema.feature:
        if not feature.HasField("validation_derived_source"):
            continue
        declared = feature.validation_derived_source
        if declared.deriver_name not in _DERIVERS:
            raise ValueError(
                f"the schema's feature {feature.name} has the deriver {declared.deriver_name!r}; there are "
                f"{', '.join(_DERIVERS)}"
            )
        source = declared.source_path[0].step[0]
        if source in batch.schema.names:
            batch = batch.append_column(feature.name, _DERIVERS[declared.deriver_name](batch.column(source)))
    return batch


def _characters(texts: pa.Array) -> pa.Array:
    """Returns the characters of UTF-8 texts: lists of binary, a value for each character; of lists of binary."""
    values = pa.concat_arrays([texts.flatten()]).cast(pa.large_binary())
    # Copied, so that it begins at its first byte whatever it was a slice of.
    values = pa.array(values.to_pylist(), pa.large_binary()) if values.offset else values
    ends = np.frombuffer(values.buffers()[1], np.int64, len(values) + 1)
    encoded = np.frombuffer(values.buffers()[2] or b"", np.uint8)[: ends[-1]]
    # The bytes of a character behind its first one are 10xxxxxx.
    starts = np.flatnonzero((encoded & 0xC0) != 0x80)
    offsets = np.append(starts, len(encoded)).astype(np.int32)
    characters = pa.Array.from_buffers(
        pa.binary(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(encoded))]
    )
    # One list for each text's list: all characters of its values.
    of_value = np.searchsorted(starts, ends)
    lists = np.concatenate([[0], np.cumsum(texts.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))])
    return pa.ListArray.from_arrays(pa.array(of_value[lists].astype(np.int32)), characters)


_DERIVERS: Mapping[str, Callable[[pa.Array], pa.Array]] = MappingProxyType({"characters": _characters})

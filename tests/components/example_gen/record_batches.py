"""Tables of rows for tests."""

import pyarrow as pa


def table_of(rows):
    """Returns rows of two texts as the columns `input` and `target`."""
    columns = [pa.array([row[index] for row in rows], pa.string()) for index in range(2)]
    return pa.Table.from_arrays(columns, ["input", "target"])

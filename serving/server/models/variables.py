"""Whether a SavedModel's variables were there while it was loaded.

TensorFlow looks for their index when it comes to restore them. If the index is not there, it takes the model for one without
variables and reports no error, and every request fails. This happens to a version that is still being copied, and to one
whose folder is moved away while it is loaded.
"""

import os
from typing import Any

# Operations that stand for a variable in a graph; the last two are TensorFlow 1's.
_VARIABLES = frozenset({"VarHandleOp", "VariableV2", "Variable"})


def find_index(export_dir: str) -> tuple[int, int] | None:
    """Returns what tells the index of a version's variables from any other file: device and inode; None without an index.

    Args:
      export_dir: The version's folder. With a scheme, as in ``s3://``, it is not looked at.
    """
    if "://" in export_dir:
        return 0, 0
    try:
        status = os.stat(os.path.join(export_dir, "variables", "variables.index"))
    except OSError:
        return None
    return status.st_dev, status.st_ino


def restores_variables(meta_graph: Any) -> bool:
    """Says whether a ``MetaGraphDef`` has variables that are read from files."""
    return bool(meta_graph.saver_def.restore_op_name) and any(
        node.op in _VARIABLES for node in meta_graph.graph_def.node
    )

"""Names of local folders that TensorFlow and Beam take for names, not for patterns."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# TensorFlow restores a model's variables by a pattern (RestoreV2 asks Env::GetMatchingPaths), Beam looks for its temporary
# files by one, and neither has a way to escape what a folder's name has.
_PATTERN = re.compile(r"[*?\[\\]")


@contextmanager
def plain_name(folder: str) -> Iterator[str]:
    """Gives a folder a name without wildcards and backslashes, for a ``with`` statement.

    Args:
      folder: A folder that is there, or an address with a scheme, which is left as it is.

    Returns:
      A context manager: the folder itself if it needs no other name, else a link to it.

    Raises:
      OSError: no link can be made.
    """
    if "://" in folder or not _PATTERN.search(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="charseq-") as inner:
        if _PATTERN.search(inner):
            raise OSError(
                f"the folder for temporary files, {inner}, has a wildcard in its name; name another with TMPDIR"
            )
        link = os.path.join(inner, "folder")
        os.symlink(os.path.abspath(folder), link)
        yield link

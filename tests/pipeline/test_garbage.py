import gc
import subprocess
import sys

import pytest

from pipeline.garbage import importing

SCRIPT = """
import gc
from pipeline.garbage import importing
before = gc.get_stats()[0]["collections"]
with importing():
    [[] for _ in range(100_000)]
assert gc.get_stats()[0]["collections"] == before
frozen = gc.get_freeze_count()
assert frozen > 1000, frozen
"""


def test_nothing_is_collected_while_importing_and_what_was_imported_is_never_looked_at_again():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)


def test_garbage_is_collected_again_after_an_import_that_failed():
    with pytest.raises(ImportError), importing():
        raise ImportError
    gc.unfreeze()
    assert gc.isenabled()

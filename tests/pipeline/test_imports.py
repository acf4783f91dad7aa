import gc
import subprocess
import sys

import pytest

from pipeline.local.imports import importing

pytestmark = pytest.mark.e2e

SEARCHES = """
import gc
from pipeline.local.imports import importing
before = gc.get_stats()[0]["collections"]
with importing():
    [[] for _ in range(100_000)]
assert gc.get_stats()[0]["collections"] == before
frozen = gc.get_freeze_count()
assert frozen > 1000, frozen
[[] for _ in range(100_000)]
searches = gc.get_stats()[0]["collections"] - before
assert 1 <= searches <= 10, searches
"""

UNUSED = """
import sys
from pipeline.local.imports import importing
with importing():
    import pipeline.local.run
assert not {"sklearn", "pymongo"} & {name.partition(".")[0] for name in sys.modules}
import sklearn.base  # as ever, for whoever does need it
"""

LOOKED_AT = """
import sys
from pipeline.config.drafts import write_task
for family, file in (("pairs", "pairs.csv"), ("text", "book.txt"), ("series", "series.csv")):
    write_task(family + "-of-mine", family, (file,), (), False, False)
    assert "tensorflow" not in sys.modules, family
"""


def test_nothing_is_collected_while_importing_and_what_was_imported_is_never_looked_at_again():
    subprocess.run([sys.executable, "-c", SEARCHES], check=True)


def test_a_run_imports_without_what_it_does_not_use_which_can_be_imported_later():
    done = subprocess.run([sys.executable, "-c", UNUSED], check=True, capture_output=True, text=True)
    assert "Error importing" not in done.stderr, "TFMA goes without what it misses, and says so"


def test_garbage_is_collected_again_after_an_import_that_failed():
    thresholds = gc.get_threshold()
    with pytest.raises(ImportError), importing():
        raise ImportError
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    assert gc.isenabled()


def test_data_is_looked_at_without_tensorflow(tmp_path):
    (tmp_path / "pairs.csv").write_text("".join(f"word{i},w o r d {i}\n" for i in range(50)))
    (tmp_path / "book.txt").write_text("It was a dark night. " * 200)
    (tmp_path / "series.csv").write_text(
        "month,value\n" + "".join(f"{2000 + i // 12}-{i % 12 + 1:02d},{i}\n" for i in range(120))
    )
    subprocess.run([sys.executable, "-c", LOOKED_AT], check=True, cwd=tmp_path)

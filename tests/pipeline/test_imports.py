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


SELDOM_USED = """
import sys
from pipeline.local.imports import importing
with importing():
    import pipeline.local.run
    import IPython
    import tensorflow_model_analysis as tfma
# Kubernetes is for a component of TFX that no pipeline here has, nltk for a metric.
unused = {"kubernetes", "nltk", "scipy.stats._stats_py", "IPython.terminal"}
assert not unused & sys.modules.keys(), unused & sys.modules.keys()
assert IPython.get_ipython() is None
assert "IPython.terminal" not in sys.modules, "Beam asks that each time"
# As ever, for whoever does need it.
import matplotlib.pyplot as plt
from scipy import stats
from tensorflow_model_analysis.metrics.rouge import Rouge
from tfx.components import CsvExampleGen, InfraValidator
assert callable(plt.plot) and stats.norm.cdf(0) == 0.5 and CsvExampleGen and InfraValidator and Rouge
assert tfma.view.render_slicing_metrics and "render_slicing_metrics" in dir(tfma.view)
assert IPython.version_info and tfma.EvalConfig and tfma.MetricsSpec
"""

LAZY = """
import sys
import threading
import time
from pipeline.local.lazy_modules import LazyModules

sys.path.insert(0, sys.argv[1])
sys.meta_path.insert(0, LazyModules(["slow", "pack", "broken"]))
import broken
import pack.part
import slow
assert pack.part.value == 1 and "done" not in vars(pack)
assert pack.done and pack.late == "late of pack" and type(pack) is type(sys)

found = []
threads = [threading.Thread(target=lambda: found.append(slow.last)) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert found == ["end"] * 4, found
for module in (slow, pack):
    assert not hasattr(module, "missing")
for _ in range(2):
    try:
        broken.value
    except ZeroDivisionError:
        continue
    raise AssertionError
"""


def test_nothing_is_collected_while_importing_and_what_was_imported_is_never_looked_at_again():
    subprocess.run([sys.executable, "-c", SEARCHES], check=True)


def test_a_run_imports_without_what_it_does_not_use_which_can_be_imported_later():
    done = subprocess.run([sys.executable, "-c", UNUSED], check=True, capture_output=True, text=True)
    assert "Error importing" not in done.stderr, "TFMA goes without what it misses, and says so"


def test_what_few_runs_use_is_loaded_when_it_is_used():
    subprocess.run([sys.executable, "-c", SELDOM_USED], check=True)


def test_a_module_is_loaded_once_when_it_is_asked_for_and_fails_as_it_would(tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.2)\nimport slow\nlast = 'end'\n")
    (tmp_path / "broken.py").write_text("value = 1 / 0\n")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "part.py").write_text("value = 1\n")
    late = "def __getattr__(name):\n    if name != 'late':\n        raise AttributeError(name)\n    return 'late of pack'\n"
    (tmp_path / "pack" / "__init__.py").write_text(f"done = True\n{late}")
    subprocess.run([sys.executable, "-c", LAZY, str(tmp_path)], check=True)


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

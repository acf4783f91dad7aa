"""What all tests share, how they are put on several workers (`make test`), and what keeps `make test-fast` from processes."""

import gc
import itertools
import os
import subprocess

import pytest
from hypothesis import settings

# Before TensorFlow is imported by any test: its notes would drown what a failing test has to say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# An example of a property test may take as long as it does: on a busy machine any of them can be slow.
settings.register_profile("charseq", deadline=None)
settings.load_profile("charseq")

# TensorFlow's graphs are many objects, and no garbage as long as they are built: the product's own value (pipeline/local).
gc.set_threshold(50_000, 50, 100)

# Files whose tests look at one root of runs (`place` in tests/pipeline/conftest.py): they stay on one worker, which makes the
# first run once.
_OF_ONE_ROOT = (
    "tests/pipeline/cli/test_run.py",
    "tests/pipeline/cli/test_runs.py",
    "tests/pipeline/report/test_report_in_chromium.py",
    "tests/pipeline/tasks/test_browser_model.py",
    "tests/pipeline/test_overrides.py",
)

# Files whose tests look at the same models, which a worker makes once: they stay on one worker.
_OF_SAME_MODELS = {
    "models of sums": (
        "tests/components/trainer/test_export.py",
        "tests/components/trainer/test_input_pipeline.py",
        "tests/components/trainer/test_training.py",
        "tests/components/browser/test_browser.py",
        "tests/components/evaluator/test_evaluator.py",
        "tests/components/test_infra_validator.py",
    ),
    "models of pairs": ("tests/components/trainer/seq2seq/",),
    "models of text": ("tests/components/trainer/language_model/", "tests/components/test_ngram.py"),
}

# What takes longest begins first, so that no worker is left alone with it at the end.
_LONG = (
    "tests/pipeline/kubeflow/test_end_to_end.py",
    *_OF_ONE_ROOT,
    "tests/pipeline/tasks/test_text_run.py",
    "tests/pipeline/cli/test_run_again.py",
    *itertools.chain(*_OF_SAME_MODELS.values()),
    "tests/components/trainer",
)


def pytest_addoption(parser):
    parser.addoption("--no-processes", action="store_true", help="fail tests that start a process")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    def place(item):
        path = item.nodeid.split("::")[0]
        return next((i for i, long in enumerate(_LONG) if path.startswith(long)), len(_LONG))

    items.sort(key=place)


def pytest_xdist_make_scheduler(config, log):
    """Puts a file's tests on one worker, and those of files that share a root or models."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::")[0]
            rooms = {"one root": _OF_ONE_ROOT, **_OF_SAME_MODELS}
            return next((room for room, files in rooms.items() if path.startswith(files)), path)

    return Scheduling(config, log)


def pytest_collection_finish(session):
    """Leaves what is imported by now out of every search for garbage.

    With --no-processes, nothing that a test calls may start a process. A test that starts one is marked `e2e`.
    """
    gc.collect()
    gc.freeze()
    if session.config.getoption("no_processes"):

        def refuse(*args, **kwargs):
            pytest.fail(f"a process is started, which only a test that is marked e2e may do: {args} {kwargs}")

        subprocess.Popen = refuse

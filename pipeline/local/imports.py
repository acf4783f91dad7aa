"""How TensorFlow, TFX and Beam are imported: without what is not used, and without searching for garbage."""

import atexit
import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.local.lazy_modules import LazyModules

# What Keras and Beam import where it is installed, and do without where it is not: scikit-learn's interface, MongoDB, progress
# bars of notebooks. Nothing here uses it.
_UNUSED = ("sklearn", "pymongo", "tqdm.notebook")

# What they import and most runs do not use; it is loaded when it is used. Together it takes as long as half of TensorFlow.
_SELDOM_USED = (
    "IPython",
    "googleapiclient.discovery",
    "ipywidgets",
    "matplotlib.pyplot",
    "scipy.stats",
    "tensorflow_model_analysis.metrics.rouge",  # nltk
    "tensorflow_model_analysis.notebook",
    "tensorflow_model_analysis.view",
    "tfx.components",  # the package imports all of TFX's components; its modules can be imported without
)

# Beam asks for it with each pipeline. As long as IPython is not loaded, no shell of its own is running.
_NO_IPYTHON = {"IPython": {"get_ipython": lambda: None}}

# New objects from one search for garbage to the next. Beam's and TensorFlow's graphs are many objects, and no garbage as long
# as they are built; by Python's 700 they are searched all the time.
_NEW_OBJECTS = 50_000


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Imports within are quicker, and so are all later searches for garbage, which are fewer, and the process's end.

    They also work for a user without a home.

    TensorFlow, TFX and Beam are over a million objects in cycles. A full search walks through all of them (half a second),
    several times while they are imported and again when the interpreter ends, and finds next to nothing.
    """
    ensure_home()
    lazy = LazyModules(_SELDOM_USED, _NO_IPYTHON)
    sys.meta_path.insert(0, lazy)
    unused = [name for name in _UNUSED if name not in sys.modules]
    for name in unused:
        sys.modules[name] = None  # type: ignore[assignment]  # there is no such module
    gc.disable()
    try:
        yield
    finally:
        sys.meta_path.remove(lazy)
        for name in unused:
            del sys.modules[name]
        gc.enable()
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)  # with what the process has made since


def ensure_home() -> None:
    """Gives the process a home folder if it has none: TFMA imports IPython, whose parser does not import without one.

    In a container, an image's user need not be among the machine's users, and then only HOME could say where its home is.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.gettempdir()

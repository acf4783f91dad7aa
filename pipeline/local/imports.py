"""How TensorFlow, TFX and Beam are imported: without what they can do without, and without searching for garbage."""

import atexit
import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# What Keras and Beam import where it is installed, and do without where it is not: scikit-learn's interface, MongoDB, progress
# bars of notebooks. Nothing here uses it. (IPython is not among it: without it TFMA is imported by half.)
_UNUSED = ("sklearn", "pymongo", "tqdm.notebook")

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
    unused = [name for name in _UNUSED if name not in sys.modules]
    for name in unused:
        sys.modules[name] = None  # type: ignore[assignment]  # there is no such module
    gc.disable()
    try:
        yield
    finally:
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

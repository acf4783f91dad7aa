"""Python's search for garbage, kept away from what lives as long as the process."""

import atexit
import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Imports within are quicker, and so are all later collections and the process's end.

    TensorFlow, TFX and Beam are over a million objects in cycles. A full collection walks through all of them (half a second),
    several times while they are imported and again when the interpreter ends, and finds next to nothing.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
    atexit.register(gc.freeze)  # with what the process has made since

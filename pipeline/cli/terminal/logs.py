"""What the commands show on standard error: their own progress, and of the libraries' notes what is asked for."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

from components.settings import SettingsError
from pipeline.file_errors import DiskFullError


def set_up_logs(verbose: bool, handler: logging.Handler | None = None) -> None:
    """Our own progress to standard error; the libraries' logs too if asked for (what goes wrong is raised, not logged).

    Args:
      verbose: Whether the libraries' logs are asked for.
      handler: Takes the place of standard error.
    """
    if not verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    handler = handler or logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s" if verbose else "  %(message)s"))
    if not verbose:
        handler.addFilter(lambda record: record.name.partition(".")[0] == "charseq")
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("charseq").setLevel(logging.INFO)
    logging.captureWarnings(not verbose)


@contextlib.contextmanager
def held_back_stderr() -> Iterator[None]:
    """Holds standard error back, and shows it only if something goes wrong.

    TensorFlow's libraries print notes while they are loaded, before any log level is heeded.
    """
    sys.stderr.flush()
    real = os.dup(2)
    with os.fdopen(os.memfd_create("stderr"), "w+b") as held:  # in memory: there may be no folder to write to
        os.dup2(held.fileno(), 2)
        try:
            yield
        except (KeyboardInterrupt, SettingsError, DiskFullError):
            raise  # nothing here has gone wrong
        except BaseException:
            held.seek(0)
            with contextlib.suppress(OSError):
                os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)

"""Errors of a process that gets no more memory, or no more threads, in a line: whoever notices it and however they say it."""

import errno
import os

from pipeline.file_errors import error_chain

# As C++, the loader of libraries, Python and TensorFlow say it.
_WORDS = (
    os.strerror(errno.ENOMEM),
    "std::bad_alloc",
    "failed to map segment from shared object",
    "can't start new thread",
    "OOM when allocating",
)


class OutOfMemoryError(MemoryError):
    """The process gets no more memory, or no more threads."""

    kind = "memory"
    meaning = "The process gets no more memory, or no more threads: the machine has no more, or a limit is reached."
    remedy = (
        "Raise the limit (`ulimit -v`, `ulimit -u`, or the container's), end other programs, or lower `train.batch_size` "
        "or the size of the model. Then run again with `run.cache=true`."
    )

    def __init__(self) -> None:
        super().__init__(
            "the machine, or a limit of this process, has too little memory or too few threads; raise the limit (ulimit -v, "
            "ulimit -u, or the container's), end other programs, or lower train.batch_size"
        )


def is_out_of_memory(error: BaseException | None) -> bool:
    """Returns whether an error, or what it came from, is a lack of memory or threads."""
    return any(
        isinstance(part, MemoryError) or any(words in str(part) for words in _WORDS) or _is_malloc(str(part))
        for part in error_chain(error)
    )


def _is_malloc(message: str) -> bool:
    """Whether it is Arrow's `malloc of size 1408 failed`."""
    return "malloc of size" in message and "failed" in message

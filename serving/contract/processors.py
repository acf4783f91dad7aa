"""How many processors there are for this process."""

import os


def count_processors() -> int:
    """Returns how many processors this process may use: all of the machine where the system does not say (macOS)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

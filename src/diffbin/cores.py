"""The processor cores that this process may use."""

import os


def cores() -> int:
    """Fewer than the machine has where a scheduler binds the process to some; a limit of its time is not seen."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

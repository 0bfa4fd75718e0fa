"""Processor time by stage."""

from collections.abc import Callable
from time import process_time_ns
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class Clock:
    """Milliseconds of processor time by stage."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    def time(self, stage: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `work` on account of `stage`."""
        start = process_time_ns()
        result = work(*args, **kwargs)
        self.ms[stage] = self.ms.get(stage, 0.0) + (process_time_ns() - start) / 1e6
        return result

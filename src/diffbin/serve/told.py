"""Warnings of a computation, for the one who asked for it: they come by a hook of the whole process."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diffbin.errors import DiffbinWarning

_thread = threading.local()


@contextmanager
def warnings_told_apart() -> Iterator[None]:
    """In this block, in all threads, warnings of diffbin go to the `told` of their thread, and none is kept back."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", DiffbinWarning)  # nothing is remembered of those that have been told
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            texts = getattr(_thread, "texts", None)
            if texts is None or not issubclass(category, DiffbinWarning):
                others(message, category, *place, **more)
            else:
                texts.append(str(message))

        warnings.showwarning = show
        yield


@contextmanager
def told() -> Iterator[list[str]]:
    """The warnings of diffbin that this thread gives in the block."""
    _thread.texts = list[str]()
    try:
        yield _thread.texts
    finally:
        _thread.texts = None

"""What several commands share: a progress bar, an exit code, and the check for the training extra."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from diffbin.errors import DependencyError, way_to_install

BROKEN_OFF = 130  # exit code


def progress() -> Progress:
    """A bar on standard error, where that is a terminal; gone when done."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def counting(what: str, total: int | None = None) -> Iterator[Callable[[int, int | None], None]]:
    """A bar while the block runs; it yields what is called with how much is done and with how much there is."""
    with progress() as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def need_torch(what: str) -> None:
    """Raises `DependencyError` unless everything of the training extra is installed."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep; spinning, they starve the loader
    try:
        import lightning_fabric  # noqa: F401
        import onnx  # noqa: F401
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise DependencyError(f"{what} needs {error.name}: {way_to_install('train')}.") from None
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # of what goes as it should we tell ourselves


def duration(seconds: float) -> str:
    """As people say it: "45 s", "12 min", "3 h 20 min", "2 d 4 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"

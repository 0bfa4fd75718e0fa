"""What several commands share: a progress bar, and the check for the training extra."""

import logging
import os

from rich.console import Console
from rich.progress import Progress

from diffbin.errors import DependencyError


def progress() -> Progress:
    """A bar on standard error, where that is a terminal; gone when done."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def need_torch(what: str) -> None:
    """Raises `DependencyError` unless everything of the training extra is installed."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep; spinning, they starve the loader
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # of what goes as it should we tell ourselves
    try:
        import lightning_fabric  # noqa: F401
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise DependencyError(f"{what} needs {error.name}: pip install 'diffbin[train]'.") from None

"""What a run tells while it goes on: its figures to the loggers, and a progress bar on the terminal."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from diffbin.errors import TrainingWarning, warn
from diffbin.train.loggers import Logger, Place, open_loggers, read_csv, reason

EVERY = 20  # steps
SHOWN = ("loss", "images_per_s", "hmean")  # beside the bar


class RunLog:
    """Collects the figures of the steps and writes their mean every `EVERY` steps; nothing unless `enabled`.

    A logger that fails in the middle of a run is warned of, and the run goes on.
    """

    def __init__(self, place: Place, *, total: int, enabled: bool = True) -> None:
        self._loggers = open_loggers(place.recipe.train.loggers, place) if enabled else {}
        self._sums: dict[str, list[float]] = {}
        self._images = self._skipped = 0
        self._since = time.perf_counter()
        self._total = total
        written = [row["seconds"] for row in read_csv(place.out) if place.start and "seconds" in row]
        self._began = self._since - (written[-1] if written else 0)  # what went before a resumed run counts
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(
            *columns, TextColumn("{task.fields[figures]}"), console=Console(stderr=True), disable=not enabled
        )
        self._task = self._bar.add_task("training", total=total, completed=place.start, figures="")

    def __enter__(self) -> "RunLog":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()
        self._each(lambda logger: logger.close())

    def step(self, step: int, figures: Mapping[str, float], *, images: int, skipped: bool = False) -> None:
        """One step's losses and learning rate. Of a skipped step the figures that are not finite are left out."""
        for name, value in figures.items():
            if math.isfinite(value):
                self._sums.setdefault(name, []).append(value)
        self._images += images
        self._skipped += skipped
        self._bar.update(self._task, completed=step)
        if step % EVERY == 0 or step == self._total:
            means = {name: sum(values) / len(values) for name, values in self._sums.items()}
            now = time.perf_counter()
            rates = {"skipped": self._skipped, "images_per_s": self._images / (now - self._since)}
            self.write(step, {**means, **rates})
            self._sums, self._images, self._skipped, self._since = {}, 0, 0, time.perf_counter()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is done meanwhile is not training: `images_per_s` leaves its time out."""
        began = time.perf_counter()
        yield
        self._since += time.perf_counter() - began

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """One row of figures, everywhere."""
        row = {"seconds": time.perf_counter() - self._began, **figures}
        self._each(lambda logger: logger.write(step, row))
        text = "  ".join(f"{name} {figures[name]:.4g}" for name in SHOWN if name in figures)
        self._bar.update(self._task, figures=text)

    def picture(self, step: int, path: Path) -> None:
        """A picture of samples, everywhere."""
        self._each(lambda logger: logger.picture(step, path))

    def _each(self, action: Callable[[Logger], None]) -> None:
        for name, logger in self._loggers.items():
            try:
                action(logger)
            except Exception as error:  # whatever a service's library raises
                warn(f"The logger {name} failed: {reason(error)}. The run goes on.", TrainingWarning)

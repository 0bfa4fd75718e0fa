"""What a run writes down: `log.csv`, TensorBoard events, and a progress bar on the terminal."""

import csv
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

COLUMNS = (
    *("step", "lr", "loss", "loss_prob", "loss_threshold", "loss_binary", "loss_distill"),
    *("skipped", "images_per_s", "hmean", "best_hmean"),
)


class RunLog:
    """Collects the figures of the steps and writes their mean every `every` steps; nothing unless `enabled`."""

    def __init__(self, out: Path, *, start: int, total: int, every: int = 20, enabled: bool = True) -> None:
        self.every = every
        self._sums: dict[str, float] = {}
        self._count = 0
        self._images = 0
        self._since = time.perf_counter()
        path = out / "log.csv" if enabled else Path(os.devnull)
        fresh = start == 0 or not path.exists()
        out.mkdir(parents=True, exist_ok=True)
        header = COLUMNS if fresh else tuple(path.read_text().partition("\n")[0].split(","))
        self._file = path.open("w" if fresh else "a", newline="")
        self._csv = csv.DictWriter(self._file, header, extrasaction="ignore")  # an older version's has fewer columns
        if fresh:
            self._csv.writeheader()
        self._events = SummaryWriter(str(out / "tensorboard"), purge_step=start) if enabled else None
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(
            *columns, TextColumn("{task.fields[figures]}"), console=Console(stderr=True), disable=not enabled
        )
        self._task = self._bar.add_task("training", total=total, completed=start, figures="")

    def __enter__(self) -> "RunLog":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()
        self._file.close()
        if self._events:
            self._events.close()

    def step(self, step: int, figures: Mapping[str, float], *, images: int) -> None:
        """One step's losses and learning rate."""
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        self._images += images
        self._bar.update(self._task, completed=step)
        if step % self.every == 0:
            means = {name: total / self._count for name, total in self._sums.items()}
            self.write(step, {**means, "images_per_s": self._images / (time.perf_counter() - self._since)})
            self._sums, self._count, self._images, self._since = {}, 0, 0, time.perf_counter()

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """One row of figures, everywhere."""
        self._csv.writerow({"step": step, **{name: f"{value:.6g}" for name, value in figures.items()}})
        self._file.flush()
        if self._events:
            for name, value in figures.items():
                self._events.add_scalar(name, value, step)
        text = "  ".join(f"{name} {value:.4g}" for name, value in figures.items() if name != "lr")
        self._bar.update(self._task, figures=text)

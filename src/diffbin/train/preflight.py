"""Before the first step: whether the loss of one batch falls, on a copy of the run, and what the run will cost."""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from diffbin.config import Recipe
from diffbin.cores import cores
from diffbin.data.dataset import Batch, TrainSet, worker_count
from diffbin.errors import TrainingWarning, warn
from diffbin.terminal import duration
from diffbin.train import devices, memory
from diffbin.train.losses import DBLoss
from diffbin.train.report import BATCH
from diffbin.train.report.sheets import batch_sheet, write_sheet
from diffbin.train.run import Run, apart
from diffbin.train.step import train_step

STEPS = 8
FALLEN = 0.97  # of the first loss: below it is where a sound run gets in so few steps; measured: 0.37 to 0.65
RISEN = 1.1  # of the first loss: where a run ends whose rate is too high
TIMED = 4  # samples


@dataclass(frozen=True)
class Check:
    """What a few steps on one and the same batch showed."""

    losses: Sequence[float]  # one a step, taken before the weights change
    seconds: float  # a step, the median
    memory: str  # the most that was held
    has_text: bool  # the batch, as far as this process sees it

    @property
    def fault(self) -> str:
        """What is wrong with the losses, as a sentence; "" = nothing."""
        first, last = self.losses[0], min(self.losses[-3:])
        told = " -> ".join(f"{loss:.3g}" for loss in self.losses)
        which = f"The loss of one batch, learned {len(self.losses)} times over, "
        if not math.isfinite(sum(self.losses)) or last > RISEN * first:
            return f"{which}rises ({told}): lower optim.lr, or look for a good one with --find-lr."
        if last > FALLEN * first and not self.has_text:
            return (
                "The first batch holds no text, so whether its loss falls could not be seen: look at it in batch.jpg."
            )
        if last > FALLEN * first:
            return (
                f"{which}does not fall ({told}): look at the batch in batch.jpg, and for a better rate with --find-lr."
            )
        return ""


def look_ahead(run: Run, recipe: Recipe, batches: Sequence[Batch], *, data: TrainSet, total: int, out: Path) -> None:
    """Takes a few steps, always on the same batches, and tells on standard error what `total` of them will cost.

    They are taken on a copy: the run stays as it is. The batches are drawn to `out/batch.jpg`. Warns,
    `TrainingWarning`, where the loss does not fall.
    """
    if run.fabric.is_global_zero:
        write_sheet(batch_sheet(batches), out / BATCH)
    found = check(run, recipe, batches)
    if not run.fabric.is_global_zero:
        return
    if found.fault:
        warn(found.fault, TrainingWarning)
    workers = worker_count(recipe)
    loading = load_seconds(data, recipe.data.batch_size // devices.count(), workers)
    told = cost(found, total, load_seconds=loading, more_workers=workers < cores())
    print(told, file=sys.stderr, flush=True)


def check(run: Run, recipe: Recipe, batches: Sequence[Batch]) -> Check:
    """The part of `look_ahead` that every process takes part in."""
    trial, criterion = apart(run, recipe), DBLoss(recipe.loss)
    memory.forget_peak(run.fabric.device)
    losses, seconds = [], []
    for _ in range(STEPS):
        start = time.perf_counter()
        losses.append(train_step(trial, criterion, batches, recipe)["loss"])
        seconds.append(time.perf_counter() - start)
    has_text = any(bool(batch.prob.any()) for batch in batches)
    return Check(losses, median(seconds), memory.peak(run.fabric.device), has_text)


def cost(found: Check, steps: int, *, load_seconds: float, more_workers: bool = True) -> str:
    """One line: what `steps` steps will take, where the loader needs `load_seconds` for a batch, and whether there are
    cores for more workers."""
    pace = f"A step takes {found.seconds:.2f} s"
    if load_seconds > found.seconds:
        pace += f", loading its batch {load_seconds:.2f} s{' (more data.workers are faster)' * more_workers}"
    whole = duration(steps * max(found.seconds, load_seconds))
    return f"{pace}: {steps} steps take some {whole}, validation not counted; {found.memory}."


def load_seconds(data: TrainSet, batch_size: int, workers: int) -> float:
    """What a batch takes to load, from a few samples made here; the first is not counted, for it opens files."""
    times = []
    for number in range(TIMED):
        start = time.perf_counter()
        _ = data[number]
        times.append(time.perf_counter() - start)
    return batch_size * sum(times[1:]) / len(times[1:]) / max(workers, 1)

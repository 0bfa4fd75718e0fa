"""The learning-rate finder: a short run at each of several rates, all from the same weights over the same batches.

The usual test, one run whose rate rises from step to step (Smith, arXiv 1506.01186), sees other pictures at each rate.
Where the weights are trained already, their difference is larger than what a rate does.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from diffbin.config import Recipe
from diffbin.data.dataset import Batch, TrainSet
from diffbin.errors import TrainingError
from diffbin.files import make_folder, write_text, write_whole
from diffbin.train import devices
from diffbin.train.losses import DBLoss
from diffbin.train.optimizer import set_rate
from diffbin.train.report.curves import chart
from diffbin.train.report.page import page, table
from diffbin.train.run import Run, apart, begin
from diffbin.train.start import Start
from diffbin.train.step import step_batches, train_step

RATES = tuple(float(f"{digit}e{power}") for power in range(-5, 0) for digit in (1, 3))
STEPS, LAST = 32, 8  # of a run, and those at its end whose loss counts: of batches that were not seen before
MOST_OF_IT = 0.8  # of the fall at the best rate: a smaller rate that gets so far is safer, and lasts longer
HOPELESS = 1.5  # times the lowest loss: higher rates are not tried
CSV, PAGE = "rates.csv", "rates.html"


@dataclass(frozen=True)
class Rates:
    """What was tried: the loss that a short run gets to, by rate, rising."""

    losses: dict[float, float]

    @property
    def best(self) -> float:
        """The lowest with which the loss falls by four fifths of what it falls by at most.

        Not that of the lowest loss: at first a network learns how much of a picture is background, and the highest
        rates that do not break it learn that first.
        """
        start, lowest = self.losses[min(self.losses)], min(self.losses.values())
        enough = start - MOST_OF_IT * (start - lowest)
        return next(rate for rate, loss in self.losses.items() if loss <= enough)

    @property
    def sentence(self) -> str:
        """For people."""
        told = ", ".join(f"{rate:g}: {loss:.3g}" for rate, loss in self.losses.items())
        return f"The loss after {STEPS} steps, by rate: {told}. A good one is --set optim.lr={self.best:g}."


def find_rate(
    recipe: Recipe, *, out: Path, start: Start | None = None, progress: Callable[[int, int], None] = lambda *_: None
) -> Rates:
    """Writes `rates.csv` and `rates.html` to `out`; no weights are kept. `progress`: rates done, and their total.

    Raises `TrainingError` where no rate lowers the loss, `ConfigError`, `InputError`.
    """
    make_folder(out)
    fabric = devices.open_fabric(recipe.train.precision)
    try:
        run = begin(fabric, recipe, start)
        batches = list(islice(step_batches(recipe, 0, TrainSet(recipe)), STEPS))
        losses: dict[float, float] = {}
        for done, rate in enumerate(RATES, 1):
            losses[rate] = short_run(run, recipe, batches, rate)
            progress(done, len(RATES))
            if not losses[rate] < HOPELESS * min(losses.values()):
                break
    finally:
        devices.close()
    found = Rates({rate: loss for rate, loss in losses.items() if math.isfinite(loss)})
    if not found.losses or found.best == RATES[0]:
        raise TrainingError(
            f"No rate from {RATES[0]:g} on lowers the loss within {STEPS} steps: these weights have learned this data "
            "already, or its labels are wrong; look at batch.jpg, which a run draws before its first step."
        )
    if fabric.is_global_zero:
        write(found, recipe, out)
    return found


def short_run(run: Run, recipe: Recipe, batches: Sequence[Sequence[Batch]], rate: float) -> float:
    """The loss that one step after the other gets to; `run` stays as it is."""
    trial, criterion = apart(run, recipe), DBLoss(recipe.loss)
    set_rate(trial.optimizer, rate)
    losses = [train_step(trial, criterion, parts, recipe)["loss"] for parts in batches]
    return sum(losses[-LAST:]) / LAST


def write(found: Rates, recipe: Recipe, out: Path) -> None:
    """As a table and as a page."""
    rows, text = [(f"{rate:g}", f"{loss:.4g}") for rate, loss in found.losses.items()], io.StringIO(newline="")
    csv.writer(text).writerows([("rate", "loss"), *rows])
    write_whole(out / CSV, text.getvalue().encode())
    title, points = "Loss over the power of ten of the rate", [(math.log10(x), y) for x, y in found.losses.items()]
    sections = {title: chart(title, {"loss": points}), "Rates": table(("rate", "loss"), rows)}
    write_text(out / PAGE, page(recipe.name, quiet=found.sentence, sections=sections))

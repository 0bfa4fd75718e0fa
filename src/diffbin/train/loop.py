"""The training loop, top to bottom: data, network, losses, optimiser, checkpoints, validation."""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from diffbin.config import Optim, Recipe
from diffbin.data.dataset import Batch, TrainSet, collate, train_loader
from diffbin.errors import TrainingError, TrainingWarning
from diffbin.metrics.evaluate import Report, list_labelled
from diffbin.model import checkpoints
from diffbin.model.checkpoints import Checkpoint
from diffbin.train import devices
from diffbin.train.guard import is_sound, named, norm_state, put_back, too_many
from diffbin.train.inputs import normalise
from diffbin.train.log import RunLog
from diffbin.train.losses import DBLoss, LossParts, TargetBatch
from diffbin.train.norm import freeze_norm
from diffbin.train.optimizer import set_rate
from diffbin.train.run import Run, begin, restore, save
from diffbin.train.schedule import learning_rate
from diffbin.train.start import Start
from diffbin.train.validate import validate


def train(recipe: Recipe, *, out: Path, resume: bool = False, start: Start | None = None) -> Path:
    """Trains by the recipe and returns the path of the last checkpoint, `out/checkpoints/step_*.pt`.

    `resume` goes on exactly where the newest checkpoint in `out` stopped, if there is one; `start` begins with trained
    weights. Started by `torchrun`, its processes train together: each step's `data.batch_size` samples are shared out
    among them, so the number of devices does not change what is learned. Raises `TrainingError` when too many
    steps have a loss or gradient that is not finite (the last good checkpoint stays), `ConfigError`, `InputError`.
    """
    fabric = devices.open_fabric(recipe.train.precision)
    try:
        folder = out / "checkpoints"
        saved: Checkpoint | None = fabric.broadcast(_find(folder, resume) if fabric.is_global_zero else None)
        run = begin(fabric, recipe, start)
        if saved:
            restore(run, saved)
        _train(run, recipe, out)
        fabric.barrier()  # the first process has written the last checkpoint
        return folder / checkpoints.name(run.step)
    finally:
        devices.close()


def _find(folder: Path, resume: bool) -> Checkpoint | None:
    there = bool(checkpoints.checkpoints(folder))
    if resume and there:
        return checkpoints.load_latest(folder)
    if resume:
        warnings.warn(f"There is no checkpoint in {folder} yet; the run begins.", TrainingWarning, stacklevel=2)
    elif there:
        raise TrainingError(f"{folder.parent} holds a run already; go on with --resume, or choose another --out.")
    return None


def _train(run: Run, recipe: Recipe, out: Path) -> None:
    if recipe.data.validation:  # a wrong folder is told of now, not hours later
        list_labelled(recipe.data.validation, recipe.data.root)
    data, criterion = TrainSet(recipe), DBLoss(recipe.loss)
    total = recipe.train.steps or recipe.train.epochs * data.steps_per_epoch
    size = devices.share(recipe.data.batch_size, recipe.train.accumulate)
    batches = train_loader(recipe, run.step, train_set=data, size=size, rank=devices.rank())
    with RunLog(out, start=run.step, total=total, enabled=run.fabric.is_global_zero) as log:
        while run.step < total:
            lr = _rate(recipe.optim, run.step, total, data.steps_per_epoch)
            set_rate(run.optimizer, lr)
            losses = train_step(run, criterion, _take(batches, recipe.train.accumulate), recipe)
            if run.guard.has_skipped(run.step - 1):
                _tell_skipped(run, criterion, data, losses, recipe)
            else:
                skipped = float(len(run.guard.skipped))
                log.step(run.step, {"lr": lr, **losses, "skipped": skipped}, images=recipe.data.batch_size)
            last = run.step == total
            if _due(run.step, recipe.train.save_every_steps) or last:
                save(run, recipe, out / "checkpoints")  # before validation, which may fail
            if recipe.data.validation and (_due(run.step, recipe.train.eval_every_steps) or last):
                log.write(run.step, figures(validate(run.judged, recipe)))


def train_step(run: Run, criterion: DBLoss, batches: Sequence[Batch], recipe: Recipe) -> dict[str, float]:
    """This process's parts of a step forward and backward, then the weights and their average; losses by name.

    Where a loss or the gradient is not finite, nothing changes but `run.step` and `run.guard`.
    """
    run.wrapped.train()
    if recipe.train.frozen_norm:
        freeze_norm(run.network.backbone)
    devices.seed(recipe.train.seed, run.step)
    before, sums = norm_state(run.network), dict[str, float]()
    for number, batch in enumerate(batches, 1):
        with run.fabric.no_backward_sync(run.wrapped, enabled=number < len(batches)):
            parts = forward(run, criterion, batch, recipe)
            run.fabric.backward(parts.total / len(batches))
        for name, value in parts.named():
            sums[f"loss_{name}"] = sums.get(f"loss_{name}", 0.0) + float(value.detach()) / len(batches)
    length = nn.utils.clip_grad_norm_(run.network.parameters(), recipe.optim.clip_norm or math.inf)
    if is_sound(sums, length):
        run.optimizer.step()
        if run.ema:
            run.ema.update(run.network, run.step)
    else:
        put_back(run.network, before)
        run.guard.skip(run.step)
    run.optimizer.zero_grad()
    run.step += 1
    return {"loss": sum(sums.values()), **sums}


def forward(run: Run, criterion: DBLoss, batch: Batch, recipe: Recipe) -> LossParts:
    """The losses of a batch."""
    batch = batch.to(run.fabric.device)
    maps = (batch.prob, batch.prob_mask, batch.threshold, batch.threshold_mask)
    targets = TargetBatch(*(labels.float() for labels in maps))
    if run.teacher:
        targets = replace(targets, taught=run.teacher(batch.pictures))
    parts: LossParts = criterion(run.wrapped(normalise(batch.pictures, recipe.preprocess)), targets)
    return parts


def figures(report: Report) -> dict[str, float]:
    """What the log tells of a validation: hmean at the recipe's score threshold, and the best over a sweep."""
    return {"hmean": report.fixed.hmean, "best_hmean": report.best.hmean}


def _tell_skipped(run: Run, criterion: DBLoss, data: TrainSet, losses: dict[str, float], recipe: Recipe) -> None:
    """Warns of the step that was skipped; raises `TrainingError`, with the pictures, where it is one too many."""
    step, size = run.step - 1, recipe.data.batch_size
    if not run.guard.is_over(recipe.train.max_bad_steps):
        if run.fabric.is_global_zero:
            said = f"Step {step} is skipped, its loss or gradient is not finite ({named(losses)})."
            warnings.warn(said, TrainingWarning, stacklevel=2)
        return
    run.wrapped.eval()
    alone: dict[str, bool] = {}  # whether a picture, on its own, has a finite loss
    for number in range(step * size, (step + 1) * size):
        with torch.no_grad():
            loss = forward(run, criterion, collate([data[number]]), recipe).total
        name = data.name(number)
        alone[name] = alone.get(name, True) and bool(loss.isfinite())
    raise too_many(run.guard, losses, alone)


def _rate(config: Optim, step: int, total: int, steps_per_epoch: int) -> float:
    epochs = math.ceil(total / steps_per_epoch)
    t, end = (step, total) if config.per == "step" else (step // steps_per_epoch, epochs)
    return learning_rate(config, t, end)


def _take(batches: Iterator[Batch], count: int) -> list[Batch]:
    return list(islice(batches, count))


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0

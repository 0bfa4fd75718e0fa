"""One step of training: losses, gradients, weights and their average."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import torch
from torch import nn

from diffbin.config import Recipe
from diffbin.data.dataset import Batch, TrainSet, collate, train_loader
from diffbin.train import devices
from diffbin.train.guard import is_sound, norm_state, put_back
from diffbin.train.inputs import normalise
from diffbin.train.losses import DBLoss, LossParts, TargetBatch
from diffbin.train.norm import freeze_norm
from diffbin.train.run import Run


def step_batches(recipe: Recipe, start: int, data: TrainSet) -> Iterator[list[Batch]]:
    """For step `start` and all that follow, the parts of it that this process computes, one after another."""
    size = devices.share(recipe.data.batch_size, recipe.train.accumulate)
    parts = train_loader(recipe, start, train_set=data, size=size, rank=devices.rank())
    while True:
        yield list(islice(parts, recipe.train.accumulate))


def train_step(run: Run, criterion: DBLoss, batches: Sequence[Batch], recipe: Recipe) -> dict[str, float]:
    """This process's parts of a step forward and backward, then the weights and their average; losses by name.

    Where a loss or the gradient is not finite, nothing changes but `run.step` and `run.guard`.
    """
    run.wrapped.train()
    freeze_norm(run.network, recipe)
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


@torch.no_grad()
def each_alone(run: Run, criterion: DBLoss, data: TrainSet, recipe: Recipe) -> dict[str, bool]:
    """The pictures of the last step by name, and whether each has a finite loss on its own."""
    run.wrapped.eval()
    finite: dict[str, bool] = {}
    last = run.step * recipe.data.batch_size
    for number in range(last - recipe.data.batch_size, last):
        loss = forward(run, criterion, collate([data[number]]), recipe).total
        name = data.name(number)
        finite[name] = finite.get(name, True) and bool(loss.isfinite())
    return finite

"""The training loop, top to bottom: data, network, losses, optimiser, checkpoints, validation."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from diffbin.config import Optim, Recipe
from diffbin.data.annotations import list_pictures
from diffbin.data.dataset import Batch, TrainSet, train_loader
from diffbin.errors import TrainingError
from diffbin.model import checkpoints
from diffbin.model.checkpoints import Checkpoint
from diffbin.model.dbnet import DBNet
from diffbin.train.ema import EMA
from diffbin.train.log import RunLog
from diffbin.train.losses import DBLoss, LossParts, TargetBatch
from diffbin.train.schedule import learning_rate
from diffbin.train.start import Start
from diffbin.train.validate import validate

PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed"}


@dataclass
class Run:
    """The moving parts of a training run."""

    fabric: Fabric
    network: DBNet
    wrapped: nn.Module  # the network as Fabric runs it: on its device, under its precision
    optimizer: torch.optim.Optimizer
    ema: EMA | None
    step: int  # steps done


def train(recipe: Recipe, *, out: Path, resume: bool = False, start: Start | None = None) -> Path:
    """Trains by the recipe and returns the path of the last checkpoint, `out/checkpoints/step_*.pt`.

    `resume` goes on exactly where the newest checkpoint in `out` stopped; `start` begins with trained weights.
    Raises `TrainingError` when a loss is not finite (the last good checkpoint stays), `ConfigError`, `InputError`.
    """
    folder = out / "checkpoints"
    if checkpoints.checkpoints(folder) and not resume:
        raise TrainingError(f"{out} holds a run already; go on with --resume, or choose another --out.")
    out.mkdir(parents=True, exist_ok=True)
    for source in recipe.data.validation:  # a wrong folder is told of now, not hours later
        list_pictures(source, recipe.data.root)
    data = TrainSet(recipe)
    steps_per_epoch = data.steps_per_epoch
    total = recipe.train.steps or recipe.train.epochs * steps_per_epoch
    run = _start(recipe, checkpoints.load_latest(folder) if resume else None, start)
    criterion = DBLoss(recipe.loss)
    batches = train_loader(recipe, run.step, train_set=data)
    with RunLog(out, start=run.step, total=total) as log:
        for batch in _until(batches, total - run.step):
            lr = _set_rate(run.optimizer, recipe.optim, run.step, total, steps_per_epoch)
            losses = train_step(run, criterion, batch, recipe)
            log.step(run.step, {"lr": lr, **losses}, images=len(batch.pictures))
            last = run.step == total
            if _due(run.step, recipe.train.save_every_steps) or last:
                _save(run, recipe, folder)  # before validation, which may fail
            if recipe.data.validation and (_due(run.step, recipe.train.eval_every_steps) or last):
                log.write(run.step, validate(run.ema.network if run.ema else run.network, recipe))
    return checkpoints.checkpoints(folder)[-1]


def train_step(run: Run, criterion: DBLoss, batch: Batch, recipe: Recipe) -> dict[str, float]:
    """One batch forward, backward, and into the weights and their average; returns the losses by name."""
    run.wrapped.train()
    if recipe.train.frozen_norm:
        freeze_norm(run.network.backbone)
    batch = batch.to(run.fabric.device)
    pictures = normalise(batch.pictures, recipe)
    maps = (batch.prob, batch.prob_mask, batch.threshold, batch.threshold_mask)
    targets = TargetBatch(*(labels.float() for labels in maps))
    parts: LossParts = criterion(run.wrapped(pictures), targets)
    losses = {f"loss_{name}": float(value.detach()) for name, value in vars(parts).items()}
    if not all(math.isfinite(value) for value in losses.values()):
        named = ", ".join(f"{name} = {value:.4g}" for name, value in losses.items())
        raise TrainingError(
            f"The loss of step {run.step} is not finite ({named}). The last checkpoint is good: lower optim.lr or "
            "set optim.clip_norm, and --resume."
        )
    run.fabric.backward(parts.total)
    if recipe.optim.clip_norm > 0:
        nn.utils.clip_grad_norm_(run.network.parameters(), recipe.optim.clip_norm)
    run.optimizer.step()
    run.optimizer.zero_grad()
    if run.ema:
        run.ema.update(run.network, run.step)
    run.step += 1
    return {"loss": sum(losses.values()), **losses}


def freeze_norm(network: nn.Module) -> None:
    """BatchNorm uses its running statistics and leaves them as they are; its scale and shift still learn."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def normalise(pictures: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """`(n, 3, h, w)` uint8 RGB -> float32, less the mean, by the deviation; channels last, faster on every device."""
    mean, std = (
        torch.tensor(values, device=pictures.device).view(1, 3, 1, 1)
        for values in (recipe.preprocess.mean_rgb, recipe.preprocess.std_rgb)
    )
    return ((pictures.float() - mean) / std).contiguous(memory_format=torch.channels_last)


def _start(recipe: Recipe, saved: Checkpoint | None, start: Start | None) -> Run:
    torch.manual_seed(recipe.train.seed)
    fabric = Fabric(devices=1, precision=PRECISIONS[recipe.train.precision])
    network = DBNet(recipe.model, k=recipe.loss.k).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if saved:
        network.load_state_dict(saved.network)
    elif start:
        checkpoints.load_into(network, start.weights, source=start.source, part=start.part)
    ema = EMA(network, recipe.train.ema_decay) if recipe.train.ema_decay > 0 else None
    optimizer = _optimizer(network, recipe.optim)
    if saved:
        optimizer.load_state_dict(saved.optimizer)
        torch.set_rng_state(saved.random)
        if ema and saved.ema:
            ema.network.load_state_dict(saved.ema)
    wrapped, optimizer = fabric.setup(network, optimizer)
    if ema:
        ema.network.to(fabric.device)
    return Run(fabric, network, wrapped, optimizer, ema, saved.step if saved else 0)


def _optimizer(network: nn.Module, config: Optim) -> torch.optim.Optimizer:
    """One group of parameters for SGD, as the reference; AdamW decays matrices and kernels only."""
    if config.name == "sgd":
        return torch.optim.SGD(
            network.parameters(), config.lr, momentum=config.momentum, weight_decay=config.weight_decay
        )
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, config.lr)


def _set_rate(optimizer: torch.optim.Optimizer, config: Optim, step: int, total: int, steps_per_epoch: int) -> float:
    epochs = math.ceil(total / steps_per_epoch)
    t, end = (step, total) if config.per == "step" else (step // steps_per_epoch, epochs)
    lr = learning_rate(config, t, end)
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr


def _until(batches: Iterator[Batch], count: int) -> Iterator[Batch]:
    for _ in range(count):
        yield next(batches)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _save(run: Run, recipe: Recipe, folder: Path) -> Path:
    state = Checkpoint(
        recipe=recipe,
        step=run.step,
        network=run.network.state_dict(),
        ema=run.ema.network.state_dict() if run.ema else None,
        optimizer=run.optimizer.state_dict(),
        random=torch.get_rng_state(),
    )
    return checkpoints.save(state, folder)

"""The moving parts of a run: how they are made, put back to a checkpoint, and saved."""

import copy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule

from diffbin.config import Recipe
from diffbin.errors import ConfigError, ModelError
from diffbin.model import checkpoints
from diffbin.model.checkpoints import Checkpoint
from diffbin.model.dbnet import DBNet
from diffbin.overrides import to_assignments
from diffbin.train.ema import EMA
from diffbin.train.guard import Guard
from diffbin.train.norm import synchronise_norm
from diffbin.train.optimizer import freeze_layers, load_optimizer, make_optimizer, set_rate
from diffbin.train.patience import Patience
from diffbin.train.start import Start
from diffbin.train.teacher import Teacher


@dataclass
class Run:
    """What a step changes, and what it learns from besides the labels."""

    fabric: Fabric
    network: DBNet
    wrapped: _FabricModule  # the network as Fabric runs it: its device, its precision, its peers
    optimizer: torch.optim.Optimizer
    ema: EMA | None
    teacher: Teacher | None
    step: int  # steps done
    guard: Guard = field(default_factory=Guard)
    patience: Patience = field(default_factory=Patience)

    @property
    def judged(self) -> DBNet:
        """What is evaluated and exported: the average where there is one."""
        return self.ema.network if self.ema else self.network


def begin(fabric: Fabric, recipe: Recipe, start: Start | None) -> Run:
    """A run at step 0, from random weights or those of `start`; the same on every process."""
    torch.manual_seed(recipe.train.seed)
    network = DBNet(recipe.model, k=recipe.loss.k).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if start:
        checkpoints.load_into(network, start.weights, source=start.source, part=start.part)
    ema = EMA(network, recipe.train.ema_decay) if recipe.train.ema_decay > 0 else None
    if recipe.train.sync_norm:
        synchronise_norm(network, fabric.device)
    freeze_layers(network, recipe.optim.trainable_layers)
    wrapped, optimizer = fabric.setup(network, make_optimizer(network, recipe.optim))
    if ema:
        ema.network.to(next(network.parameters()))
    teacher = Teacher(recipe.train.teacher, fabric) if recipe.train.teacher else None
    return Run(fabric, network, wrapped, optimizer, ema, teacher, 0)


def restore(run: Run, saved: Checkpoint) -> None:
    """Puts a run to the state that was saved; nothing else is needed to go on exactly. What the recipe says now about
    decay and momentum holds from here on; `ConfigError` where the network or the optimiser is another."""
    try:
        checkpoints.load_into(run.network, saved.network, source="the checkpoint")
    except ModelError:
        wanted = " ".join(f"--set model.{setting}" for setting in to_assignments(saved.recipe.model))
        code = " and the code of then" if saved.recipe.model.backbone.startswith("own:") else ""
        told = f"The checkpoint is of another network; go on with {wanted}{code}, or begin a new run."
        raise ConfigError(told) from None
    load_optimizer(run.optimizer, saved.optimizer)
    if run.ema:  # an average that begins only now begins from the weights
        run.ema.network.load_state_dict(saved.ema or saved.network)
    run.step = saved.step
    run.guard, run.patience = Guard(**saved.watch.get("guard", {})), Patience(**saved.watch.get("patience", {}))


def apart(run: Run, recipe: Recipe) -> Run:
    """A run at step 0 with a copy of the weights, to try something out; what it does leaves `run` as it is."""
    network = copy.deepcopy(run.network)
    wrapped, optimizer = run.fabric.setup(network, make_optimizer(network, recipe.optim))
    set_rate(optimizer, recipe.optim.lr)
    return replace(run, network=network, wrapped=wrapped, optimizer=optimizer, ema=None, step=0, guard=Guard())


def save(run: Run, recipe: Recipe, folder: Path, *, best: bool = False) -> None:
    """Writes a checkpoint, the newest or the best; on the first process only."""
    if not run.fabric.is_global_zero:
        return
    state = Checkpoint(
        recipe=recipe,
        step=run.step,
        network=run.network.state_dict(),
        ema=run.ema.network.state_dict() if run.ema else None,
        optimizer=run.optimizer.state_dict(),
        watch={"guard": asdict(run.guard), "patience": asdict(run.patience)},
    )
    write = checkpoints.save_best if best else checkpoints.save
    write(state, folder)

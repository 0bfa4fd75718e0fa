"""The course of a run, top to bottom: data, network, steps, checkpoints, validation."""

import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import torch

from diffbin.config import Optim, Recipe
from diffbin.data.annotations import Picture
from diffbin.data.dataset import TrainSet
from diffbin.data.sources import PictureSource
from diffbin.errors import TrainingError, TrainingWarning, warn
from diffbin.files import make_folder
from diffbin.metrics.evaluate import list_labelled
from diffbin.model import checkpoints
from diffbin.model.checkpoints import Checkpoint
from diffbin.plain import from_dict, to_dict
from diffbin.train import devices
from diffbin.train.allocator import keeping_freed
from diffbin.train.guard import named, too_many
from diffbin.train.log import RunLog
from diffbin.train.loggers import Place, check_loggers
from diffbin.train.losses import DBLoss
from diffbin.train.memory import too_large
from diffbin.train.optimizer import set_rate
from diffbin.train.preflight import look_ahead
from diffbin.train.report import write_report
from diffbin.train.run import Run, begin, restore, save
from diffbin.train.schedule import learning_rate
from diffbin.train.start import Start
from diffbin.train.step import each_alone, step_batches, train_step
from diffbin.train.stop import Stop, stopping
from diffbin.train.validate import figures, overlap, validate, write_samples


def train(recipe: Recipe, *, out: Path, resume: bool = False, start: Start | None = None) -> Path:
    """Trains by the recipe and returns the path of the last checkpoint, `out/checkpoints/step_*.pt`; with early
    stopping, `train.patience_evals`, that of the best, `best.pt`.

    `resume` goes on exactly where the newest checkpoint in `out` stopped, if there is one; `start` begins with trained
    weights. Started by `torchrun`, its processes train together: each step's `data.batch_size` samples are shared out
    among them, so the number of devices does not change what is learned. Raises `TrainingError` when too many steps
    have a loss or gradient that is not finite (the last good checkpoint stays), and when a GPU's memory is too small;
    `ConfigError`, `DependencyError`, `InputError`.
    """
    recipe = from_dict(Recipe, to_dict(recipe))  # one made in Python may have values that no file could hold
    check_loggers(recipe.train.loggers)
    fabric = devices.open_fabric(recipe.train.precision)
    try:
        folder = out / "checkpoints"
        if fabric.is_global_zero:
            make_folder(out)
            _warn_of_emulation(recipe)
        saved: Checkpoint | None = fabric.broadcast(_find(folder, resume) if fabric.is_global_zero else None)
        run = begin(fabric, recipe, start)
        if saved:
            restore(run, saved)
        try:
            with keeping_freed(fabric.device):
                _train(run, recipe, out)
        except torch.OutOfMemoryError:
            pass  # told of below, when the tensors of the failed step are gone
        else:
            fabric.barrier()  # the first process has written the last checkpoint
            return folder / (checkpoints.BEST if recipe.train.patience_evals else checkpoints.name(run.step))
        raise too_large(run, recipe)
    finally:
        devices.close()


def _warn_of_emulation(recipe: Recipe) -> None:
    if recipe.train.precision == "bf16" and not devices.has_bf16():
        said = "This device only emulates bfloat16, at many times the time of 32 bits: --set train.precision=32."
        warn(said, TrainingWarning)


def _warn_of_overlap(data: TrainSet, held_back: Sequence[Picture]) -> None:
    learnt = chain.from_iterable(source.pictures for source in data.sources if isinstance(source, PictureSource))
    if said := overlap(learnt, held_back):
        warn(said, TrainingWarning)


def _find(folder: Path, resume: bool) -> Checkpoint | None:
    there = bool(checkpoints.checkpoints(folder))
    if resume and there:
        return checkpoints.load_latest(folder)
    if resume:
        warn(f"There is no checkpoint in {folder} yet; the run begins.", TrainingWarning)
    elif there:
        raise TrainingError(f"{folder.parent} holds a run already; go on with --resume, or choose another --out.")
    return None


def _train(run: Run, recipe: Recipe, out: Path) -> None:
    sources, root = recipe.data.validation, recipe.data.root
    held_back = list_labelled(sources, root) if sources else []  # a wrong folder is told of now, not hours later
    data, criterion = TrainSet(recipe), DBLoss(recipe.loss)
    if held_back and run.fabric.is_global_zero:
        _warn_of_overlap(data, [picture for _, picture in held_back])
    total = recipe.train.steps or recipe.train.epochs * data.steps_per_epoch
    batches = step_batches(recipe, run.step, data)
    if recipe.train.preflight and not run.step:
        first = next(batches)
        look_ahead(run, recipe, first, data=data, total=total, out=out)
        batches = chain([first], batches)
    with (
        stopping() as stop,
        RunLog(Place(out, recipe, run.step), total=total, enabled=run.fabric.is_global_zero) as log,
    ):
        if _is_judged(run.step, total, recipe) and run.patience.judged < run.step:  # broken off in a validation
            _judge(run, recipe, out, log, stop)
        while run.step < total and not run.patience.is_over(recipe.train.patience_evals):
            lr = _rate(recipe.optim, run.step, total, data.steps_per_epoch)
            set_rate(run.optimizer, lr)
            losses = train_step(run, criterion, next(batches), recipe)
            skipped = run.guard.has_skipped(run.step - 1)
            if skipped:
                _tell_skipped(run, criterion, data, losses, recipe)
            log.step(run.step, {"lr": lr, **losses}, images=recipe.data.batch_size, skipped=skipped)
            asked, judged = stop.everywhere(run.fabric.device), _is_judged(run.step, total, recipe)
            if asked or judged or _due(run.step, recipe.train.save_every_steps) or run.step == total:
                save(run, recipe, out / "checkpoints")
            if asked:
                return
            if judged:
                with log.aside():
                    _judge(run, recipe, out, log, stop)
                    _report(run, recipe, out, total)
    if run.step < total:
        _tell_early(run, total)
    _report(run, recipe, out, total)


def _is_judged(step: int, total: int, recipe: Recipe) -> bool:
    due = _due(step, recipe.train.eval_every_steps) or step == total
    return bool(recipe.data.validation) and step > 0 and due


def _judge(run: Run, recipe: Recipe, out: Path, log: RunLog, stop: Stop) -> None:
    """Validates and writes down what was found. The checkpoint that knows of it comes last: broken off before that, all
    is done again."""
    with stop.let_through():
        report = validate(run.judged, recipe)
    if run.patience.judge(run.step, report.fixed.hmean):
        save(run, recipe, out / "checkpoints", best=True)
    log.write(run.step, figures(report))
    if run.fabric.is_global_zero:
        log.picture(run.step, write_samples(run.judged, recipe, out, step=run.step))
    save(run, recipe, out / "checkpoints")


def _report(run: Run, recipe: Recipe, out: Path, total: int) -> None:
    if run.fabric.is_global_zero:
        early = run.patience.is_over(recipe.train.patience_evals) and run.step < total
        write_report(out, recipe, state=f"{'stopped early after ' * early}{run.step} of {total} steps")


def _tell_early(run: Run, total: int) -> None:
    if run.fabric.is_global_zero:
        since = f"{run.patience.waited} validations were no better than that of step {run.patience.best_step}"
        warn(f"The run ends after {run.step} of {total} steps: {since}.", TrainingWarning)


def _tell_skipped(run: Run, criterion: DBLoss, data: TrainSet, losses: dict[str, float], recipe: Recipe) -> None:
    """Warns of the step that was skipped; raises `TrainingError`, with the pictures, where it is one too many."""
    if run.guard.is_over(recipe.train.max_bad_steps):
        raise too_many(run.guard, losses, each_alone(run, criterion, data, recipe))
    if run.fabric.is_global_zero:
        said = f"Step {run.step - 1} is skipped, its loss or gradient is not finite ({named(losses)})."
        warn(said, TrainingWarning)


def _rate(config: Optim, step: int, total: int, steps_per_epoch: int) -> float:
    epochs = math.ceil(total / steps_per_epoch)
    t, end = (step, total) if config.per == "step" else (step // steps_per_epoch, epochs)
    return learning_rate(config, t, end)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0

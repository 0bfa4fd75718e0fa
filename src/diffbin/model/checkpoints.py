"""Checkpoints: everything a run needs to go on exactly, and everything a model needs to be used.

One file holds the resolved recipe (JSON), the step, the weights, their moving average and the optimiser's state; random
numbers follow from the step. It is read with `weights_only=True`, so a file from a stranger cannot run code.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialized
from torch import Tensor

from diffbin.config import Recipe
from diffbin.errors import ConfigError, InputError, ModelError, TrainingWarning, warn
from diffbin.files import open_whole, write_whole
from diffbin.model.dbnet import DBNet
from diffbin.plain import from_dict, to_dict

HALVED_FROM = 1024  # tensors of at least so many values are stored in half precision, here and in ONNX files
LISTED = 20  # names in an error
BEST = "best.pt"  # the checkpoint of the best validation
KEPT = 2  # the newest checkpoints of a run that stay on disk
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A state between two steps."""

    recipe: Recipe
    step: int  # steps done
    network: Weights
    ema: Weights | None
    optimizer: dict[str, Any]
    watch: dict[str, Any] = field(default_factory=dict)  # what the run knows of its course, see `train/run`

    @property
    def best_weights(self) -> Weights:
        """The moving average where there is one, else the weights themselves."""
        return self.network if self.ema is None else self.ema


def save(checkpoint: Checkpoint, folder: Path) -> Path:
    """Writes `folder/step_XXXXXXXX.pt`, whole or not at all, and removes all such files but the newest few."""
    path = folder / name(checkpoint.step)
    _write(checkpoint, path)
    for old in checkpoints(folder)[:-KEPT]:
        old.unlink()
    return path


def save_best(checkpoint: Checkpoint, folder: Path) -> Path:
    """Writes `folder/best.pt` in the place of the one before it; it stays when the others go."""
    path = folder / BEST
    _write(checkpoint, path)
    return path


def _write(checkpoint: Checkpoint, path: Path) -> None:
    content = {**vars(checkpoint), "recipe": json.dumps(to_dict(checkpoint.recipe))}
    try:
        with open_whole(path) as file:
            torch.save(content, file)
    except (InputError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        raise ModelError(f"The checkpoint {path} could not be written ({error}); is the disk full?") from error


def name(step: int) -> str:
    """Of the file of a checkpoint."""
    return f"step_{step:08d}.pt"


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(folder.glob("step_*.pt"))


def load(path: Path) -> Checkpoint:
    """Reads one checkpoint. `ModelError` if it is missing, damaged or not one of ours."""
    if not path.is_file():
        raise ModelError(f"There is no checkpoint {path}.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        recipe = from_dict(Recipe, json.loads(content.pop("recipe")))
        content.pop("random", None)  # of files that hold it still
        checkpoint = Checkpoint(recipe=recipe, **content)
        _check_tensors(checkpoint.best_weights)
        _check_tensors(checkpoint.network)
    except Exception as error:  # what a damaged file raises is not ours to foresee
        raise ModelError(
            f"{path} is not a checkpoint of diffbin, or it is damaged, or of a later version ({reason_of(error)})."
        ) from error
    return checkpoint


def reason_of(error: Exception) -> str:
    """The first line of why torch does not load a file, without its advice to run what is in it."""
    told = re.sub(r"^Weights only load failed.*?(WeightsUnpickler error:|\n\n)\s*", "", str(error), flags=re.DOTALL)
    return told.partition(" Please use")[0].partition("\n")[0] or type(error).__name__


def _check_tensors(weights: Any) -> None:
    if not isinstance(weights, dict) or not all(isinstance(weight, Tensor) for weight in weights.values()):
        raise TypeError("its weights are no table of tensors")


def is_halved(weight: Tensor) -> bool:
    """Whether a tensor is stored in half precision: kernels are; variances of BatchNorm may not fit."""
    return weight.is_floating_point() and weight.numel() >= HALVED_FROM


def read_weights(path: Path) -> tuple[Recipe, Weights]:
    """What a model needs of a file: a checkpoint of a run (its average, if it has one), or exported `.safetensors`.

    Raises `ModelError` for one that is missing, damaged, of ONNX or not ours.
    """
    if path.suffix == ".onnx":
        raise ModelError(
            f"{path} is exported already; give the checkpoint or .safetensors that it was made from. For other "
            f"settings alone: diffbin tune {path} --images DIR --gt DIR --out tuned.onnx."
        )
    if path.suffix != ".safetensors":
        checkpoint = load(path)
        return checkpoint.recipe, checkpoint.best_weights
    if not path.is_file():
        raise ModelError(f"There is no file of weights {path}.")
    try:
        with safe_open(path, "pt") as file:
            recipe = from_dict(Recipe, json.loads(file.metadata()["recipe"]))
            return recipe, {name: _single(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118  # not a dict
    except (SafetensorError, ConfigError, OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} does not hold weights of diffbin, or it is damaged, or of a later version ({error})."
        ) from None


def _single(weight: Tensor) -> Tensor:
    """A copy: what leads into the file keeps it open, and Windows lets nobody replace it then."""
    return weight.to(torch.float32 if weight.is_floating_point() else weight.dtype, copy=True)


def write_weights(path: Path, recipe: Recipe, weights: Weights, *, halve: bool = True) -> None:
    """Writes weights with their recipe as `.safetensors`, whole or not at all; `halve` kernels to half precision."""
    stored = {name: w.half() if halve and is_halved(w) else w for name, w in weights.items()}
    content = serialized({name: w.contiguous() for name, w in stored.items()}, {"recipe": json.dumps(to_dict(recipe))})
    write_whole(path, content)  # the library's own writer leaves files that their owner alone may read


def load_latest(folder: Path) -> Checkpoint:
    """The newest checkpoint of a run that can be read. Of a damaged one it warns and takes the one before it."""
    errors: list[str] = []
    for path in reversed(checkpoints(folder)):
        try:
            found = load(path)
        except ModelError as error:
            errors.append(str(error))
            continue
        for told in errors:
            warn(f"{told} The run goes on from {path}.", TrainingWarning)
        return found
    raise ModelError(" ".join(errors) or f"There is no checkpoint to resume from in {folder}.")


def build(recipe: Recipe, weights: Weights, *, source: str) -> DBNet:
    """The recipe's network with these weights, in evaluation mode; loaded strictly, see `load_into`."""
    network = DBNet(recipe.model, k=recipe.loss.k)
    load_into(network, weights, source=f"{source}, for recipe {recipe.name},")
    return network.eval()


def load_into(network: DBNet, weights: Weights, *, source: str, part: str = "") -> None:
    """Loads `weights` into the parameters whose names begin with `part` ("" = all): each of them, and no others.

    Raises `ModelError` that lists missing and unexpected names, and those of another shape, all with their shapes.
    """
    wanted = {name: tuple(w.shape) for name, w in network.state_dict().items() if name.startswith(part)}
    given = {name: tuple(w.shape) for name, w in weights.items()}
    faults = {
        "missing": [f"{name} {shape}" for name, shape in wanted.items() if name not in given],
        "unexpected": [f"{name} {shape}" for name, shape in given.items() if name not in wanted],
        "of another shape": [
            f"{name} {given[name]} instead of {shape}"
            for name, shape in wanted.items()
            if given.get(name, shape) != shape
        ],
    }
    told = [f"{kind}: {_listed(names)}" for kind, names in faults.items() if names]
    if told:
        raise ModelError(f"The weights of {source} do not fit the network. {'; '.join(told)}.")
    network.load_state_dict(weights, strict=not part)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more

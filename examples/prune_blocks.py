"""Narrows a trained network with efficientnet_lite0_fused to efficientnet_lite0_slim, so that it changes least:

    python examples/prune_blocks.py MODEL PICTURES OUT.safetensors [COUNT]

MODEL is a checkpoint or `.safetensors`; what its layers answer is looked at on COUNT pictures of a folder (36, a minute
or two). Inside of each block channels are taken out one by one, each time the one without which the block's answer
changes least when its last convolution is fitted anew to the others: an Optimal Brain Surgeon (Hassibi and Stork, NIPS
1992) on channels, with the least squares of He et al. (ICCV 2017, arXiv 1707.06168). Between its 1x1 laterals and its
smoothing the pyramid is linear, so its channels are turned until the last of them hardly matter, and those go. The last
block and the lateral behind it are linear, too, and become one.

The table that is printed says what share of the variance of each block's answer is lost. To train the network that is
written further: `diffbin train RECIPE --weights OUT.safetensors --set model.backbone=efficientnet_lite0_slim --set
model.lateral_channels=32`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from diffbin.config import Recipe
from diffbin.data.annotations import pictures_in
from diffbin.data.picture import read_picture
from diffbin.model import checkpoints
from diffbin.model.dbnet import DBNet
from diffbin.model.efficientnet import EPS, SLIM_C5, FusedInvertedResidual, InvertedResidual
from diffbin.train.inputs import normalise

PLACES = 4000  # of each map that are looked at
RIDGE = 1e-6  # of the mean variance, for channels that are always zero
LATERAL = SLIM_C5  # channels of the pyramid: the last block answers as many
Weights = dict[str, Tensor]


class Moments:
    """First and second moments of what comes to a convolution, over places: `(c,)` and `(c, c)`."""

    def __init__(self, channels: int, rng: np.random.Generator) -> None:
        self.count, self._rng = 0, rng
        self._sum, self._squares = torch.zeros(channels).double(), torch.zeros(channels, channels).double()

    def watch(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """A hook before the convolution."""
        x = inputs[0][0].flatten(1).double()
        x = x[:, torch.from_numpy(self._rng.choice(x.shape[1], min(x.shape[1], PLACES), replace=False))]
        self.count += x.shape[1]
        self._sum += x.sum(1)
        self._squares += x @ x.T

    @property
    def mean(self) -> Tensor:
        """Over all places."""
        return self._sum / self.count

    @property
    def second(self) -> Tensor:
        """Not less the mean."""
        return self._squares / self.count

    @property
    def covariance(self) -> Tensor:
        """With a ridge, so that it has an inverse."""
        c = self.second - torch.outer(self.mean, self.mean)
        return c + RIDGE * c.diagonal().mean() * torch.eye(len(c))


def blocks(network: DBNet) -> dict[str, InvertedResidual | FusedInvertedResidual]:
    """Those that are narrowed, by their names in the backbone."""
    kinds = (InvertedResidual, FusedInvertedResidual)
    return {name: module for name, module in network.backbone.named_modules() if isinstance(module, kinds)}


@torch.no_grad()
def look(network: DBNet, recipe: Recipe, pictures: Sequence[Path]) -> tuple[dict[str, Moments], list[Moments]]:
    """What comes to the last convolution of each block, and to the smoothing of each level of the pyramid."""
    rng = np.random.default_rng(0)

    def watched(convolution: nn.Module) -> Moments:
        moments = Moments(convolution.weight.shape[1], rng)  # type: ignore[index,union-attr]
        convolution.register_forward_pre_hook(moments.watch)
        return moments

    of_blocks = {name: watched(block.project) for name, block in blocks(network).items()}
    of_levels = [watched(smooth.conv) for smooth in network.neck.smooth_convs]  # type: ignore[arg-type]
    for path in pictures:
        scale = rng.uniform(recipe.augment.scale_min, recipe.augment.scale_max)
        picture = cv2.resize(read_picture(path), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = (side // 32 * 32 for side in picture.shape[:2])
        cut = torch.from_numpy(picture[:height, :width].copy()).permute(2, 0, 1)[None]
        network.prob(normalise(cut, recipe.preprocess))
    return of_blocks, of_levels


def needed(weight: Tensor, covariance: Tensor, keep: int) -> tuple[Tensor, float]:
    """The channels to keep of those that `weight` `(c_out, c_in)` reads, and the share of the variance that is lost."""
    weight, inverse = weight.clone(), torch.linalg.inv(covariance)
    alive, whole, lost = torch.ones(len(covariance), dtype=torch.bool), _variance(weight, covariance), 0.0
    for _ in range(len(covariance) - keep):
        cost = weight.square().sum(0) / inverse.diagonal()
        cost[~alive] = torch.inf
        least = int(cost.argmin())
        lost += float(cost[least])
        row = inverse[least] / inverse[least, least]
        weight -= torch.outer(weight[:, least], row)
        inverse -= torch.outer(inverse[:, least], row)
        inverse[least, least], alive[least] = 1, False  # its row and column are zero now
    return alive.nonzero()[:, 0], lost / whole


def _variance(weight: Tensor, covariance: Tensor) -> float:
    return float(((weight @ covariance) * weight).sum())


def narrow_block(weights: Weights, prefix: str, moments: Moments, keep: int) -> tuple[Tensor, float]:
    """Takes channels out of one block, in place; those kept, and what share of its answer's variance is lost."""
    last = "bn3." if f"{prefix}bn3.weight" in weights else "bn2."  # a fused block has two
    norm = prefix + last
    old, covariance, mean = _matrix(weights[f"{prefix}project.weight"]), moments.covariance, moments.mean
    kept, lost = needed(old * _gain(weights, norm)[:, None], covariance, keep)
    new = old @ covariance[:, kept] @ torch.linalg.inv(covariance[kept][:, kept])
    for name, weight in weights.items():
        if name.startswith(prefix) and not name.startswith((f"{prefix}project", norm)) and weight.ndim:
            weights[name] = weight[kept]
    weights[f"{prefix}project.weight"] = new.float()[:, :, None, None]
    weights[f"{norm}running_mean"] = weights[f"{norm}running_mean"] + (new @ mean[kept] - old @ mean).float()
    return kept, lost


def _matrix(weight: Tensor) -> Tensor:
    """A 1x1 convolution's."""
    return weight[:, :, 0, 0].double()


def _gain(weights: Weights, norm: str) -> Tensor:
    """What a BatchNorm multiplies by."""
    return (weights[f"{norm}weight"] / (weights[f"{norm}running_var"] + EPS).sqrt()).double()


def narrow_pyramid(weights: Weights, levels: Sequence[Moments]) -> list[float]:
    """Turns the pyramid's channels and keeps the first, in place; what share of each level's answer is lost."""
    smooth = [weights[f"neck.smooth_convs.{i}.conv.weight"].double() for i in range(len(levels))]
    reads = [torch.einsum("ochw,odhw->cd", kernel, kernel) for kernel in smooth]
    wholes = [torch.trace(read @ level.second) for read, level in zip(reads, levels, strict=True)]
    read = sum((r / whole for r, whole in zip(reads, wholes, strict=True)), torch.zeros(()))
    second = sum((level.second / torch.trace(level.second) for level in levels), torch.zeros(()))
    root = torch.linalg.cholesky(second + RIDGE * second.diagonal().mean() * torch.eye(len(second)))
    largest = torch.linalg.eigh(root.T @ read @ root)[1][:, -LATERAL:]
    down, up = largest.T @ torch.linalg.inv(root), root @ largest
    for i, kernel in enumerate(smooth):
        lateral = f"neck.lateral_convs.{i}.conv.weight"
        weights[lateral] = (down @ _matrix(weights[lateral])).float()[:, :, None, None]
        weights[f"neck.smooth_convs.{i}.conv.weight"] = torch.einsum("ochw,cd->odhw", kernel, up).float()
    left = torch.eye(len(second)) - up @ down
    return [
        float(torch.trace(r @ left @ level.second @ left.T) / whole)
        for r, level, whole in zip(reads, levels, wholes, strict=True)
    ]


def join_last(weights: Weights, prefix: str, mean: Tensor, covariance: Tensor) -> None:
    """Makes the last block answer what the lateral behind it makes of its answer, in place.

    `mean` and `covariance` are those of what comes to the block's last convolution.
    """
    norm, lateral = f"{prefix}bn3.", "neck.lateral_convs.3.conv.weight"
    mixed = _matrix(weights[lateral])
    project = mixed * _gain(weights, norm) @ _matrix(weights[f"{prefix}project.weight"])
    offset = mixed @ (weights[f"{norm}bias"] - _gain(weights, norm) * weights[f"{norm}running_mean"])
    variance = ((project @ covariance) * project).sum(1)
    new = {
        f"{prefix}project.weight": project[:, :, None, None],
        f"{norm}running_mean": project @ mean,
        f"{norm}running_var": variance,
        f"{norm}weight": (variance + EPS).sqrt(),
        f"{norm}bias": offset + project @ mean,
        lateral: torch.eye(len(mixed))[:, :, None, None],
    }
    weights.update({name: weight.float() for name, weight in new.items()})


def main(model: str, folder: str, out: str, count: str = "36") -> None:
    """Fewer pictures are for a try."""
    recipe, weights = checkpoints.read_weights(Path(model))
    if recipe.model.backbone != "efficientnet_lite0_fused":
        sys.exit(f"The backbone of {model} is {recipe.model.backbone}; only efficientnet_lite0_fused can be narrowed.")
    network = checkpoints.build(recipe, weights, source=model).eval()
    slim = replace(recipe.model, backbone="efficientnet_lite0_slim", lateral_channels=LATERAL)
    recipe = replace(recipe, model=slim)
    narrow = DBNet(slim, k=recipe.loss.k)
    pictures = pictures_in(Path(folder))
    chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, min(int(count), len(pictures)), dtype=int)]
    of_blocks, of_levels = look(network, recipe, chosen)
    weights = network.state_dict()
    for name, block in blocks(narrow).items():
        prefix, keep, moments = f"backbone.{name}.", block.project.in_channels, of_blocks[name]
        kept, lost = narrow_block(weights, prefix, moments, keep)
        print(f"{name}: {keep} of {len(moments.mean)} channels, {lost:.1%} lost")
    print("pyramid:", ", ".join(f"{lost:.1%}" for lost in narrow_pyramid(weights, of_levels)), "lost of its levels")
    join_last(weights, prefix, moments.mean[kept], moments.covariance[kept][:, kept])
    narrow.load_state_dict(weights)
    checkpoints.write_weights(Path(out), recipe, narrow.state_dict(), halve=False)
    print(f"wrote {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])

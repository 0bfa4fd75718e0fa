"""Puts the fused block of efficientnet_lite0_fused in the place of the block of efficientnet_lite0 that it stands for,
and teaches it what that one answers:

    python examples/fuse_block.py MODEL PICTURES OUT.safetensors [STEPS]

MODEL is a checkpoint or `.safetensors` of a network with efficientnet_lite0. Nothing but the new block is trained, by
the squared difference on windows of the pictures of a folder, in one to two minutes on one core (6,000 steps). To train
the network that is written further: `diffbin train RECIPE --weights OUT.safetensors`.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffbin.config import Recipe
from diffbin.data.annotations import pictures_in
from diffbin.data.picture import read_picture
from diffbin.model import checkpoints
from diffbin.model.dbnet import DBNet

WINDOW_PX, WINDOWS, BATCH = 256, 300, 8
PATCH, MARGIN = 48, 1  # of the map at half resolution; outputs at a patch's rim see padding instead of the picture
RATE = 5e-3


def fuse(network: DBNet, recipe: Recipe, pictures: Sequence[Path], steps: int) -> tuple[DBNet, float]:
    """The network of `recipe`, which has the fused block, and the share of the old one's variance that it explains."""
    torch.manual_seed(0)
    fused = DBNet(recipe.model, k=recipe.loss.k)
    block: nn.Module = fused.backbone.layer1[0]
    kept = {name: w for name, w in network.state_dict().items() if not name.startswith("backbone.layer1.0.")}
    fused.load_state_dict({**fused.state_dict(), **kept})
    maps = torch.cat([half_resolution(network, window) for window in windows(pictures, recipe, min(WINDOWS, steps))])
    old, rng = network.backbone.layer1[0], np.random.default_rng(0)
    optimizer = torch.optim.Adam(block.parameters(), RATE)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, steps)
    for _ in range(steps):
        loss = unexplained(block, old, patches(maps, rng))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
    with torch.no_grad():
        for norm in (block.bn1, block.bn2):  # its statistics are those of the last weights, over all that follows
            norm.reset_running_stats()
            norm.momentum = None
        for _ in range(50):
            block(patches(maps, rng))
        block.eval()
        left = sum(unexplained(block, old, patches(maps, rng)).item() for _ in range(50)) / 50
    return fused.eval(), 1 - left


def windows(pictures: Sequence[Path], recipe: Recipe, count: int) -> Iterator[Tensor]:
    """Pieces of pictures at the sizes of training, normalised."""
    rng = np.random.default_rng(0)
    mean, std = (np.array(v, np.float32) for v in (recipe.preprocess.mean_rgb, recipe.preprocess.std_rgb))
    for i in range(count):
        picture = read_picture(pictures[i % len(pictures)])
        scale = max(rng.uniform(recipe.augment.scale_min, recipe.augment.scale_max), WINDOW_PX / min(picture.shape[:2]))
        side = int(WINDOW_PX / scale)
        top, left = (int(rng.integers(length - side + 1)) for length in picture.shape[:2])
        window = torch.from_numpy((picture[top : top + side, left : left + side] - mean) / std).permute(2, 0, 1)[None]
        yield F.interpolate(window, (WINDOW_PX, WINDOW_PX), mode="bilinear", antialias=True)


@torch.no_grad()
def half_resolution(network: DBNet, window: Tensor) -> Tensor:
    """What comes to the block."""
    backbone = network.backbone
    answer: Tensor = backbone.first(backbone.relu(backbone.bn1(backbone.conv1(window))))
    return answer


def patches(maps: Tensor, rng: np.random.Generator) -> Tensor:
    """A few of a few maps, at even places."""
    top, left = 2 * rng.integers((maps.shape[2] - PATCH) // 2 + 1, size=2)
    return maps[rng.choice(len(maps), BATCH), :, top : top + PATCH, left : left + PATCH]


def unexplained(block: nn.Module, old: nn.Module, x: Tensor) -> Tensor:
    """The mean over channels of squared difference by variance."""
    with torch.no_grad():
        wanted = old(x)
    inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    variance = wanted[inner].var((0, 2, 3), keepdim=True)
    return ((block(x)[inner] - wanted[inner]).square() / variance).mean()


def main(model: str, folder: str, out: str, steps: str = "6000") -> None:
    """Steps may be fewer, for a try."""
    torch.set_num_threads(1)  # there is too little to share
    recipe, weights = checkpoints.read_weights(Path(model))
    if recipe.model.backbone != "efficientnet_lite0":
        sys.exit(
            f"The backbone of {model} is {recipe.model.backbone}; only a block of efficientnet_lite0 can be fused."
        )
    network = checkpoints.build(recipe, weights, source=model)
    recipe = replace(recipe, model=replace(recipe.model, backbone="efficientnet_lite0_fused"))
    fused, explained = fuse(network, recipe, pictures_in(Path(folder)), int(steps))
    checkpoints.write_weights(Path(out), recipe, fused.state_dict(), halve=False)
    print(f"The fused block explains {explained:.1%} of what the other answers; wrote {out}.")


if __name__ == "__main__":
    main(*sys.argv[1:])

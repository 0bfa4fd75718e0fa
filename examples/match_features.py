"""Teaches a backbone, from random weights, what the backbone of a trained model answers (hints, Romero et al., arXiv
1412.6550), where no weights trained on ImageNet are at hand:

    python examples/match_features.py MODEL STEPS OUT.pth RECIPE [KEY=VALUE ...]

MODEL is the teacher, a name or a file. RECIPE and its settings say which backbone learns (`model.backbone`), and from
which crops (`data`, `augment`). At each of the four scales a 1x1 convolution, thrown away at the end, leads from the
pupil's features to the teacher's, each channel of which counts alike. To train a network on from what is written:
`diffbin train RECIPE --backbone OUT.pth`.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from diffbin import recipes, zoo
from diffbin.config import Recipe
from diffbin.data.dataset import TrainSet, train_loader
from diffbin.model import checkpoints
from diffbin.model.backbones import BACKBONES
from diffbin.overrides import override
from diffbin.train.devices import open_fabric
from diffbin.train.inputs import normalise

RATE, WEIGHT_DECAY, WARM_UP = 2e-3, 0.01, 0.03
EPSILON = 1e-5  # as BatchNorm's


class Pupil(nn.Module):
    """A backbone, and from each of its features a way to the teacher's."""

    def __init__(self, backbone: str, channels: Sequence[int]) -> None:
        super().__init__()
        self.backbone = BACKBONES[backbone]()
        self.ways = nn.ModuleList(nn.Conv2d(c, d, 1) for c, d in zip(self.backbone.channels, channels, strict=True))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """`(n, 3, h, w)` normalised -> what it takes the teacher's standardised c2 to c5 for."""
        return [way(feature) for way, feature in zip(self.ways, self.backbone(pictures), strict=True)]


def match(teacher: nn.Module, taught: Recipe, recipe: Recipe, steps: int) -> nn.Module:
    """The backbone of `recipe` after so many steps; `taught` is the teacher's recipe."""
    fabric = open_fabric(recipe.train.precision)
    torch.manual_seed(recipe.train.seed)
    network = Pupil(recipe.model.backbone, teacher.channels).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pupil, optimizer = fabric.setup(network, torch.optim.AdamW(network.parameters(), RATE, weight_decay=WEIGHT_DECAY))
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps, pct_start=WARM_UP, cycle_momentum=False)
    teacher = teacher.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = train_loader(recipe, train_set=TrainSet(recipe))
    began = time.monotonic()
    for step, batch in zip(range(1, steps + 1), batches, strict=False):
        pictures = batch.to(fabric.device).pictures
        with torch.no_grad(), fabric.autocast():
            wanted = teacher(normalise(pictures, taught.preprocess))
        answers = pupil(normalise(pictures, recipe.preprocess))
        left = torch.stack([unexplained(a.float(), w.float()) for a, w in zip(answers, wanted, strict=True)])
        optimizer.zero_grad()
        fabric.backward(left.mean())
        optimizer.step()
        rates.step()
        if step % 50 == 0 or step == steps:
            shares = ", ".join(f"c{i} {1 - share:.3f}" for i, share in enumerate(left.tolist(), start=2))
            print(f"step {step}, {time.monotonic() - began:.0f} s: explained of {shares}", flush=True)
    return network.backbone


def unexplained(answer: Tensor, wanted: Tensor) -> Tensor:
    """The mean square of what is missing, of features that have mean 0 and deviation 1 in each channel of the batch."""
    mean, variance = wanted.mean((0, 2, 3), keepdim=True), wanted.var((0, 2, 3), keepdim=True)
    missing: Tensor = (answer - (wanted - mean) / (variance + EPSILON).sqrt()).square().mean()
    return missing


if __name__ == "__main__":
    model, steps, out, name, *settings = sys.argv[1:]
    recipe = override(recipes.load(name), settings)
    taught, weights = checkpoints.read_weights(zoo.weights_of(model))
    teacher = checkpoints.build(taught, weights, source=model).backbone.eval().requires_grad_(False)
    backbone = match(teacher, taught, recipe, int(steps)).cpu()
    torch.save(backbone.state_dict(), Path(out))

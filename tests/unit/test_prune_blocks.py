"""What `examples/prune_blocks.py` takes out of a network, and that it answers nearly as before."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from diffbin import Detector, zoo
from diffbin.engines.torch import TorchEngine
from diffbin.image import load
from diffbin.model import checkpoints

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "examples" / "prune_blocks.py"


def test_the_needed_channels_are_those_that_others_do_not_stand_for() -> None:
    """Channel 2 is the sum of 0 and 1, 3 is always zero, and 4 is not read: three of six are enough."""
    pruning = runpy.run_path(str(PROGRAM))
    x = torch.randn(6, 500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[2], x[3] = x[0] + x[1], 0
    weight = torch.tensor([[1.0, 2, 3, 4, 0, 1], [2, 1, 0, 1, 0, 2]], dtype=torch.float64)
    moments = pruning["Moments"](6, np.random.default_rng(0))
    moments.watch(nn.Identity(), (x.reshape(1, 6, 20, 25),))
    kept, lost = pruning["needed"](weight, moments.covariance, 3)
    assert len({0, 1, 2} & set(kept.tolist())) == 2 and 5 in kept and lost < 1e-5
    _, lost = pruning["needed"](weight, moments.covariance, 2)
    assert lost > 0.01


@pytest.mark.slow
def test_a_narrowed_network_answers_nearly_as_before(tmp_path: Path) -> None:
    out = tmp_path / "slim.safetensors"
    line = [str(zoo.WEIGHTS["diffbin-lines"]), str(ROOT / "examples"), str(out), "4"]
    done = subprocess.run([sys.executable, str(PROGRAM), *line], check=True, capture_output=True, text=True)
    assert "layer4.4: 64 of 1152 channels" in done.stdout
    recipe, weights = checkpoints.read_weights(out)
    assert (recipe.model.backbone, recipe.model.lateral_channels) == ("efficientnet_lite0_slim", 32)
    narrow = Detector(TorchEngine(checkpoints.build(recipe, weights, source=str(out)), recipe))
    picture = load(ROOT / "examples" / "img_925.jpg")
    before, after = Detector(zoo.WEIGHTS["diffbin-lines"], engine="torch").prob(picture), narrow.prob(picture)
    assert np.abs(before - after).mean() < 0.02 and np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.8

"""What `examples/match_features.py` teaches a backbone, and that training can begin with what it writes."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from diffbin import recipes
from diffbin.model import checkpoints, official
from diffbin.model.dbnet import DBNet

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_backbone_learns_what_the_teachers_answers(tmp_path: Path) -> None:
    out = tmp_path / "matched.pth"
    program = ROOT / "examples" / "match_features.py"
    settings = [
        "model.backbone=resnet18_half",
        "augment.crop_px_min=0",
        "augment.crop_px=96",
        "data.workers=0",
        "train.precision=32",
        f"data.root={ROOT}",
        "data.train.0.images=examples",
        "data.train.0.labels=examples/gt",
        "data.train.0.part=",
        "data.train.1.weight=0",
        "data.train.2.weight=0",
        "data.train.3.weight=0",
    ]
    line = [sys.executable, str(program), "diffbin-words", "100", str(out), "diffbin_words", *settings]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    told = re.search(r"step 100, .* c2 (-?[\d.]+)", done.stdout)
    assert told and float(told[1]) > 0.1, done.stdout

    recipe = recipes.load("diffbin_words")
    recipe = replace(recipe, model=replace(recipe.model, backbone="resnet18_half"))
    weights = official.backbone(official.read(out), recipe)
    network = DBNet(recipe.model)
    checkpoints.load_into(network, weights, source=str(out), part="backbone.")
    assert all(torch.equal(network.state_dict()[name], w) for name, w in weights.items())

"""The loop: every recipe runs, runs resume exactly, trouble stops with its name."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from conftest import small_recipe
from diffbin import recipes
from diffbin.config import Optim, Source, Train
from diffbin.errors import ModelError, TrainingError, TrainingWarning
from diffbin.model import checkpoints
from diffbin.train.loop import train
from diffbin.train.start import Start

QUICK = ("dbnet_resnet18_fpnc_1200e_icdar2015", "dbnetpp_resnet50-dcnv2_fpnc_1200e_icdar2015", "diffbin_words")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in recipes.names()]
)
def test_every_recipe_trains_two_steps(name: str, pages: Path, tmp_path: Path) -> None:
    recipe, source = recipes.load(name), Source(images="images", labels="gt")
    data = replace(recipe.data, root=str(pages), train=(source,), validation=(source,), batch_size=2, workers=0)
    short = replace(
        recipe,
        data=data,
        augment=replace(recipe.augment, crop_px=64),
        preprocess=replace(recipe.preprocess, long_px=128, short_px=96),
        train=replace(recipe.train, epochs=0, steps=2, eval_every_steps=1),
    )
    last = train(short, out=tmp_path / "run")
    saved = checkpoints.load(last)
    assert saved.step == 2 and saved.recipe == short
    rows = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert "hmean" in rows[0] and len(rows) >= 3


def test_a_run_resumes_exactly(pages: Path, tmp_path: Path) -> None:
    recipe = replace(small_recipe(pages), train=Train(steps=4, save_every_steps=2, precision="32", ema_decay=0.9))
    straight = checkpoints.load(train(recipe, out=tmp_path / "run"))
    shutil.copytree(tmp_path / "run", tmp_path / "broken")
    (tmp_path / "broken" / "checkpoints" / "step_00000004.pt").write_bytes(b"half written")
    with pytest.warns(TrainingWarning, match=r"step_00000004.pt is not .* goes on from .*step_00000002.pt"):
        resumed = checkpoints.load(train(recipe, out=tmp_path / "broken", resume=True))
    assert resumed.ema and straight.ema
    for name, value in straight.network.items():
        assert torch.equal(value, resumed.network[name]) and torch.equal(straight.ema[name], resumed.ema[name])
    for key, state in straight.optimizer["state"].items():
        assert torch.equal(state["exp_avg"], resumed.optimizer["state"][key]["exp_avg"])
    with pytest.raises(TrainingError, match="--resume"):
        train(recipe, out=tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_with_its_parts(pages: Path, tmp_path: Path) -> None:
    recipe = replace(
        small_recipe(pages), optim=Optim(lr=1e25), train=Train(steps=9, save_every_steps=1, precision="32")
    )
    with pytest.raises(TrainingError, match=r"loss_prob = .*--resume"):
        train(recipe, out=tmp_path / "run")
    assert checkpoints.checkpoints(tmp_path / "run" / "checkpoints")


def test_weights_start_another_run(pages: Path, tmp_path: Path) -> None:
    recipe = small_recipe(pages)
    first = train(recipe, out=tmp_path / "first")
    checkpoints.write_weights(tmp_path / "w.safetensors", recipe, checkpoints.load(first).best_weights)
    stored, weights = checkpoints.read_weights(tmp_path / "w.safetensors")
    assert stored == recipe
    still = replace(recipe, optim=Optim(lr=1e-12), train=Train(steps=1, precision="32"))
    second = checkpoints.load(train(still, out=tmp_path / "second", start=Start(weights, "weights")))
    assert torch.allclose(second.network["backbone.layer1.0.conv1.weight"], weights["backbone.layer1.0.conv1.weight"])


def test_bad_checkpoints(pages: Path, tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"nothing")
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    torch.save({"recipe": json.dumps({"name": "x"}), "step": 1}, tmp_path / "b.pt")
    for name in ("a.pt", "b.pt", "c.pt", "a.safetensors", "c.safetensors"):
        with pytest.raises(ModelError, match=name):
            checkpoints.read_weights(tmp_path / name)
    with pytest.raises(ModelError, match="do not fit"):
        checkpoints.build(small_recipe(pages), {"a": torch.zeros(1)}, source="a.pt")

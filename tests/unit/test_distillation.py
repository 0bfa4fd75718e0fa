"""Learning from a teacher's map."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from conftest import small_recipe
from diffbin.config import Loss, Model, Preprocess, Recipe, Train
from diffbin.errors import ConfigError, ModelError
from diffbin.model import checkpoints
from diffbin.model.dbnet import DBNet, TrainMaps
from diffbin.train.inputs import normalise
from diffbin.train.loop import train
from diffbin.train.losses import DBLoss, TargetBatch, balanced_bce
from diffbin.train.teacher import Teacher


@pytest.fixture
def teacher_file(pages: Path, tmp_path: Path) -> Path:
    """Random weights of a network that is wider than the pupil, and sees pictures by another mean."""
    torch.manual_seed(1)
    model = Model(backbone="resnet18_half", lateral_channels=32, smooth_channels=16, map_stride=2)
    recipe = replace(small_recipe(pages), model=model, preprocess=Preprocess(mean_rgb=(100.0, 110.0, 120.0)))
    checkpoints.write_weights(tmp_path / "teacher.safetensors", recipe, DBNet(model).state_dict(), halve=False)
    return tmp_path / "teacher.safetensors"


def learning(pages: Path, teacher: Path, *, steps: int = 4) -> Recipe:
    recipe = small_recipe(pages)
    train = Train(steps=steps, save_every_steps=2, precision="32", teacher=str(teacher), preflight=False)
    return replace(recipe, train=train, loss=replace(recipe.loss, distill_weight=5.0))


@pytest.mark.parametrize(("precision", "error"), [("32-true", 1e-4), ("bf16-mixed", 0.05), ("64-true", 1e-4)])
def test_the_teacher_answers_its_own_map(precision: Any, error: float, teacher_file: Path) -> None:
    teacher = Teacher(str(teacher_file), Fabric(accelerator="cpu", precision=precision))
    pictures = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    found = teacher(pictures)
    recipe, weights = checkpoints.read_weights(teacher_file)
    network = checkpoints.build(replace(recipe, model=replace(recipe.model, map_stride=1)), weights, source="")
    with torch.no_grad():
        expected = network.prob(normalise(pictures, recipe.preprocess))[:, 0]
    assert found.shape == (2, 64, 96) and not found.requires_grad
    assert torch.allclose(found, expected, atol=error)


def test_soft_targets_pull_towards_the_teacher_in_ignored_regions_too() -> None:
    rng = np.random.default_rng(0)
    taught = torch.tensor(rng.uniform(0, 1, (1, 8, 8)), dtype=torch.float32)
    nothing, everywhere = torch.zeros(1, 8, 8), torch.ones(1, 8, 8)
    logits = torch.zeros(1, 1, 8, 8, requires_grad=True)
    maps = TrainMaps(logits, torch.full((1, 1, 8, 8), 0.3), torch.zeros(1, 1, 8, 8))
    targets = TargetBatch(nothing, nothing, nothing, nothing, taught)  # all is ignored
    loss = DBLoss(Loss(distill_weight=2.0, negative_ratio=100))(maps, targets)
    assert [name for name, _ in loss.named()] == ["prob", "threshold", "binary", "distill"]
    assert loss.distill is not None
    plain = torch.nn.functional.binary_cross_entropy_with_logits(torch.zeros(1, 8, 8), taught)
    assert float(loss.distill.detach()) == pytest.approx(2 * float(plain), rel=1e-4)
    (slope,) = torch.autograd.grad(loss.distill, logits)
    assert torch.allclose(slope[0, 0], 2 * (0.5 - taught[0]) / 64, atol=1e-6)
    assert DBLoss(Loss())(maps, TargetBatch(nothing, everywhere, nothing, nothing)).distill is None


def test_the_hardest_negatives_of_a_soft_target() -> None:
    taught = torch.tensor([[0.9, 0.1, 0.0, 0.0]])
    logits = torch.tensor([[0.0, 0.0, 5.0, -5.0]])
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, taught, reduction="none")[0]
    found = balanced_bce(logits, taught, torch.ones(1, 4), 2)
    assert float(found) == pytest.approx(float(losses[:3].sum()) / 3, rel=1e-5)


@pytest.mark.slow
def test_a_run_learns_from_a_teacher_and_resumes(pages: Path, teacher_file: Path, tmp_path: Path) -> None:
    straight = checkpoints.load(train(learning(pages, teacher_file), out=tmp_path / "run"))
    (tmp_path / "run" / "checkpoints" / "step_00000004.pt").unlink()
    resumed = checkpoints.load(train(learning(pages, teacher_file), out=tmp_path / "run", resume=True))
    plain = checkpoints.load(train(small_recipe(pages), out=tmp_path / "plain"))
    assert straight.recipe.train.teacher == str(teacher_file)
    assert straight.network.keys() == plain.network.keys()  # the teacher is not saved
    for name, value in straight.network.items():
        assert torch.equal(value, resumed.network[name])
    assert not torch.equal(straight.network["det_head.binarize.0.weight"], plain.network["det_head.binarize.0.weight"])


def test_teacher_and_weight_go_together(pages: Path) -> None:
    for changes in ({"train": Train(steps=1, teacher="diffbin-words")}, {"loss": Loss(distill_weight=1.0)}):
        with pytest.raises(ConfigError, match="both, or neither"):
            replace(small_recipe(pages), **changes)


@pytest.mark.parametrize(
    ("name", "reason"), [("x.pth", "zoo import"), ("x.onnx", "zoo import"), ("nothing", "nothing")]
)
def test_bad_teachers(name: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        Teacher(name, Fabric(accelerator="cpu"))


def test_a_named_model_teaches() -> None:
    teacher = Teacher("diffbin-words", Fabric(accelerator="cpu"))
    assert teacher(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).max() <= 1

"""The loop: every recipe runs, runs resume exactly, trouble stops with its name."""

import copy
import json
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from lightning_fabric.accelerators.mps import MPSAccelerator

from conftest import SMALL, small_recipe
from diffbin import recipes, zoo
from diffbin.config import Optim, Recipe, Source, Train
from diffbin.data.dataset import SampleNumbers, TrainSet, collate
from diffbin.errors import ConfigError, ModelError, TrainingError, TrainingWarning
from diffbin.model import checkpoints
from diffbin.model.dbnet import DBNet
from diffbin.train import devices, step
from diffbin.train.loop import train
from diffbin.train.losses import DBLoss
from diffbin.train.norm import SyncNorm, synchronise_norm
from diffbin.train.run import begin, restore
from diffbin.train.start import Start
from diffbin.train.step import train_step

QUICK = ("diffbin_words",)
FIRST_OF = {recipes.load(name).model: name for name in reversed(recipes.names())}  # several share a network


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in recipes.names()]
)
def test_every_recipe_trains_two_steps(name: str, pages: Path, tmp_path: Path) -> None:
    recipe, source = recipes.load(name), Source(images="images", labels="gt")
    held_back = replace(source, images="held_back")
    data = replace(recipe.data, root=str(pages), train=(source,), validation=(held_back,), batch_size=2, workers=0)
    short = replace(
        recipe,
        model=recipe.model if FIRST_OF[recipe.model] == name else SMALL,
        data=data,
        augment=replace(recipe.augment, crop_px=64, crop_px_min=0),
        preprocess=replace(recipe.preprocess, long_px=128, short_px=96),
        train=replace(
            recipe.train, epochs=0, steps=2, eval_every_steps=1, preflight=False,
            precision=recipe.train.precision if devices.has_bf16() else "32",
        ),
    )  # fmt: skip
    last = train(short, out=tmp_path / "run")
    saved = checkpoints.load(last)
    assert saved.step == 2 and saved.recipe == short
    rows = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert "hmean" in rows[0] and len(rows) >= 3


def test_a_recipe_made_in_python_is_checked(pages: Path, tmp_path: Path) -> None:
    recipe = small_recipe(pages)
    odd = replace(recipe, optim=replace(recipe.optim, name="adam"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"optim\.name is 'adam'; it must be one of"):
        train(odd, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_resumes_exactly(pages: Path, tmp_path: Path) -> None:
    recipe = replace(
        small_recipe(pages), train=Train(steps=4, save_every_steps=2, precision="32", ema_decay=0.9, preflight=False)
    )
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


def test_pictures_that_are_trained_and_validated_on_are_told(pages: Path, tmp_path: Path) -> None:
    recipe = small_recipe(pages, steps=1)
    (pages / "held_back" / "img_1.png").unlink()
    (pages / "held_back" / "img_1.png").symlink_to(pages / "images" / "img_1.png")
    with pytest.warns(TrainingWarning, match=r"Of the 2 pictures of data.validation 1 are trained on .*img_1\.png"):
        train(recipe, out=tmp_path / "run")


def test_an_average_that_begins_later_begins_from_the_weights(pages: Path) -> None:
    recipe = replace(small_recipe(pages), train=Train(steps=9, ema_decay=0.999))
    run = begin(devices.open_fabric("32"), recipe, None)
    saved = {name: value + 1 for name, value in run.network.state_dict().items()}
    restore(run, checkpoints.Checkpoint(recipe, 7, saved, ema=None, optimizer=run.optimizer.state_dict()))
    assert run.ema and run.step == 7
    for name, value in run.ema.network.state_dict().items():
        assert torch.equal(value, saved[name]), name


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine trains on its GPU")
def test_apples_gpu_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MPSAccelerator, "is_available", lambda: True)
    assert devices.open_fabric("32").device.type == "cpu"


def test_a_run_of_another_network_is_not_gone_on_with(pages: Path, tmp_path: Path) -> None:
    recipe = small_recipe(pages, steps=1)
    train(recipe, out=tmp_path / "run")
    other = replace(recipe, model=replace(recipe.model, lateral_channels=24))
    with pytest.raises(ConfigError, match=r"of another network; go on with .* --set model\.lateral_channels=16 "):
        train(other, out=tmp_path / "run", resume=True)


def test_too_many_steps_that_are_not_finite_stop_with_their_pictures(pages: Path, tmp_path: Path) -> None:
    recipe = replace(
        small_recipe(pages),
        optim=Optim(lr=1e25),
        train=Train(steps=9, save_every_steps=1, precision="32", max_bad_steps=1, preflight=False),
    )
    with pytest.warns(TrainingWarning, match="is skipped"), pytest.raises(TrainingError, match=r"img_.*--resume"):
        train(recipe, out=tmp_path / "run")
    assert checkpoints.checkpoints(tmp_path / "run" / "checkpoints")


def test_a_step_that_is_not_finite_changes_nothing(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(small_recipe(pages), train=Train(steps=1, precision="32", ema_decay=0.9))
    run, data = begin(devices.open_fabric("32"), recipe, None), TrainSet(recipe)
    batch = collate([data[0], data[1]])
    train_step(run, DBLoss(recipe.loss), [batch], recipe)
    before = copy.deepcopy((run.network.state_dict(), run.optimizer.state_dict()["state"]))
    with monkeypatch.context() as context:
        context.setattr(step, "normalise", lambda pictures, _: torch.full(pictures.shape, float("nan")))
        train_step(run, DBLoss(recipe.loss), [batch], recipe)
    assert run.guard.skipped == [1] and run.step == 2
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, before[0][name]), name
    for key, state in run.optimizer.state_dict()["state"].items():
        assert torch.equal(state["exp_avg"], before[1][key]["exp_avg"])
    assert "img_" in data.name(0)


STEM, FIRST = ("backbone.stem.",), ("backbone.layer1.",)
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@pytest.mark.parametrize("sync_norm", [False, True])
@pytest.mark.parametrize(("layers", "still"), [(5, ()), (4, STEM), (3, STEM + FIRST), (0, ("backbone.",))])
def test_layers_that_do_not_learn_stay_as_they_are(
    layers: int, still: tuple[str, ...], sync_norm: bool, pages: Path
) -> None:
    optim = Optim(name="adamw", lr=0.01, weight_decay=0.1, trainable_layers=layers)  # type: ignore[arg-type]
    settings = Train(steps=1, precision="32", sync_norm=sync_norm)
    same, changed = after_a_step(replace(small_recipe(pages), optim=optim, train=settings))
    assert not [name for name in changed if name.startswith(still)]
    learning = [name for name in same if not name.startswith(still) and name.endswith(("conv1.weight", *STATISTICS))]
    assert not learning


def test_frozen_norm_keeps_statistics_alone(pages: Path) -> None:
    recipe = replace(small_recipe(pages), train=Train(steps=1, precision="32", frozen_norm=True))
    same, changed = after_a_step(recipe)
    kept = {name for name in same | changed if name.startswith("backbone.") and name.endswith(STATISTICS)}
    assert kept <= same and "backbone.stem.0.weight" in changed and "det_head.binarize.1.running_var" in changed


def after_a_step(recipe: Recipe) -> tuple[set[str], set[str]]:
    """The names of the weights and statistics that a step leaves as they are, and of those that it changes."""
    run, data = begin(devices.open_fabric("32"), recipe, None), TrainSet(recipe)
    before = copy.deepcopy(run.network.state_dict())
    train_step(run, DBLoss(recipe.loss), [collate([data[0], data[1]])], recipe)
    same = {name for name, value in run.network.state_dict().items() if torch.equal(value, before[name])}
    return same, set(before) - same


def test_weights_start_another_run(pages: Path, tmp_path: Path) -> None:
    recipe = small_recipe(pages)
    first = train(recipe, out=tmp_path / "first")
    checkpoints.write_weights(tmp_path / "w.safetensors", recipe, checkpoints.load(first).best_weights)
    stored, weights = checkpoints.read_weights(tmp_path / "w.safetensors")
    assert stored == recipe
    still = replace(small_recipe(pages, steps=1), optim=Optim(lr=1e-12))
    second = checkpoints.load(train(still, out=tmp_path / "second", start=Start(weights, "weights")))
    assert torch.allclose(second.network["backbone.layer1.0.conv1.weight"], weights["backbone.layer1.0.conv1.weight"])


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux tells which files are in memory")
def test_weights_that_were_read_leave_their_file_alone() -> None:
    path = zoo.WEIGHTS[zoo.EMBEDDED]
    _, weights = checkpoints.read_weights(path)
    assert weights and path.name not in Path("/proc/self/maps").read_text("utf-8")


@pytest.mark.parametrize("spoil", ["cut", "later", "network"])
def test_a_checkpoint_that_cannot_be_used_is_passed_over(pages: Path, tmp_path: Path, spoil: str) -> None:
    network = DBNet(SMALL).state_dict()
    for done in (2, 4):
        last = checkpoints.save(checkpoints.Checkpoint(small_recipe(pages), done, network, None, {}), tmp_path)
    if spoil == "cut":
        last.write_bytes(last.read_bytes()[:5000])
    else:
        content = torch.load(last, weights_only=True)
        later = {"recipe": json.dumps({"name": "x", "novelty": 1})}
        torch.save(content | (later if spoil == "later" else {"network": 5}), last)
    with pytest.warns(TrainingWarning, match=r"step_00000004\.pt is not .* goes on from .*step_00000002\.pt"):
        assert checkpoints.load_latest(tmp_path).step == 2


def test_a_checkpoint_that_cannot_be_written_costs_a_sentence(pages: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"step_00000003\.pt could not be written .*Not a directory"):
        checkpoints.save(checkpoints.Checkpoint(small_recipe(pages), 3, {}, None, {}), tmp_path / "file" / "below")


def test_bad_checkpoints(pages: Path, tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"nothing")
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    torch.save({"recipe": json.dumps({"name": "x"}), "step": 1}, tmp_path / "b.pt")
    for name in ("a.pt", "b.pt", "c.pt", "a.safetensors", "c.safetensors"):
        with pytest.raises(ModelError, match=name):
            checkpoints.read_weights(tmp_path / name)
    (tmp_path / "renamed.pt").write_bytes(b"\x08\x07model.onnx")
    torch.save({"a": SampleNumbers(0, 1)}, tmp_path / "other.pt")
    for name, said in (("renamed.pt", "Unsupported operand 8"), ("other.pt", "SampleNumbers was not an allowed gl")):
        with pytest.raises(ModelError, match=said) as told:
            checkpoints.read_weights(tmp_path / name)
        assert "weights_only" not in str(told.value) and "safe_globals" not in str(told.value)
    with pytest.raises(ModelError, match="do not fit"):
        checkpoints.build(small_recipe(pages), {"a": torch.zeros(1)}, source="a.pt")


def test_parts_of_a_step_add_up(pages: Path, tmp_path: Path) -> None:
    recipe = replace(small_recipe(pages), train=Train(steps=1, precision="64", accumulate=1))
    data = replace(recipe.data, batch_size=4)
    whole = TrainSet(recipe)
    halves = [collate([whole[number] for number in numbers]) for numbers in islice(SampleNumbers(0, 2), 2)]
    runs = [begin(devices.open_fabric("64"), replace(recipe, data=data), None) for _ in range(2)]
    first = train_step(runs[0], DBLoss(recipe.loss), [halves[0]], recipe)
    twice = train_step(runs[1], DBLoss(recipe.loss), [halves[0], halves[0]], recipe)
    assert first == pytest.approx(twice)
    for one, other in zip(runs[0].network.parameters(), runs[1].network.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-9)
    with pytest.raises(ConfigError, match=r"data.batch_size is 4.* x 3"):
        devices.share(4, 3)
    with pytest.raises(ConfigError, match=r"train\.accumulate is 0"):
        Train(steps=1, accumulate=0)


def test_norm_of_one_process_is_batch_norm() -> None:
    torch.manual_seed(0)
    plain, pictures = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.BatchNorm2d(3)), torch.randn(4, 3, 9, 9)
    shared = copy.deepcopy(plain)
    synchronise_norm(shared, torch.device("cpu"))
    assert isinstance(shared[1], SyncNorm) and shared.state_dict().keys() == plain.state_dict().keys()
    for _ in range(2):
        wanted, found = plain(pictures), shared(pictures)
        assert torch.allclose(wanted, found, atol=1e-6)
    wanted.square().sum().backward(), found.square().sum().backward()
    for one, other in zip(plain.parameters(), shared.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None and torch.allclose(one.grad, other.grad, atol=1e-3)
    for name, value in plain.state_dict().items():
        assert torch.allclose(value, shared.state_dict()[name])
    assert torch.allclose(plain.eval()(pictures), shared.eval()(pictures), atol=1e-6)


def test_a_run_that_never_began_can_be_resumed(pages: Path, tmp_path: Path) -> None:
    with pytest.warns(TrainingWarning, match="no checkpoint in .* the run begins"):
        train(small_recipe(pages, steps=1), out=tmp_path / "run", resume=True)

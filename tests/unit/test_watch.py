"""A run watches itself: a look ahead, an early end, a good rate, and what it says when memory is short."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from conftest import small_recipe
from diffbin.config import Optim
from diffbin.data.dataset import TrainSet
from diffbin.errors import ConfigError, TrainingError, TrainingWarning
from diffbin.model import checkpoints
from diffbin.train import devices, loop, memory, rates, step
from diffbin.train.loggers import read_csv
from diffbin.train.loop import train
from diffbin.train.patience import Patience
from diffbin.train.preflight import Check, check, cost
from diffbin.train.rates import Rates, find_rate
from diffbin.train.run import Run, begin
from diffbin.train.step import step_batches


@pytest.mark.slow
def test_looking_ahead_leaves_the_run_as_it_is(pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = checkpoints.load(train(small_recipe(pages), out=tmp_path / "plain"))
    watched = checkpoints.load(train(small_recipe(pages, preflight=True), out=tmp_path / "watched"))
    for name, value in plain.network.items():
        assert torch.equal(value, watched.network[name]), name
    assert "4 steps take some" in capsys.readouterr().err
    assert (tmp_path / "watched" / "batch.jpg").stat().st_size > 1000
    assert not (tmp_path / "plain" / "batch.jpg").exists()


@pytest.mark.parametrize(("lr", "said"), [pytest.param(1e-9, "does not fall", marks=pytest.mark.slow), (10.0, "rises")])
def test_a_loss_that_does_not_fall_is_told(pages: Path, tmp_path: Path, lr: float, said: str) -> None:
    recipe = replace(small_recipe(pages, preflight=True, steps=1), optim=Optim(name="adamw", lr=lr))
    with pytest.warns(TrainingWarning, match=rf"{said}.*--find-lr"):
        train(recipe, out=tmp_path / "run")


@pytest.mark.slow
def test_emulated_numbers_are_told_of(pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_bf16", lambda: False)
    train(small_recipe(pages, steps=1), out=tmp_path / "single")
    with pytest.warns(TrainingWarning, match=r"only emulates bfloat16.*--set train\.precision=32"):
        train(small_recipe(pages, steps=1, precision="bf16"), out=tmp_path / "half")


def test_what_few_steps_show() -> None:
    assert not Check([2.0, 1.6, 1.5], 1.0, "", True).fault
    assert "no text" in Check([2.0, 2.0, 2.0], 1.0, "", False).fault
    assert "rises" in Check([2.0, math.nan, 1.0], 1.0, "", True).fault
    told = cost(Check([2.0, 1.0], 0.5, "1.2 GiB", True), 36000, load_seconds=1.0)
    assert "some 10 h 0 min" in told and "1.2 GiB" in told and "data.workers" in told
    assert "data.workers" not in cost(Check([2.0, 1.0], 0.5, "", True), 10, load_seconds=0.1)
    assert "data.workers" not in cost(Check([2.0, 1.0], 0.5, "", True), 10, load_seconds=1.0, more_workers=False)


def test_a_batch_is_learned_with_text_seen(pages: Path) -> None:
    recipe = small_recipe(pages)
    run = begin(devices.open_fabric("32"), recipe, None)
    found = check(run, recipe, next(step_batches(recipe, 0, TrainSet(recipe))))
    assert found.has_text and not found.fault and "GiB" in found.memory and run.step == 0


def test_patience() -> None:
    patience, better = Patience(), []
    for number, hmean in enumerate((0.1, 0.3, 0.3, 0.2), 1):
        better.append(patience.judge(number, hmean))
    assert better == [True, True, False, False] and patience.best_step == 2 and patience.judged == 4
    assert patience.is_over(2) and not patience.is_over(3) and not patience.is_over(0)
    with pytest.raises(ConfigError, match=r"train\.patience_evals is -1"):
        small_recipe(Path(), patience_evals=-1)
    with pytest.raises(ConfigError, match=r"patience_evals needs data\.validation, and train\.eval_every_steps"):
        small_recipe(Path(), patience_evals=1)


@pytest.mark.slow
def test_a_run_that_does_not_get_better_ends_with_its_best(pages: Path, tmp_path: Path) -> None:
    recipe = small_recipe(pages, steps=9, eval_every_steps=1, patience_evals=2)
    recipe = replace(recipe, optim=Optim(lr=1e-12))
    with pytest.warns(TrainingWarning, match="ends after 3 of 9 steps: 2 validations .* step 1"):
        best = train(recipe, out=tmp_path / "run")
    assert best.name == checkpoints.BEST and checkpoints.load(best).step == 1
    last = checkpoints.load_latest(tmp_path / "run" / "checkpoints")
    assert last.step == 3 and last.watch["patience"]["waited"] == 2
    assert "stopped early after 3 of 9 steps" in (tmp_path / "run" / "report.html").read_text()


def broken_off(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_resumed_run_ends_where_a_straight_one_does(
    pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(pages, steps=9, eval_every_steps=2, save_every_steps=1, patience_evals=2)
    recipe = replace(recipe, optim=Optim(lr=1e-12))

    with monkeypatch.context() as context:
        context.setattr(loop, "validate", broken_off)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, out=tmp_path / "run")
    assert checkpoints.load_latest(tmp_path / "run" / "checkpoints").step == 2
    shutil.copytree(tmp_path / "run", tmp_path / "again")
    for name in ("run", "again"):
        with pytest.warns(TrainingWarning, match="ends after 6 of 9"):
            train(recipe, out=tmp_path / name, resume=True)
    with pytest.warns(TrainingWarning, match="ends after 6 of 9"):  # and does not go on when it is resumed once more
        train(recipe, out=tmp_path / "run", resume=True)


def test_the_best_is_written_before_it_is_known_of(
    pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(pages, steps=1, eval_every_steps=1, patience_evals=2)

    with monkeypatch.context() as context:
        context.setattr(checkpoints, "save_best", broken_off)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, out=tmp_path / "run")
    best = train(recipe, out=tmp_path / "run", resume=True)
    assert checkpoints.load(best).step == 1
    assert any("hmean" in row for row in read_csv(tmp_path / "run"))


class Full:
    """A GPU that holds so many samples."""

    def __init__(self, samples: int) -> None:
        self.samples = samples

    def __call__(self, size: int) -> None:
        if size > self.samples:
            raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("fits", [0, 1, 5, 15, 16])
def test_the_largest_batch_that_fits(fits: int) -> None:
    assert memory.largest_that_fits(Full(fits), 16) == fits


def test_what_is_said_when_memory_is_short() -> None:
    said = str(memory.out_of_memory(16, 5, 1, crop_px=640))
    assert "16 crops of 640 px" in said and "data.batch_size=5" in said and "train.accumulate=4" in said
    assert "crop_px lower" in str(memory.out_of_memory(16, 0, 1, crop_px=640))
    assert "another program" in str(memory.out_of_memory(16, 16, 1, crop_px=640))
    assert "train.accumulate=4" in str(memory.out_of_memory_together(8, 2))


def test_a_gpu_that_is_full_is_told_of_with_what_fits(
    pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def train_step(run: Run, criterion: object, batches: list[object], recipe: object) -> dict[str, float]:
        size = len(batches[0].pictures)  # type: ignore[attr-defined]
        tried.append(size)
        Full(1)(size)
        return step.train_step(run, criterion, batches, recipe)  # type: ignore[arg-type]

    for module in (loop, memory):
        monkeypatch.setattr(module, "train_step", train_step)
    with pytest.raises(TrainingError, match=r"does not hold 2 crops .*; 1 fit.*train\.accumulate=2"):
        train(small_recipe(pages), out=tmp_path / "run")
    assert tried == [2, 2, 1]


@pytest.mark.slow
def test_a_rate_is_found(pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "RATES", (1e-5, 1e-2, 1.0))
    monkeypatch.setattr(rates, "STEPS", 8)
    seen: list[tuple[int, int]] = []
    found = find_rate(small_recipe(pages), out=tmp_path / "run", progress=lambda *done: seen.append(done))
    assert seen[0] == (1, 3) and found.best > 1e-5 and f"{found.best:g}" in found.sentence
    assert (tmp_path / "run" / "rates.csv").read_text().startswith("rate,loss\n1e-05,")
    assert "<svg" in (tmp_path / "run" / "rates.html").read_text()
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_no_rate_helps(pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "short_run", lambda *_: 2.0)
    with pytest.raises(TrainingError, match="No rate from 1e-05 on"):
        find_rate(small_recipe(pages), out=tmp_path / "run")
    assert Rates({1e-3: 2.0, 1e-2: 1.1, 1e-1: 1.0}).best == 1e-2

"""Training further on pictures of one's own."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import page, small_recipe
from diffbin import recipes
from diffbin.cli import app
from diffbin.config import Source
from diffbin.detector import Detector
from diffbin.errors import ConfigError, InputError, ModelError, TrainingError
from diffbin.metrics.iou import PictureMatch, gain_interval
from diffbin.model.checkpoints import write_weights
from diffbin.model.dbnet import DBNet
from diffbin.train.finetune import _check_held_back, plan
from diffbin.train.settings import Text, measure, split, suit


def folder(root: Path, count: int, *, mark: str = "word") -> Source:
    """Labelled pictures."""
    for name in ("images", "gt"):
        (root / name).mkdir(parents=True)
    for i in range(count):
        picture, quads = page(1 + i % 3)
        cv2.imwrite(str(root / "images" / f"{i}.png"), picture)
        (root / "gt" / f"{i}.txt").write_text("\n".join(",".join(map(str, quad)) + f",{mark}" for quad in quads))
    return Source(images=str(root / "images"), labels=str(root / "gt"))


@pytest.mark.parametrize(("count", "held_back"), [(1, 0), (2, 1), (9, 1), (10, 2), (49, 9), (50, 5), (300, 30)])
def test_the_split(count: int, held_back: int, tmp_path: Path) -> None:
    from diffbin.data.annotations import take_part

    learnt, kept = split(count)
    parts = take_part(range(count), learnt), take_part(range(count), kept) if kept else []
    assert len(parts[1]) == held_back and sorted([*parts[0], *parts[1]]) == list(range(count))


def test_settings_follow_from_the_labels(tmp_path: Path) -> None:
    source = folder(tmp_path, 12)
    text = measure(source, "")
    assert text.height == pytest.approx(18 / 96) and text.width == pytest.approx(90 / 96)
    assert text.tilted == text.curved == 0 and text.short_px == 96
    small = suit(small_recipe(tmp_path), source, 12, text)
    assert small.preprocess.short_px == 416  # 18 px of 96 would be 32 px at 171, below the bounds
    assert small.augment.rotate_deg == 10 and small.decode.shape == "quad" and small.train.steps == 300
    assert small.augment.scale_min < 416 / 96 < small.augment.scale_max
    words = recipes.load("diffbin_words")
    assert small.preprocess.max_ratio == 0 and words.preprocess.max_ratio == 2.5
    assert suit(words, source, 12, text).preprocess.max_ratio == pytest.approx(2 * 416 / 96), "these are small"
    assert suit(words, source, 12, Text(0.05, 0.3, 0.5, 0.5, 720)).preprocess.max_ratio == 2.5
    curved = suit(small_recipe(tmp_path), source, 5000, Text(0.05, 0.3, 0.5, 0.5, 720))
    assert curved.preprocess.short_px == 640 and curved.decode.shape == "polygon" and curved.augment.rotate_deg == 30
    assert curved.train.steps == 4000 and curved.data.validation[0].part == "9::10"


def test_what_is_held_back_chooses_nothing(tmp_path: Path) -> None:
    source = folder(tmp_path, 10)
    before = plan("diffbin-words", source, []).recipe
    for i in (4, 9):  # every fifth
        (tmp_path / "gt" / f"{i}.txt").write_text("1,1,120,60,100,90,1,40,word")
    assert plan("diffbin-words", source, []).recipe == before


@pytest.mark.parametrize("assignment", ["data.train.0.part=", "data.train.0.part=3:", "data.validation.0.part=:1"])
def test_no_picture_is_trained_on_and_held_back(tmp_path: Path, assignment: str) -> None:
    with pytest.raises(ConfigError, match=r"pictures of data\.validation \d are trained on as well, .*\.png among"):
        plan("diffbin-words", folder(tmp_path, 10), [assignment])


def test_labels_held_back_are_read_as_those_trained_on(tmp_path: Path) -> None:
    source = folder(tmp_path, 10)
    lines = plan("diffbin-words", source, ["data.train.0.labels_as = line", "data.train.0.min_side_px=2"]).recipe.data
    assert lines.validation[0].labels_as == "line" and lines.validation[0].min_side_px == 2
    own = plan("diffbin-words", source, ["data.validation.0.min_side_px=1", "data.train.0.min_side_px=2"]).recipe.data
    assert own.validation[0].min_side_px == 1 and own.train[0].min_side_px == 2


def test_where_nothing_is_to_be_held_back_all_is_trained_on(tmp_path: Path) -> None:
    planned = plan("diffbin-words", folder(tmp_path, 12), ["data.validation="])
    assert planned.pictures == (12, 0)
    some = plan("diffbin-words", planned.recipe.data.train[0], ["data.validation=", "data.train.0.part=:3"])
    assert some.pictures == (3, 0)


def test_pictures_without_a_label_may_be_left_out(tmp_path: Path) -> None:
    source = folder(tmp_path, 12)
    (tmp_path / "gt" / "5.txt").unlink()
    with pytest.raises(InputError, match=r"There is no label for .*5\.png"):
        plan("diffbin-words", source, [])
    planned = plan("diffbin-words", source, ["data.train.0.skip_unlabelled=true"])
    assert sum(planned.pictures) == 11 and planned.recipe.data.validation[0].skip_unlabelled
    for number in (0, 1, 2, 3, 4, 6, 7, 9):
        (tmp_path / "gt" / f"{number}.txt").unlink()
    assert plan("diffbin-words", source, ["data.train.0.skip_unlabelled=true"]).pictures == (2, 1)


def test_its_length_is_told_in_what_was_asked_for(tmp_path: Path) -> None:
    source = folder(tmp_path, 3)
    assert ": 7 steps of " in plan("diffbin-words", source, ["train.steps=7"]).sentence
    assert ": 2 epochs of " in plan("diffbin-words", source, ["train.steps=0", "train.epochs=2"]).sentence


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    planned = plan("diffbin-words", folder(tmp_path, 3), [])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"The folder .*run cannot be written to: Not a directory"):
        _check_held_back(planned, tmp_path / "file" / "run", resume=False)


def test_what_learned_from_a_teacher_is_trained_further_without(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    taught = replace(recipe.train, teacher="diffbin-words")
    recipe = replace(recipe, train=taught, loss=replace(recipe.loss, distill_weight=2.0))
    suited = suit(recipe, Source(), 12, Text(0.05, 0.3, 0.5, 0.5, 720))
    assert not suited.train.teacher and not suited.loss.distill_weight


def test_turned_text_is_seen(tmp_path: Path) -> None:
    source = folder(tmp_path, 3)
    quad = cv2.boxPoints(((60, 50), (80, 12), 25)).astype(int).ravel()
    for label in (tmp_path / "gt").iterdir():
        label.write_text(",".join(map(str, quad)) + ",word")
    assert measure(source, "").tilted == 1


@pytest.mark.slow
def test_a_model_is_trained_further(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, recipe = folder(tmp_path / "mine", 10), small_recipe(tmp_path)
    weights = DBNet(recipe.model).state_dict()
    weights["det_head.binarize.6.bias"] -= 2  # few regions, not thousands
    write_weights(tmp_path / "w.safetensors", recipe, weights)
    sets = ["train.steps=2", "train.preflight=false", "train.eval_every_steps=0", "augment.crop_px=64",
            "data.batch_size=2", "data.workers=0", "train.precision=32",
            "preprocess.short_px=64", "preprocess.long_px=96"]  # fmt: skip
    line = ["train", "--from", str(tmp_path / "w.safetensors"), "--images", source.images, "--gt", source.labels,
            "--out", str(tmp_path / "run")]  # fmt: skip
    app([*line, *(part for text in sets for part in ("--set", text))], standalone_mode=False)
    told, card = capsys.readouterr().out, (tmp_path / "run" / "MODEL_CARD.md").read_text()
    assert json.loads((tmp_path / "run" / "held_back.json").read_text()) == ["4.png", "9.png"]
    assert "8 pictures; 2 held back" in told and "as it came" in told
    assert "of too few pictures for an interval; it may be chance" in told and "(no interval for 2)" in told
    assert "| trained, settings chosen |" in card and "train.steps=2" in card
    detector = Detector(tmp_path / "run" / "model.onnx")
    assert "2 pictures that were held back" in detector.engine.card["validation"]
    assert f"decode.mask_threshold={detector.decode.mask_threshold}" in card
    detector(page(2)[0])


def test_a_run_goes_on_with_the_pictures_that_it_held_back(tmp_path: Path, model_file: Path) -> None:
    """Two more pictures, before those held back in the order of names, and others would be."""
    source, out = folder(tmp_path / "mine", 10), tmp_path / "run"
    weights = str(model_file.with_name("w.safetensors"))
    _check_held_back(plan(weights, source, []), out, resume=False)
    (out / "checkpoints").mkdir()
    (out / "checkpoints" / "step_00000001.pt").touch()
    _check_held_back(plan(weights, source, []), out, resume=True)
    for name in ("00", "01"):
        shutil.copy(tmp_path / "mine" / "images" / "1.png", tmp_path / "mine" / "images" / f"{name}.png")
        shutil.copy(tmp_path / "mine" / "gt" / "1.txt", tmp_path / "mine" / "gt" / f"{name}.txt")
    with pytest.raises(TrainingError, match=r"learnt from 2 of the pictures that are held back now, '2\.png'"):
        _check_held_back(plan(weights, source, []), out, resume=True)
    assert json.loads((out / "held_back.json").read_text()) == ["4.png", "9.png"]


def test_what_cannot_be_trained_further(tmp_path: Path, model_file: Path) -> None:
    source = folder(tmp_path / "ignored", 3, mark="###")
    with pytest.raises(TrainingError, match="no text to learn from"):
        plan("diffbin-words", source, [])
    with pytest.raises(ModelError, match=r"model\.onnx cannot be trained further"):
        plan(str(model_file), source, [])
    for line in (["train"], ["train", "diffbin_words", "--from", "diffbin-words"], ["train", "--from", "diffbin-words"],
                 ["train", "diffbin_words", "--images", "a"],
                 ["train", "--from", "diffbin-words", "--images", "a", "--gt", "b", "--weights", "c"]):  # fmt: skip
        with pytest.raises(InputError, match="--from"):
            app(line, standalone_mode=False)


def test_one_picture_is_trained_on_and_not_scored(tmp_path: Path) -> None:
    planned = plan("diffbin-words", folder(tmp_path, 1), [])
    assert planned.pictures == (1, 0) and not planned.recipe.data.validation


def test_a_gain_on_the_same_pictures() -> None:
    rng = np.random.default_rng(0)
    found = rng.random((40, 4)) < 0.5
    before, after = (
        [PictureMatch(iou := np.eye(4) * one, np.ones(4, np.float32), iou, iou, np.ones(4, np.float32)) for one in each]
        for each in (found, found | (rng.random((40, 4)) < 0.2))
    )
    low, high = gain_interval((before, 0.5), (after, 0.5))
    assert 0 < low < high < 0.3
    assert gain_interval((before, 0.5), (before, 0.5)) == (0, 0)

"""Sets and recipes that a run cannot use, or that are hardly enough: one clear error, or a run that works."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import page, small_recipe
from diffbin import recipes
from diffbin.config import Augment, Data, Decode, Loss, Model, Optim, Preprocess, Source, Targets, Train
from diffbin.errors import ConfigError, InputError, TrainingError
from diffbin.train.finetune import plan
from diffbin.train.loop import train


def make_set(root: Path, *, pictures: int = 2, text: str = "word", small: bool = False) -> Path:
    """Pictures in the layout of ICDAR 2015 below `root`; without any label where `text` is empty."""
    for folder in ("images", "gt"):
        (root / folder).mkdir(parents=True)
    for i in range(pictures):
        picture, quads = page()
        if small:
            picture, quads = np.full((16, 20, 3), 200, np.uint8), [[1, 1, 18, 1, 18, 12, 1, 12]]
        cv2.imwrite(str(root / "images" / f"img_{i}.png"), picture)
        lines = [",".join(map(str, quad)) + f",{text}" for quad in quads] if text else []
        (root / "gt" / f"gt_img_{i}.txt").write_text("\n".join(lines))
    shutil.copytree(root / "images", root / "held_back")
    return root


@pytest.mark.parametrize("text", ["", "###"])
def test_sets_without_text_are_refused(tmp_path: Path, text: str) -> None:
    root = make_set(tmp_path / "set", text=text)
    with pytest.raises(TrainingError, match="There is no text in the training data"):
        train(small_recipe(root), out=tmp_path / "run")
    source = Source(images=str(root / "images"), labels=str(root / "gt"))
    with pytest.raises(TrainingError, match=r"There is no text to learn from in .*gt"):
        plan("diffbin-words", source, [])


@pytest.mark.slow
@pytest.mark.parametrize("small", [False, True])
def test_one_picture_and_pictures_smaller_than_the_crop_are_enough(tmp_path: Path, small: bool) -> None:
    recipe = small_recipe(make_set(tmp_path / "set", pictures=1, small=small), steps=1, preflight=True)
    recipe = replace(recipe, targets=Targets(min_side_px=1.0))
    assert train(recipe, out=tmp_path / "run").is_file()


def test_one_picture_is_enough_to_train_further_and_none_is_held_back(tmp_path: Path) -> None:
    root = make_set(tmp_path / "set", pictures=1)
    planned = plan("diffbin-words", Source(images=str(root / "images"), labels=str(root / "gt")), [])
    assert planned.pictures == (1, 0)


def test_folders_that_hold_or_take_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no picture in"):
        train(small_recipe(make_set(tmp_path / "none", pictures=0)), out=tmp_path / "run")
    root, file = make_set(tmp_path / "set"), tmp_path / "file"
    file.touch()
    for out in (file, file / "below"):
        with pytest.raises(InputError, match=f"The folder {out} cannot be written to"):
            train(small_recipe(root), out=out)


def test_a_recipe_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "family.py").write_text("from diffbin.recipes.diffbin_words import RECIPE as BASE\n")
    (tmp_path / "long.py").write_text("from family import BASE as RECIPE\n")
    before = list(sys.path)
    assert recipes.load(str(tmp_path / "long.py")).name == "diffbin_words" and sys.path == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "family.py").write_text("from diffbin.recipes.diffbin_lines import RECIPE as BASE\n")
    shutil.copy(tmp_path / "long.py", tmp_path / "other")
    assert recipes.load(str(tmp_path / "other" / "long.py")).name == "diffbin_lines"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "from diffbin.config import Recipe, Train\nRECIPE = Recipe(name='a', train=Train(steps='2'))\n",
            "steps is '2'",
        ),
        ("RECIPE = (\n", r"own\.py fails in line 1: SyntaxError"),
        ("x = 1\nimport nothing_of_this_name\n", r"own\.py fails in line 2: ModuleNotFoundError"),
        ("RECIPE = {}\n", r"own\.py does not define RECIPE"),
    ],
)
def test_recipes_that_are_wrong_are_told_of_with_their_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(ConfigError, match=said):
        recipes.load(str(tmp_path / "own.py"))


@pytest.mark.parametrize(
    ("group", "values"),
    [
        (Data, {"batch_size": 0}), (Data, {"workers": -1}), (Optim, {"lr": float("nan")}), (Optim, {"momentum": 2}),
        (Train, {"steps": 1, "save_every_steps": -1}), (Train, {"steps": 1, "seed": -1}),
        (Model, {"smooth_channels": 0}), (Augment, {"crop_px": 0}), (Augment, {"flip_p": 1.5}),
        (Preprocess, {"short_px": 0}), (Decode, {"score_threshold": 3}), (Loss, {"k": 0}),
        (Targets, {"shrink_ratio": 1}), (Augment, {"crop_px": 50}), (Augment, {"min_side_ratio": 1.5}),
    ],
)  # fmt: skip
def test_settings_out_of_their_range_are_named(group: type, values: dict[str, float]) -> None:
    name = list(values)[-1]
    with pytest.raises(ConfigError, match=rf"{group.__name__.lower()}\.{name} is .*must be a number"):
        group(**values)


@pytest.mark.parametrize(
    ("group", "values", "said"),
    [
        (Augment, {"scale_min": 2, "scale_max": 1}, "scale_min is 2; scale_max must be no less"),
        (Augment, {"crop_px": 64, "crop_px_min": 96}, "crop_px_min is 96; it is 0 to crop_px"),
        (Augment, {"crop_px_min": -32}, "crop_px_min is -32; it is 0 to crop_px"),
        (Targets, {"threshold_min": 0.7}, "threshold_min is 0.7; threshold_max must be above it"),
        (Decode, {"shape": "quads"}, "shape is 'quads'; it must be one of quad, polygon"),
    ],
)
def test_settings_that_contradict_each_other_are_named(group: type, values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        group(**values)
    Augment(scale_min=1, scale_max=1, crop_px=36)

"""Settings to and from dictionaries, and overrides."""

import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import diffbin
from diffbin import recipes
from diffbin.config import Data, Model, Preprocess, Recipe, Source, Train
from diffbin.data.synth.settings import Synth
from diffbin.errors import ConfigError
from diffbin.overrides import override, to_assignments
from diffbin.plain import from_dict, to_dict


def test_recipes_of_a_package_in_an_archive_without_docstrings(tmp_path: Path) -> None:
    package = Path(diffbin.__file__).parent
    with ZipFile(tmp_path / "diffbin.zip", "w") as archive:
        for path in [*package.glob("*.py"), *package.glob("recipes/*.py")]:
            archive.write(path, Path("diffbin") / path.relative_to(package))
    program = "from diffbin.recipes import describe, names; print(*names(), *map(describe, names()))"
    line = [sys.executable, "-OO", "-c", program]
    elsewhere = {**os.environ, "PYTHONPATH": str(tmp_path / "diffbin.zip")}
    done = subprocess.run(line, check=True, timeout=60, env=elsewhere, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split() == recipes.names()


@pytest.mark.parametrize("name", recipes.names())
def test_recipes_survive_json(name: str) -> None:
    recipe = recipes.load(name)
    assert recipe.name == name and recipes.describe(name).endswith(".")
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(recipe)))) == recipe


def test_overrides_are_checked() -> None:
    recipe = recipes.load("diffbin_words")
    changed = override(recipe, ["optim.lr=3e-3", "data.train.0.images=photos", "preprocess.mean_rgb=1,2,3"])
    assert changed.optim.lr == 3e-3 and changed.data.train[0].images == "photos"
    assert changed.preprocess.mean_rgb == (1.0, 2.0, 3.0)
    assert override(recipe, ["data.validation="]).data.validation == ()
    for text, reason in (
        ("optim.lrr=1", "did you mean optim.lr?"),
        ("optim.lr=fast", "type float"),
        ("optim.name=adam", "one of 'sgd', 'adamw'"),
        ("optim=1", "group of settings"),
        ("data.train.9.images=x", "no setting"),
        ("lr", "key=value"),
        ("train.epochs=3", "exactly one"),
    ):
        with pytest.raises(ConfigError, match=reason):
            override(recipe, [text])


def test_a_choice_is_of_its_kind() -> None:
    assert from_dict(Model, {"map_stride": 2}).map_stride == 2
    for odd in (True, 2.0, "2"):
        with pytest.raises(ConfigError, match=r"map_stride is .*; it must be one of 1, 2"):
            from_dict(Model, {"map_stride": odd})


def test_values_are_checked() -> None:
    with pytest.raises(ConfigError, match="exactly one"):
        Train()
    with pytest.raises(ConfigError, match="64 x 64"):
        Synth(size_px=(10, 640))
    with pytest.raises(ConfigError, match="multiple_px is 33; it must be a number that 32 divides"):
        Preprocess(multiple_px=33)
    with pytest.raises(ConfigError, match=r"std_rgb is .*above 0"):
        Preprocess(std_rgb=(0.0, 1.0, 1.0))
    with pytest.raises(ConfigError, match="must be a mapping"):
        from_dict(Recipe, [1])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="incomplete"):
        from_dict(Recipe, {})


def test_unknown_recipe_and_file() -> None:
    for name, said in (("nothing", "no recipe nothing"), ("nothing.py", "no Python file nothing.py")):
        with pytest.raises(ConfigError, match=said):
            recipes.load(name)


def test_settings_print_as_override_takes_them() -> None:
    recipe = Recipe(name="a", data=Data(train=(Source(images="b"),)), train=Train(steps=3))
    lines = to_assignments(recipe)
    assert "optim.lr=0.007" in lines and "data.train.0.images=b" in lines
    assert override(recipe, lines) == recipe

"""The documentation runs: Python blocks as they stand, commands as far as their options."""

import importlib
import json
import os
import re
import runpy
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from benchmarks.__main__ import page as speed_page
from benchmarks.zoo import PICTURE
from benchmarks.zoo import page as zoo_page

from diffbin import recipes
from diffbin.cli import app
from diffbin.config import Recipe
from diffbin.image import Resize
from diffbin.overrides import override

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        found += [(page.name, code) for code in re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)]
    return found


def commands() -> list[str]:
    lines = [line for _, code in blocks("sh") for line in code.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("diffbin ")]


@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_python_blocks_run(page: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(code, page, "exec"), {})


def test_the_page_of_the_api_is_that_of_the_code() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "api.py"))["page"]()
    assert made == (ROOT / "docs" / "api.md").read_text(), "python docs/api.py makes it anew"


@pytest.mark.parametrize("line", commands())
def test_commands_parse(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    name, *arguments = words[2:] if words[0] == "--code" else words
    parse(name, arguments)


def parse(name: str, arguments: list[str]) -> Any:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    return command.make_context(name, arguments)


def trained(asked: list[list[str]]) -> Iterator[Recipe]:
    """What each of the commands `train` trains; its sets are rendered by a command before it, or given."""
    there = {"icdar2015_train", "msra_td500_train", "icdar_lines"}
    for name, *arguments in asked:
        context = parse(name, arguments)
        if name == "synth":
            there.add(Path(context.params["out"]).name)
        if name == "train":
            changed = override(recipes.load(context.params["recipe"]), context.params["assignments"])
            assert {Path(source.images).parts[0] for source in changed.data.train} <= there
            yield changed


@pytest.mark.parametrize("name", ["diffbin_words", "diffbin_lines"])
def test_the_commands_of_a_recipe_ask_for_what_there_is(name: str) -> None:
    told = importlib.import_module(f"diffbin.recipes.{name}").__doc__ or ""
    lines = re.findall(r"^    diffbin (.*)", told.replace("\\\n", " "), re.MULTILINE)
    assert list(trained([shlex.split(line) for line in lines])), "the docstring tells how the model was made"


@pytest.mark.slow
def test_the_page_of_the_zoo_is_of_these_recipes_and_figures() -> None:
    stored = json.loads((ROOT / "docs" / "zoo.json").read_text())
    assert (ROOT / "docs" / "zoo.md").read_text() == zoo_page(stored), "renew it: python -m benchmarks.zoo --page"
    for name, figures in stored["costs"].items():
        padded = Resize.fit(PICTURE, recipes.load(name).preprocess).padded
        assert tuple(figures["size"]) == padded, f"{name} was timed at another size: python -m benchmarks.zoo --write"


def test_the_page_of_speed_is_of_these_figures() -> None:
    stored = json.loads((ROOT / "docs" / "speed.json").read_text())
    assert (ROOT / "docs" / "speed.md").read_text() == speed_page(stored), "renew it: python -m benchmarks --write"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_script_that_trains_the_models_asks_for_what_there_is(tmp_path: Path) -> None:
    log, stand_in = tmp_path / "log", tmp_path / "bin" / "diffbin"
    stand_in.parent.mkdir()
    stand_in.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" >> {log}; printf '\\n' >> {log}\n")
    stand_in.chmod(0o755)
    python = stand_in.with_name("python")  # it would teach a backbone
    python.write_text(f'#!/bin/sh\nprintf \'%s\\n\' "$@" >> {tmp_path / "taught"}; touch "$4"\n')
    python.chmod(0o755)
    known = {**os.environ, "PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
    script = [ROOT / "examples" / "train_models.sh", tmp_path / "data", tmp_path / "runs"]
    subprocess.run([*script, "words", "lines", "words_v6", "words_large", "lines_large"], check=True, env=known)
    asked = [line.split("\0")[:-1] for line in log.read_text().splitlines()]
    assert [name for name, *_ in asked] == ["synth", "synth", "synth", "train", "tune"] * 5
    for changed in trained(asked):
        assert changed.name.endswith(("words", "lines", "v6", "large")) and changed.augment.crop_px == 640
    _, teacher, steps, out, name, *settings = (tmp_path / "taught").read_text().splitlines()  # once, for both
    assert (teacher, steps, out) == ("diffbin-words", "3001", str(tmp_path / "runs" / "resnet18.pth.part"))
    assert (tmp_path / "runs" / "resnet18.pth").exists()
    assert override(recipes.load(name), settings).model.backbone == "resnet18"
    assert subprocess.run([*script, "nothing"], check=False, env=known, capture_output=True).returncode == 2

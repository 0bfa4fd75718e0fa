"""The documentation runs: Python blocks as they stand, commands as far as their options."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from benchmarks.__main__ import page as speed_page
from benchmarks.zoo import page as zoo_page

from diffbin.cli import app

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


@pytest.mark.parametrize("line", commands())
def test_commands_parse(line: str) -> None:
    _, name, *arguments = shlex.split(line, comments=True)
    group = typer.main.get_command(app)
    command = group.commands[name]  # type: ignore[attr-defined]
    command.make_context(name, arguments)


def test_the_page_of_the_zoo_is_of_these_recipes_and_figures() -> None:
    stored = json.loads((ROOT / "docs" / "zoo.json").read_text())
    assert (ROOT / "docs" / "zoo.md").read_text() == zoo_page(stored), "renew it: python -m benchmarks.zoo --page"


def test_the_page_of_speed_is_of_these_figures() -> None:
    stored = json.loads((ROOT / "docs" / "speed.json").read_text())
    assert (ROOT / "docs" / "speed.md").read_text() == speed_page(stored), "renew it: python -m benchmarks --write"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"

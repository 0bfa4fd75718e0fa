"""The learning rate of every row of the reference at every stored epoch or step, through the recipes."""

import json
from pathlib import Path

import pytest

from diffbin import recipes
from diffbin.train.schedule import learning_rate

CURVES = json.loads((Path(__file__).parent / "data" / "lr_schedules.json").read_text())


@pytest.mark.parametrize("name", CURVES)
def test_rate_agrees_with_the_reference(name: str) -> None:
    recipe, curve = recipes.load(name), CURVES[name]
    assert recipe.optim.per == curve["per"]
    assert curve["total"] == (recipe.train.epochs or recipe.train.steps)
    for t, rate in curve["lr"].items():
        assert learning_rate(recipe.optim, int(t), curve["total"]) == pytest.approx(rate, rel=1e-6)

"""The model that comes with the package, on the example pictures, against their labels."""

from pathlib import Path

import pytest

from diffbin import Detector, zoo
from diffbin.config import Source
from diffbin.metrics.evaluate import evaluate

ROOT = Path(__file__).parents[2]


def test_it_finds_the_words_of_the_examples() -> None:
    source = Source(images="examples", labels="examples/gt")
    report = evaluate(Detector(), [source], str(ROOT))
    assert report.fixed.hmean == pytest.approx(0.8414, abs=0.03)  # measured; other machines round a little differently


def test_it_is_small_and_has_a_card() -> None:
    assert zoo.MODELS[zoo.EMBEDDED].stat().st_size < 12e6
    assert {"summary", "trained on", "training", "validation"} <= set(Detector().engine.card)


def test_its_weights_train_further() -> None:
    from diffbin.model import checkpoints

    recipe, weights = checkpoints.read_weights(zoo.WEIGHTS[zoo.EMBEDDED])
    checkpoints.build(recipe, weights, source="the embedded weights")

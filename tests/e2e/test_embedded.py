"""The model that comes with the package, on the example pictures, against their labels."""

from pathlib import Path

import numpy as np
import pytest

from diffbin import Detector, zoo
from diffbin.config import Source
from diffbin.image import load
from diffbin.metrics.evaluate import evaluate

ROOT = Path(__file__).parents[2]


def test_it_finds_the_words_of_the_examples() -> None:
    source = Source(images="examples", labels="examples/gt")
    report = evaluate(Detector(), [source], str(ROOT))
    assert report.fixed.hmean == pytest.approx(0.8974, abs=0.03)  # measured; other machines round a little differently


def test_it_is_small_and_has_a_card() -> None:
    assert zoo.MODELS[zoo.EMBEDDED].stat().st_size < 12e6
    assert {"summary", "trained on", "training", "validation"} <= set(Detector().engine.card)


def test_its_weights_for_training_answer_the_same() -> None:
    picture = load(ROOT / "examples" / "img_925.jpg")
    difference = Detector("diffbin-words-fp32").prob(picture) - Detector(zoo.WEIGHTS[zoo.EMBEDDED]).prob(picture)
    assert np.abs(difference).max() < 1e-4

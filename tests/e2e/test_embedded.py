"""The models that come with the package, on the example pictures."""

import platform
import subprocess
import sys
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
    assert report.fixed.hmean == pytest.approx(0.9067, abs=0.03)  # measured; other machines round a little differently


@pytest.mark.slow
def test_the_model_for_lines_joins_them() -> None:
    """Of the examples' words some stand in one line."""
    pictures = sorted((ROOT / "examples").glob("*.jpg"))
    detectors = Detector("diffbin-words"), Detector("diffbin-lines")
    words, lines = (sum(len(detector(picture)) for picture in pictures) for detector in detectors)
    assert 0 < lines < words


@pytest.mark.parametrize("name", zoo.MODELS)
def test_each_is_small_and_has_a_card(name: str) -> None:
    assert zoo.MODELS[name].stat().st_size < 12e6
    assert {"summary", "trained on", "training", "validation"} <= set(Detector(name).engine.card)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diffbin-words", "diffbin-lines"])
def test_weights_for_training_answer_the_same(name: str) -> None:
    picture = load(ROOT / "examples" / "img_925.jpg")
    difference = Detector(f"{name}-fp32").prob(picture) - Detector(zoo.WEIGHTS[name]).prob(picture)
    assert np.abs(difference).max() < 1e-4


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of other C libraries it is not known")
def test_memory_is_not_asked_for_anew_with_each_picture() -> None:
    program = (
        "import diffbin, numpy, resource\n"
        "detector, picture = diffbin.Detector(engine='onnx'), open('examples/img_925.jpg', 'rb').read()\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(5): detector(picture)\n"
        "before = faults()\n"
        "for _ in range(10): detector(picture)\n"
        "print((faults() - before) // 10)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, timeout=60, stdout=subprocess.PIPE, cwd=ROOT)
    assert int(done.stdout) < 500, "pages a picture; 3,650 where the system takes back what is freed"

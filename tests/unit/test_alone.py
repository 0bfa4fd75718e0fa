"""`examples/alone.py` answers what diffbin does, without it."""

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffbin import Detector, zoo
from diffbin.geometry import from_top_left
from diffbin.image import load

EXAMPLES = Path(__file__).parents[2] / "examples"
ALONE = EXAMPLES / "alone.py"


def in_order(corners: Any, scores: Any) -> Any:
    """`(n, 9)`, corners and score of each region, with the order of both settled."""
    rows = np.column_stack([from_top_left(np.stack(corners)).reshape(-1, 8), scores])
    return rows[np.lexsort(rows.T.round(1))]


@pytest.mark.parametrize("model", ["diffbin-words", "diffbin-lines"])
def test_it_answers_what_diffbin_does(model: str) -> None:
    detect = runpy.run_path(str(ALONE))["detect"]
    detector = Detector(model, engine="onnx", tile="off")
    picture = load(EXAMPLES / "img_925.jpg")
    for seen in (picture, picture[440:560, 200:500]):  # the second is enlarged, by no more than `max_ratio`
        ours = detector(seen)
        alone = in_order(*zip(*detect(str(zoo.MODELS[model]), seen), strict=True))
        assert len(ours) > 1
        np.testing.assert_allclose(alone, in_order(ours.polygons, ours.scores), atol=0.01)


def test_the_command_prints_regions_and_knows_nothing_of_diffbin() -> None:
    line = [sys.executable, "-c", f"import sys; sys.modules['diffbin'] = None; import runpy; sys.argv = sys.argv[1:]; "
            f"runpy.run_path({str(ALONE)!r}, run_name='__main__')"]  # fmt: skip
    line += [str(ALONE), str(zoo.MODELS["diffbin-words"]), str(EXAMPLES / "img_925.jpg")]
    printed = subprocess.run(line, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(printed) == len(Detector(engine="onnx", tile="off")(EXAMPLES / "img_925.jpg"))
    assert all(len(text.split(",")) == 9 and text.split(",")[0].isdigit() for text in printed)

"""The labels that `examples/screens.py` makes of what a browser tells, without a browser."""

import runpy
from pathlib import Path

import cv2
import numpy as np

PROGRAM = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "screens.py"))


def test_boxes_are_tight_and_what_nobody_can_read_is_not_cared_for() -> None:
    picture = np.full((100, 200, 3), (30, 20, 10), np.uint8)
    for left, top in ((20, 20), (120, 20), (20, 60), (190, 60), (120, 60)):
        picture[top : top + 12, left : left + 30] = 220
    png = cv2.imencode(".png", picture)[1].tobytes()
    words = [
        (8, 7, 27, 19, "two"),  # in pixels of CSS, of which each has two dots
        (58, 7, 77, 19, ""),  # under something else
        (8, 27, 27, 39, "--"),
        (92, 27, 130, 39, "cut"),
        (-40, 7, -20, 19, "left"),
        (8, 80, 27, 95, "below"),
        (80, 1, 95, 8, "blank"),
    ]
    first, hidden, mark, cut = PROGRAM["labels_of"](png, words, 2)
    assert first == "19,19,51,19,51,33,19,33,two\n"
    assert [label.rstrip().rsplit(",", 1)[1] for label in (hidden, mark, cut)] == ["###"] * 3

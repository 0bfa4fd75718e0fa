"""What is right and wrong in an answer, as it is drawn."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from diffbin.config import Source
from diffbin.data.annotations import Labelled, list_pictures
from diffbin.data.labels import Annotation
from diffbin.detections import Points
from diffbin.metrics.outcome import GREEN, GREY, ORANGE, RED, Outcome, OutcomeFolder


def square(x: float, y: float, side: float = 20) -> Points:
    return np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], np.float32)


@pytest.fixture
def wanted() -> Annotation:
    places = [square(0, 0), square(40, 0), square(80, 0)]
    return Annotation(places, np.array([False, False, True]), ["a", "b", "###"])


def test_each_answer_is_one_thing(wanted: Annotation) -> None:
    answered = [square(0, 0), square(5, 0), square(81, 1, 10), square(40, 40)]
    outcome = Outcome.of(wanted, (answered, np.ones(4, np.float32)))
    assert [polygon[0].tolist() for polygon in outcome.found] == [[0, 0]]
    assert [polygon[0].tolist() for polygon in outcome.missed] == [[40, 0]]
    assert [polygon[0].tolist() for polygon in outcome.false] == [[5, 0], [40, 40]]  # once found, and not once more
    assert [polygon[0].tolist() for polygon in outcome.ignored] == [[80, 0]]  # and what lies in it is left out
    assert outcome.counts == [("1 found", GREEN), ("1 missed", RED), ("2 false", ORANGE)]
    drawn = outcome.draw(np.zeros((64, 128, 3), np.uint8)).astype(int)
    for colour, (x, y) in {GREEN: (0, 10), RED: (40, 10), ORANGE: (40, 50), GREY: (80, 10)}.items():
        assert abs(drawn[y, x] - colour).sum() < 60


def test_a_folder_of_them_knows_the_worst(tmp_path: Path, wanted: Annotation) -> None:
    (tmp_path / "gt").mkdir()
    for name in ("a", "b", "c"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((64, 128, 3), 255, np.uint8))
        lines = [
            ",".join(f"{v:.0f}" for v in p.ravel()) + f",{t}\n"
            for p, t in zip(wanted.polygons, wanted.texts, strict=True)
        ]
        (tmp_path / "gt" / f"{name}.txt").write_text("".join(lines))
    source = Source(images=str(tmp_path), labels=str(tmp_path / "gt"))
    folder = OutcomeFolder(tmp_path / "drawn")
    answers = [[square(0, 0), square(40, 0)], [square(99, 40)], [square(40, 0)]]
    labelled: list[Labelled] = [(source, picture) for picture in list_pictures(source, "")]
    for picture, answered in zip(labelled, answers, strict=True):
        folder.add(picture, (answered, np.ones(len(answered), np.float32)))
    assert folder.worst(5) == [(3, "b.png"), (1, "c.png")] and folder.worst(1) == [(3, "b.png")]
    drawn = cv2.imread(str(tmp_path / "drawn" / "b.png.overlay.jpg"))
    assert drawn is not None and drawn.shape == (64 + 26, 128, 3)

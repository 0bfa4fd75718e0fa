"""The answer: filtering, order, clipping, drawing."""

import numpy as np
import pytest

from diffbin.detections import Detections
from diffbin.draw import draw


def box(x: float, y: float, w: float = 20, h: float = 10) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)


def make(*corners: tuple[float, float]) -> Detections:
    return Detections([box(*c) for c in corners], np.linspace(0.9, 0.5, len(corners), dtype=np.float32), (100, 200))


def test_reading_order() -> None:
    found = make((100, 52), (10, 80), (10, 50), (60, 3), (5, 0)).in_reading_order()
    assert [p[0].tolist() for p in found.polygons] == [[5, 0], [60, 3], [10, 50], [100, 52], [10, 80]]
    assert found.scores.tolist() == pytest.approx([0.5, 0.6, 0.7, 0.9, 0.8])
    assert len(Detections([], np.zeros(0, np.float32), (5, 5)).in_reading_order()) == 0


def test_what_is_clipped_starts_at_its_top_left_still() -> None:
    quad = np.array([[739.7, -42], [990.8, 183.5], [942.8, 241.5], [691.6, 33.3]], np.float32)
    inside = quad - np.array((500, -100), np.float32)
    first, second = Detections([quad, inside], np.ones(2, np.float32), (720, 1280)).clip().polygons
    assert first[0].tolist() == quad[3].tolist() and first[1].tolist() == [np.float32(739.7), 0]
    assert np.array_equal(second, inside)


def test_filter_clip_boxes_iterate() -> None:
    found = make((-5, 95), (190, 0))
    assert found.clip().boxes().tolist() == [[0, 95, 15, 100], [190, 0, 200, 10]]
    assert len(found.filter(0.6)) == 1 == len(list(found.filter(0.6)))
    assert found[0].score == pytest.approx(0.9)
    with pytest.raises(ValueError, match="1 polygons but 2 scores"):
        Detections([box(0, 0)], np.zeros(2, np.float32), (5, 5))


def test_polygons_of_unequal_length_and_none() -> None:
    triangle = np.array([[-3, 4], [50, 4], [9, 120]], np.float32)
    found = Detections([box(150, 50), triangle], np.ones(2, np.float32), (100, 200)).clip().in_reading_order()
    assert [len(p) for p in found.polygons] == [3, 4]
    assert found.boxes().tolist() == [[0, 4, 50, 100], [150, 50, 170, 60]]
    empty = make().clip()
    assert len(empty) == 0 and empty.boxes().shape == (0, 4)


def test_drawing_leaves_the_picture_alone() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    drawn = draw(picture, make((50, 50)))
    assert not picture.any() and drawn[50, 60].any() and not drawn[10, 10].any()
    assert np.array_equal(draw(picture, make()), picture)

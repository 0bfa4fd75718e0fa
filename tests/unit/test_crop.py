"""Regions cut out: the very pixels where nothing has to be turned, and the right way up where it has."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from diffbin.crop import MAX_PX, crop, crops
from diffbin.detections import Detections

NOISE = np.random.default_rng(1).integers(0, 256, (60, 90, 3), dtype=np.uint8)


def quad(x: float, y: float, w: float, h: float) -> NDArray[np.float32]:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)


@pytest.mark.parametrize("box", [(0, 0, 90, 60), (10, 20, 30, 15), (87, 0, 3, 60), (5, 5, 1, 1)])
def test_an_upright_region_is_a_slice(box: tuple[int, int, int, int]) -> None:
    x, y, w, h = box
    assert np.array_equal(crop(NOISE, quad(*box)), NOISE[y : y + h, x : x + w])


def test_a_turned_region_is_set_straight() -> None:
    """Smooth colours, a rectangle of them turned by 30 degrees: each pixel is the one that the turn leads to."""
    y, x = np.mgrid[:200, :200]
    picture = np.stack([x, y, (x + y) // 2], axis=2).astype(np.uint8)
    turn, corner = np.radians(30), np.array([90, 40], np.float32)
    across, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    outline = np.array([corner, corner + 80 * across, corner + 80 * across + 30 * down, corner + 30 * down], np.float32)
    straight = crop(picture, outline)
    assert straight.shape == (30, 80, 3)
    for row, column in [(0, 0), (0, 79), (29, 0), (15, 40)]:
        middle = corner + (column + 0.5) * across + (row + 0.5) * down - 0.5  # as OpenCV counts
        assert straight[row, column, :2] == pytest.approx(middle, abs=1)


def test_an_outline_of_many_points_has_the_least_rectangle() -> None:
    outline = np.array([[10, 20], [25, 20], [40, 20], [40, 35], [25, 34], [10, 35]], np.float32)
    assert np.abs(crop(NOISE, outline).astype(int) - NOISE[20:35, 10:40]).max() <= 1


def test_regions_at_and_beyond_the_border() -> None:
    beyond = crop(NOISE, quad(-4, -3, 10, 8))
    assert beyond.shape == (8, 10, 3)
    assert np.array_equal(beyond[3:, 4:], NOISE[:5, :6]) and np.array_equal(beyond[0, :4], NOISE[[0] * 4, [0] * 4])
    assert (crop(NOISE, quad(200, 300, 9, 7)) == NOISE[-1, -1]).all()
    assert crop(NOISE, quad(40, 30, 0, 0)).shape == (1, 1, 3)
    assert crop(NOISE, quad(40, 30, 20, 0.2)).shape == (1, 20, 3)


def test_a_region_longer_than_opencv_takes() -> None:
    picture = np.zeros((3, 40_000, 3), np.uint8)
    picture[:, 30_000:] = 255
    straight = crop(picture, quad(0, 0, 40_000, 3))
    assert straight.shape == (2, MAX_PX, 3) and straight[1, 0, 0] == 0 and straight[1, -1, 0] == 255


def test_what_is_cut_out_is_as_of_the_whole_picture() -> None:
    """Also at the rim of a region, where pixels around it count."""
    turned = np.array([[20.3, 30.8], [55.1, 12.2], [62.9, 25.6], [28.1, 44.2]], np.float32)
    straight = crop(NOISE, turned)
    height, width = straight.shape[:2]
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    way = cv2.getPerspectiveTransform(turned - 0.5, target - 0.5)
    whole = cv2.warpPerspective(NOISE, way, (width, height), flags=cv2.INTER_CUBIC)
    assert np.abs(straight.astype(int) - whole.astype(int)).max() <= 3  # positions are rounded to 1/32


def test_between_pixels_both_count() -> None:
    half = crop(NOISE, quad(10.5, 20.5, 8, 6)).astype(int)
    around = [NOISE[20 + j : 26 + j, 10 + i : 18 + i].astype(int) for i in (0, 1) for j in (0, 1)]
    near = np.abs(half - np.mean(around, axis=0)).mean()
    assert near < 30 < min(np.abs(half - each).mean() for each in around)  # noise: cubic, not the nearest


def test_one_a_region_in_their_order() -> None:
    found = Detections([quad(0, 0, 5, 4), quad(8, 8, 3, 9)], np.ones(2, np.float32), NOISE.shape[:2])
    assert [c.shape for c in crops(NOISE, found)] == [(4, 5, 3), (9, 3, 3)]
    assert crops(NOISE, Detections([], np.zeros(0, np.float32), NOISE.shape[:2])) == []

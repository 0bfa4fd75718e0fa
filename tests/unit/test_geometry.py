"""Measures, order, offsets and overlaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffbin.geometry import area, clockwise, intersections, offset, perimeter, region, region_area, signed_area

SQUARE = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], np.float32)


def test_measures() -> None:
    assert (area(SQUARE), signed_area(SQUARE), signed_area(SQUARE[::-1]), perimeter(SQUARE)) == (100, 100, -100, 40)


@given(st.integers(0, 3), st.booleans())
def test_clockwise_from_the_top_left(turn: int, mirrored: bool) -> None:
    points = np.roll(SQUARE[::-1] if mirrored else SQUARE, turn, axis=0)
    assert np.array_equal(clockwise(points), SQUARE)


def test_offset_grows_shrinks_splits_and_vanishes() -> None:
    grid = SQUARE.astype(np.int32)
    assert np.array_equal(offset(grid, -2)[0].min(axis=0), [2, 2])
    assert np.array_equal(offset(grid, 3)[0].max(axis=0), [13, 13])
    assert offset(grid, -6) == [] == offset(grid[:1], 5)
    dumbbell = np.array([[0, 0], [20, 0], [20, 8], [30, 8], [30, 0], [50, 0], [50, 20], [30, 20], [30, 12], [20, 12],
                         [20, 20], [0, 20]], np.int32)  # fmt: skip
    assert len(offset(dumbbell, -4)) == 2


def test_intersections() -> None:
    apart = SQUARE + 100
    shared = intersections([SQUARE, apart], [SQUARE + np.array([5, 0], np.float32), SQUARE])
    assert shared == pytest.approx(np.array([[50, 100], [0, 0]]))
    assert intersections([], [SQUARE]).shape == (0, 1)
    assert intersections([SQUARE], []).shape == (1, 0)


def test_crossing_outline_counts_by_what_it_encloses() -> None:
    bow = np.array([[0, 0], [10, 10], [10, 0], [0, 10]], np.float32)
    assert region_area(region(bow)) == pytest.approx(50)
    assert area(bow) == 0

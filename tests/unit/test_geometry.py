"""Measures, order, offsets and overlaps."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffbin.geometry import (
    Integers,
    Rings,
    area,
    clockwise,
    from_top_left,
    grow_convex,
    intersections,
    offset,
    perimeter,
    rectangle_corners,
    region,
    region_area,
    signed_area,
)

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


def rectangle(x: float, y: float, width: float, height: float, degrees: float) -> Integers:
    return np.round(cv2.boxPoints(((x, y), (width, height), degrees))).astype(np.int32)


def hull(points: Integers) -> set[tuple[int, int]]:
    return {(x, y) for x, y in cv2.convexHull(points)[:, 0].tolist()}


def assert_as_clipped(outlines: list[Integers], ratio: float) -> list[bool]:
    """Where `grow_convex` says that it holds, the hull is the clipper's to the last point; returns where."""
    rings = Rings(outlines)
    distances = np.abs(rings.signed_areas()) * ratio / rings.perimeters()
    grown, holds = grow_convex(rings, distances)
    for i in np.flatnonzero(holds):
        (clipped,) = offset(outlines[i], distances[i])
        assert hull(grown[i]) == hull(clipped)
    return [bool(each) for each in holds]


sides = st.floats(6, 300)
rectangles = st.builds(rectangle, st.floats(-50, 2000), st.floats(-50, 2000), sides, sides, st.floats(-90, 90))


@given(st.lists(rectangles, min_size=1, max_size=5), st.floats(1, 3), st.booleans())
def test_rectangles_grow_as_in_the_clipper(outlines: list[Integers], ratio: float, mirrored: bool) -> None:
    outlines = [outline[::-1] if mirrored else outline for outline in outlines]
    assert_as_clipped(outlines, ratio)


def test_rectangles_are_left_to_the_clipper_only_where_a_point_is_half_way() -> None:
    rng = np.random.default_rng(0)
    many = [rectangle(*rng.uniform((-50, -50, 6, 6, -90), (2000, 2000, 300, 300, 90))) for _ in range(500)]
    assert np.mean(assert_as_clipped(many, 1.51)) > 0.99
    assert assert_as_clipped([rectangle(0.0, 20.0, 123.0, 123.0, 7.5)], 1.0) == [False]  # at (73, -63.5)


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 3))
def test_blobs_grow_as_in_the_clipper_where_it_holds(seed: int, ratio: float) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((160, 240), np.float32), (0, 0), 5)
    mask = (noise > np.quantile(noise, 0.7)).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    simple = [cv2.approxPolyDP(contour, 0.03 * cv2.arcLength(contour, True), True)[:, 0] for contour in contours]
    assert_as_clipped([np.asarray(outline, np.int32) for outline in simple if len(outline) > 3], ratio)


def test_growing_leaves_to_the_clipper_what_is_not_plainly_convex() -> None:
    dent = np.array([[0, 0], [40, 0], [40, 40], [20, 20], [0, 40]], np.int32)
    star = np.array([[50, 0], [80, 95], [0, 35], [100, 35], [20, 95]], np.int32)  # each corner turns outwards
    blunt = np.array([[0, 0], [20, 0], [40, 1], [40, 20], [0, 20]], np.int32)  # the clipper does not round (20, 0)
    speck = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], np.int32)  # grows by less than a pixel
    line = np.array([[0, 0], [9, 0], [9, 0], [0, 0]], np.int32)
    assert assert_as_clipped([dent, star, blunt, speck, line, SQUARE.astype(np.int32)], 1.5) == [False] * 5 + [True]


@given(st.lists(rectangles, min_size=1, max_size=5))
def test_measures_of_many_are_those_of_each(outlines: list[Integers]) -> None:
    rings = Rings([*outlines, outlines[0][::-1]])
    assert rings.perimeters()[:-1] == pytest.approx([perimeter(outline) for outline in outlines])
    assert rings.signed_areas()[:-1] == pytest.approx([signed_area(outline) for outline in outlines])
    assert rings.signed_areas()[-1] == -rings.signed_areas()[0]


@given(st.floats(-100, 100), st.floats(-100, 100), sides, sides, st.floats(-180, 180))
def test_corners_of_rectangles(x: float, y: float, width: float, height: float, degrees: float) -> None:
    corners = rectangle_corners(np.array([[x, y, width, height, degrees]] * 2))
    expected = clockwise(cv2.boxPoints(((x, y), (width, height), degrees)).astype(np.float32))
    first = from_top_left(corners)[0]
    sums = first.sum(axis=1)
    assert signed_area(corners[1]) > 0 and sums[0] == sums.min()
    if np.sort(sums)[1] - sums[0] > 0.01:  # no tie
        assert first == pytest.approx(expected, abs=1e-3)


def test_no_rectangles() -> None:
    assert from_top_left(rectangle_corners(np.zeros((0, 5)))).shape == (0, 4, 2)


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

"""Polygons in the plane: measures, order, offsets, overlap. Points are `(n, 2)` arrays of `(x, y)`."""

import math
from collections.abc import Sequence

import numpy as np
import pyclipper
from numpy.typing import NDArray

Polygon = NDArray[np.generic]  # `(n, 2)`, any number type
Integers = NDArray[np.int32]
FINE = 1 << 12  # steps a pixel in which overlaps are computed, for the clipper works on integers


def area(polygon: Polygon) -> float:
    """Area in square pixels, never negative; of a self-crossing outline the difference of its lobes."""
    return abs(signed_area(polygon))


def signed_area(polygon: Polygon) -> float:
    """Positive when the points run clockwise as seen on the screen (y points down)."""
    x, y = np.asarray(polygon, np.float64).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def perimeter(polygon: Polygon) -> float:
    """Length of the closed outline in pixels."""
    points = polygon.tolist()
    return float(sum(map(math.dist, points, points[1:] + points[:1])))


def clockwise(polygon: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same outline clockwise as seen on the screen, starting at the point nearest to the top left (least x + y)."""
    points = polygon.tolist()  # few points: plain numbers are faster than arrays here, and in `perimeter`
    if sum(ax * by - ay * bx for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True)) < 0:
        points.reverse()
    sums = [x + y for x, y in points]
    start = sums.index(min(sums))
    return np.array(points[start:] + points[:start], np.float32)


def offset(grid: Integers, distance: float) -> list[Integers]:
    """The outline moved outwards by `distance` px (inwards if negative), corners rounded; every part that is left.

    Input and output are integers: this is how the reference shrinks its labels and grows its detections. Fewer than
    three different points answer no part.
    """
    clipper = pyclipper.PyclipperOffset()
    try:
        clipper.AddPath(grid.tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    except pyclipper.ClipperException:
        return []
    return [np.array(part, np.int32) for part in clipper.Execute(distance)]


def single_part(parts: Sequence[Integers]) -> Integers | None:
    """The reference's rule on splits: the first of parts of equal point count, None of unequal ones or of none."""
    return parts[0] if len({len(part) for part in parts}) == 1 else None


Region = list[list[tuple[int, int]]]


def region(polygon: Polygon) -> Region:
    """The area an outline encloses, as simple outlines on the grid of `FINE`; crossings are resolved (even-odd)."""
    points = np.round(np.asarray(polygon, np.float64) * FINE).astype(np.int64)
    simple: Region = pyclipper.SimplifyPolygon(points.tolist(), pyclipper.PFT_EVENODD)
    return simple


def region_area(outlines: Region) -> float:
    """Area of a region in square pixels; holes run the other way round and count as such."""
    return abs(float(sum(pyclipper.Area(outline) for outline in outlines))) / FINE**2


def intersection_area(first: Region, second: Region) -> float:
    """Area in square pixels that two regions share."""
    if not first or not second:
        return 0.0
    clipper = pyclipper.Pyclipper()
    clipper.AddPaths(first, pyclipper.PT_SUBJECT, True)
    clipper.AddPaths(second, pyclipper.PT_CLIP, True)
    return region_area(clipper.Execute(pyclipper.CT_INTERSECTION, pyclipper.PFT_EVENODD, pyclipper.PFT_EVENODD))


def intersections(first: Sequence[Polygon], second: Sequence[Polygon]) -> NDArray[np.float64]:
    """`(len(first), len(second))` areas shared, in square pixels; pairs whose boxes are apart are not clipped."""
    shared = np.zeros((len(first), len(second)))
    if not len(first) or not len(second):
        return shared
    low_a, high_a = _boxes(first)
    low_b, high_b = _boxes(second)
    near = np.argwhere(((low_a[:, None] < high_b) & (low_b < high_a[:, None])).all(axis=2)).tolist()
    regions_a = {i: region(first[i]) for i in {i for i, _ in near}}
    regions_b = {j: region(second[j]) for j in {j for _, j in near}}
    for i, j in near:
        shared[i, j] = intersection_area(regions_a[i], regions_b[j])
    return shared


def _boxes(polygons: Sequence[Polygon]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = [np.asarray(p, np.float64) for p in polygons]
    return np.array([p.min(axis=0) for p in points]), np.array([p.max(axis=0) for p in points])

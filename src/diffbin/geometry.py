"""Polygons in the plane: measures, order, offsets, overlap. Points are `(n, 2)` arrays of `(x, y)`."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyclipper
from numpy.typing import NDArray

Polygon = NDArray[np.generic]  # `(n, 2)`, any number type
Integers = NDArray[np.int32]
Complex = NDArray[np.complex128]
TIE = 1e-9  # pixels
ARC_ERROR = 0.25  # pixels by which the clipper's rounded corners may miss the arc
FINE = 1 << 12  # steps a pixel in which overlaps are computed, for the clipper works on integers
CLIP_UNITS = 256  # the same, for outlines that are taken from the clipper as they come


def area(polygon: Polygon) -> float:
    """Area in square pixels, never negative; of a self-crossing outline the difference of its lobes."""
    return abs(signed_area(polygon))


def signed_area(polygon: Polygon) -> float:
    """Positive when the points run clockwise as seen on the screen (y points down)."""
    points = np.asarray(polygon, np.float64)
    (x, y), (next_x, next_y) = points.T, np.concatenate((points[1:], points[:1])).T
    return float(np.dot(x, next_y) - np.dot(y, next_x)) / 2


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


def from_top_left(quads: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(n, 4, 2)`: each starting at the point nearest to the top left, in the order it has."""
    order = quads.sum(axis=2).argmin(axis=1)[:, None] + np.arange(4)
    turned: NDArray[np.float32] = quads[np.arange(len(quads))[:, None], order % 4]
    return turned


def rectangle_corners(rectangles: NDArray[np.float64]) -> NDArray[np.float32]:
    """`(n, 4, 2)` float32, clockwise as seen on the screen, of `(n, 5)` centres' x and y, widths, heights, degrees."""
    x, y, width, height, degrees = rectangles.T[..., None]
    halves = (width * np.array([-1, 1, 1, -1]) + 1j * height * np.array([-1, -1, 1, 1])) / 2
    corners: Complex = x + 1j * y + halves * np.exp(1j * np.radians(degrees))
    return corners.view(np.float64).reshape(-1, 4, 2).astype(np.float32)


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


class Rings:
    """Many closed outlines in one array, so that a measure of all of them takes a few calls and not a few for each.

    points  `(n,)` complex128, x + iy, outline after outline
    counts  `(len,)` points of each outline
    starts  `(len,)` index of the first point of each
    edges   `(n,)` complex128, from each point to the next of its outline
    """

    def __init__(self, outlines: Sequence[Integers]) -> None:
        self.points = np.concatenate(outlines).astype(np.float64).view(np.complex128)[:, 0]
        self.counts = np.array([len(outline) for outline in outlines])
        self.starts = np.cumsum(self.counts) - self.counts
        following = np.arange(1, len(self.points) + 1)
        following[self.starts + self.counts - 1] = self.starts
        self.edges = self.points[following] - self.points
        self._following = following

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """`(len,)` sums of values of points, `(n,)`, over each outline."""
        return np.add.reduceat(values, self.starts)

    def signed_areas(self) -> NDArray[np.float64]:
        """`(len,)` in square pixels, positive when the points run clockwise as seen on the screen."""
        return self.sums((self.points.conj() * self.edges).imag) / 2

    def perimeters(self) -> NDArray[np.float64]:
        """`(len,)` lengths in pixels."""
        return self.sums(np.abs(self.edges))

    def normals(self) -> tuple[Complex, Complex]:
        """`(n,)` twice: unit vectors outwards from the edges before and after each point, going clockwise."""
        clockwise = np.repeat(self.signed_areas() > 0, self.counts)
        outwards = self.edges / np.maximum(np.abs(self.edges), 1)  # only an edge of no length is shorter, on the grid
        outwards *= np.where(clockwise, -1j, 1j)
        arriving = np.empty_like(outwards)
        arriving[self._following] = outwards
        return np.where(clockwise, arriving, outwards), np.where(clockwise, outwards, arriving)


def grow_convex(rings: Rings, distances: NDArray[np.float64]) -> tuple[list[Integers], NDArray[np.bool_]]:
    """Outlines grown as `offset` grows them but without the clipper, and for which of them, `(len,)`, that holds.

    It holds where every corner turns outwards, by a pixel of its arc at least, and no point lies half-way between two
    of the grid, where the last bit decides: nothing is left to clip there, and the points have the convex hull of the
    clipper's answer. Elsewhere they mean nothing.
    """
    before, after = rings.normals()
    turns = np.angle(after * before.conj())
    radii = np.repeat(distances, rings.counts)
    convex = np.minimum.reduceat(np.sin(turns) * radii, rings.starts) >= 1
    once_round = rings.sums(turns) < 3 * np.pi  # a star of five points turns outwards too, but goes round twice
    points, ends = _round_corners(rings.points, np.maximum(radii, 1), before, after, turns)
    bounds = np.array([0, *ends[rings.starts + rings.counts - 1]])
    decided = ~np.logical_or.reduceat(_half_way(points), bounds[:-1])
    grid = _on_grid(points)
    return [grid[a:b] for a, b in pairwise(bounds.tolist())], convex & once_round & decided


def _round_corners(
    points: Complex, radii: NDArray[np.float64], before: Complex, after: Complex, turns: NDArray[np.float64]
) -> tuple[Complex, NDArray[np.intp]]:
    """`(m,)` points of the arcs around corners, and `(n,)` where those of each corner end.

    An arc goes from the normal before the corner to that after it, in steps whose chords stay near it: the clipper's.
    """
    steps = 2 * np.pi / np.minimum(np.pi / np.arccos(1 - ARC_ERROR / radii), np.pi * radii)
    counts = np.maximum(np.floor(turns / steps + 0.5), 1).astype(np.intp) + 1
    ends = np.cumsum(counts)
    corner = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(corner)) - np.repeat(ends - counts, counts)
    normals = before[corner] * np.exp(1j * steps[corner] * place)
    normals[ends - 1] = after
    return points[corner] + radii[corner] * normals, ends


def _half_way(points: Complex) -> NDArray[np.bool_]:
    """Which points have a coordinate that rounding in the last bits sends to either side."""
    close = np.abs(np.abs(points.view(np.float64)) % 1 - 0.5) < TIE
    return np.logical_or(close[::2], close[1::2])


def _on_grid(points: Complex) -> Integers:
    """`(n, 2)`, the nearest points of the grid; halves away from zero, as the clipper has it."""
    values = points.view(np.float64).reshape(-1, 2)
    return np.trunc(values + np.copysign(0.5, values)).astype(np.int32)


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

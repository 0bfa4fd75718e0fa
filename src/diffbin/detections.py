"""The answer of a detector: regions of text in one picture."""

import math
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import index
from statistics import median
from typing import Any, NamedTuple, overload

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
"""`(n, 2)` float32, points `(x, y)` in pixels; (0, 0) is the top left corner of the top left pixel."""

GAP_HEIGHTS = 1.0  # white between columns, in heights of their text
COLUMN_LINES = 3  # of a column at least
ENOUGH_LINES = 40  # to tell that no column is text; of a long table each row would look down all of it
SURELY_ENOUGH_LINES = 120  # to tell that the first one is none
AGREEING = 8  # regions that tell an angle at least
LONG_RATIO = 5.0  # of the sides of a region that tells one by itself
SPREAD = math.radians(4)  # of the middle half of the angles
LEAST_SKEW, MOST_SKEW = math.radians(1), math.radians(30)  # that is set straight
MOST_ASKED = 400  # regions whose neighbours are looked for
AXES = {  # along a line, and from line to line
    "rtl": np.array([[-1, 0], [0, 1]], np.float32),
    "vertical-rl": np.array([[0, -1], [1, 0]], np.float32),
}
LINE_HEIGHTS = 8  # length of the lines of a column; what is shorter may be a price, or a number in a table


@dataclass(frozen=True, eq=False)
class Detection:
    """One region: `polygon` `(n, 2)` float32 in pixels of the upright original picture, `score` in [0, 1]."""

    polygon: Points
    score: float


@dataclass(frozen=True, eq=False)
class Detections:
    """Regions of one picture, in the decoder's order.

    polygons  one `(n, 2)` float32 array a region, `(x, y)` in pixels of the upright original picture, clockwise as
              seen on the screen; quads have four points
    scores    `(len,)` float32 in [0, 1]
    size      `(h, w)` of the picture in pixels
    """

    polygons: Sequence[Points]
    scores: NDArray[np.float32]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if len(self.polygons) != len(self.scores):
            raise ValueError(f"{len(self.polygons)} polygons but {len(self.scores)} scores")

    def __len__(self) -> int:
        return len(self.polygons)

    def __iter__(self) -> Iterator[Detection]:
        return (Detection(p, float(s)) for p, s in zip(self.polygons, self.scores, strict=True))

    @overload
    def __getitem__(self, index: int) -> Detection: ...
    @overload
    def __getitem__(self, index: slice) -> "Detections": ...
    def __getitem__(self, index: int | slice) -> "Detection | Detections":
        if isinstance(index, slice):
            return Detections(self.polygons[index], self.scores[index], self.size)
        return Detection(self.polygons[index], float(self.scores[index]))

    def to_dict(self) -> dict[str, Any]:
        """`{"size": [h, w], "regions": [{"polygon": [[x, y], ...], "score": s}, ...]}`, ready for JSON.

        Pixels to a hundredth, scores to four places.
        """
        regions = [
            {"polygon": [[round(float(v), 2) for v in point] for point in region.polygon],
             "score": round(region.score, 4)}
            for region in self
        ]  # fmt: skip
        return {"size": list(self.size), "regions": regions}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Detections":
        """What `to_dict` makes, or a line of `diffbin detect` once `json.loads` has read it.

        Raises `KeyError`, `TypeError` or `ValueError` for anything else.
        """
        height, width = map(index, content["size"])
        polygons = [np.array(region["polygon"], np.float32).reshape(-1, 2) for region in content["regions"]]
        if (fewest := min(map(len, polygons), default=3)) < 3:
            raise ValueError(f"a polygon of {fewest} points")
        scores = np.array([float(region["score"]) for region in content["regions"]], np.float32)
        return cls(polygons, scores, (height, width))

    def filter(self, score: float) -> "Detections":
        """The regions with at least this score."""
        keep = self.scores >= score
        polygons = [p for p, kept in zip(self.polygons, keep, strict=True) if kept]
        return Detections(polygons, self.scores[keep], self.size)

    def clip(self) -> "Detections":
        """The regions with their points moved into the picture, each starting at its least x + y."""
        if not len(self):
            return self
        height, width = self.size
        points, bounds = self._joined()
        inside = points.clip(0, np.array([width, height], np.float32))
        moved = np.logical_or.reduceat((inside != points).any(axis=1), bounds[:-1])
        polygons = [inside[a:b] for a, b in pairwise(bounds)]
        for i in np.flatnonzero(moved).tolist():  # another point may be nearest to the top left now
            polygons[i] = np.roll(polygons[i], -int(polygons[i].sum(axis=1).argmin()), axis=0)
        return Detections(polygons, self.scores, self.size)

    def in_reading_order(self, reading: str = "ltr") -> "Detections":
        """Line by line from the top, each from the left, and where text stands in columns, column by column.

        With "rtl" lines and columns begin at the right, as in Arabic and Hebrew; with "vertical-rl" lines run downwards
        and follow each other to the left, as they may in Chinese and Japanese. `KeyError` for any other `reading`.
        A region goes on with the line while its middle lies within half a height of the line's first region. Columns
        are told by a white band beside which there are lines of text, not words or numbers; a table is read in rows.
        A page that lies askew, by up to 30 degrees, is seen set straight. It is a guess for any other layout.
        """
        if not len(self):
            return self
        turned = self if reading == "ltr" else self._by(AXES[reading])
        boxes = turned.boxes()
        if skew := _skew(turned.polygons, boxes):
            cos, sin = np.cos(skew), np.sin(skew)
            boxes = turned._by(np.array([[cos, -sin], [sin, cos]], np.float32)).boxes()
        order = _in_order(_Boxes(*boxes.T.tolist()), list(range(len(self))))
        return Detections([self.polygons[i] for i in order], self.scores[order], self.size)

    def _by(self, axes: Points) -> "Detections":
        """With the points in other axes, each a column of `(2, 2)` float32."""
        return Detections([polygon @ axes for polygon in self.polygons], self.scores, self.size)

    def boxes(self) -> NDArray[np.float32]:
        """Axis-aligned boxes `(len, 4)` float32: x_min, y_min, x_max, y_max in pixels."""
        if not len(self):
            return np.zeros((0, 4), np.float32)
        points, bounds = self._joined()
        return np.hstack([np.minimum.reduceat(points, bounds[:-1]), np.maximum.reduceat(points, bounds[:-1])])

    def _joined(self) -> tuple[Points, list[int]]:
        """The points of all polygons in one array, and where each begins and the last ends."""
        return np.concatenate(self.polygons), list(accumulate(map(len, self.polygons), initial=0))


def _skew(polygons: Sequence[Points], boxes: NDArray[np.float32]) -> float:
    """Angle in radians at which lines of text fall to the right, where most regions agree on one; else 0.

    That of long regions, or else from each region to its neighbour: short ones stand upright on the map's pixels.
    """
    if len(polygons) < AGREEING:
        return 0.0
    angles = np.array([angle for polygon in polygons if (angle := _long_angle(polygon)) is not None])
    if len(angles) < AGREEING:
        angles = _neighbour_angles(boxes)
    if len(angles) < AGREEING:
        return 0.0
    low, skew, high = np.quantile(angles, (0.25, 0.5, 0.75))
    return float(skew) if high - low <= SPREAD and LEAST_SKEW <= abs(skew) <= MOST_SKEW else 0.0


def _long_angle(polygon: Points) -> float | None:
    """Of a region several times as long as high, its angle in radians between straight up and straight down."""
    _, sides, degrees = cv2.minAreaRect(np.asarray(polygon, np.float32))
    if max(sides) < LONG_RATIO * min(sides):
        return None
    angle = np.deg2rad(degrees if sides[0] > sides[1] else degrees + 90)
    return float((angle + np.pi / 2) % np.pi - np.pi / 2)


def _neighbour_angles(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the lines from middle to middle of regions, of some of many, and the nearest ones to their right."""
    left, top, right, bottom = boxes.T
    middle, heights = (top + bottom) / 2, bottom - top
    angles = []
    for i in range(0, len(boxes), -(-len(boxes) // MOST_ASKED)):
        across, down = left - right[i], middle - middle[i]
        near = (across > -0.5 * heights[i]) & (across < 2 * heights[i]) & (left > left[i])
        near &= np.abs(down) < heights[i] + np.maximum(across, 0)
        if near.any():
            j = np.flatnonzero(near)[np.hypot(across, down)[near].argmin()]
            angles.append(np.arctan2(down[j], (left[j] + right[j] - left[i] - right[i]) / 2))
    return np.array(angles, np.float32)


class _Boxes(NamedTuple):
    """Plain numbers, for they are faster than arrays one by one."""

    left: list[float]
    top: list[float]
    right: list[float]
    bottom: list[float]

    def middle(self, i: int) -> float:
        return (self.top[i] + self.bottom[i]) / 2

    def height(self, i: int) -> float:
        return self.bottom[i] - self.top[i]


def _in_order(boxes: _Boxes, regions: list[int]) -> list[int]:
    lines = _lines(boxes, regions)
    order, at = list[int](), 0
    while at < len(lines):
        columns, rows = _columns(boxes, lines[at:])
        if columns:
            order += [i for column in columns for i in _in_order(boxes, column)]
        else:
            order += sorted(lines[at], key=boxes.left.__getitem__)
        at += rows
    return order


def _lines(boxes: _Boxes, regions: list[int]) -> list[list[int]]:
    """Regions beside each other, from the top; of rows beside what is much taller it takes one and no more."""
    lines: list[list[int]] = []
    usual = median(map(boxes.height, regions))
    for i in sorted(regions, key=boxes.middle):
        if lines:
            first = lines[-1][0]
            reach = min(boxes.height(first) / 2, max(boxes.height(i), usual))
            if boxes.middle(i) - boxes.middle(first) < reach:
                lines[-1].append(i)
                continue
        lines.append([i])
    return lines


def _columns(boxes: _Boxes, lines: list[list[int]]) -> tuple[list[list[int]], int]:
    """Columns that the first lines stand in, from the left, and how many lines these are; else none, and one."""
    height = median(boxes.height(i) for line in lines[:COLUMN_LINES] for i in line)
    cover, gaps, rows = list[tuple[float, float]](), list[float](), 0
    for line in lines:
        wider = _joined(sorted([*cover, *((boxes.left[i], boxes.right[i]) for i in line)]))
        found = [(a + b) / 2 for (_, a), (b, _) in pairwise(wider) if b - a >= GAP_HEIGHTS * height]
        if not found and (gaps or rows == COLUMN_LINES):
            break
        cover, gaps, rows = wider, found, rows + 1
        if rows in (ENOUGH_LINES, SURELY_ENOUGH_LINES):
            text = [_is_text(boxes, column, height) for column in _parted(boxes, lines[:rows], gaps)]
            if not any(text if rows == ENOUGH_LINES else text[:1]):
                return [], 1
    columns = _parted(boxes, lines[:rows], gaps)
    kept = list[list[list[int]]]()
    for column in columns:
        if not kept or _is_text(boxes, column, height):
            kept.append(column)
        else:  # words or numbers: they belong to what is beside them
            kept[-1] = [a + b for a, b in zip(kept[-1], column, strict=True)]
    if len(kept) < 2 or not _is_text(boxes, kept[0], height):
        return [], 1
    return [[i for line in column for i in line] for column in kept], rows


def _parted(boxes: _Boxes, lines: list[list[int]], gaps: list[float]) -> list[list[list[int]]]:
    """Of each column between the gaps, from the left, what stands in it of each line."""
    columns = [[list[int]() for _ in lines] for _ in range(len(gaps) + 1)]
    for row, line in enumerate(lines):
        for i in line:
            columns[bisect(gaps, boxes.left[i])][row].append(i)
    return columns


def _joined(intervals: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Sorted intervals, those that touch made one."""
    joined = intervals[:1]
    for left, right in intervals[1:]:
        if left <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], right)
        else:
            joined.append((left, right))
    return joined


def _is_text(boxes: _Boxes, column: list[list[int]], height: float) -> bool:
    """Whether there are several lines, most of them long."""
    lengths = [max(boxes.right[i] for i in line) - min(boxes.left[i] for i in line) for line in column if line]
    return len(lengths) >= COLUMN_LINES and median(lengths) >= LINE_HEIGHTS * height

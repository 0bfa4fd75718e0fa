"""Words that stand on one line: which follow each other, and the outline of all.

Of words whose first edge, or first half of points, lies along the reading direction, one goes on with another where
both

- run in the same direction, within 20 degrees,
- are about as high: the lower one at least half as high as the other,
- stand on one line: from the middle of the first one's end to the middle of the second one's beginning it is at most
  half the lower height across the reading direction,
- are near: along the reading direction the gap is at most their mean height, the overlap half of it.

Nearest pairs are joined first, and each word has one word before and one after it at most. The line's outline is that
of the convex hulls of all its neighbouring words, which follows bent lines too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

from diffbin.detections import Detections, Points
from diffbin.geometry import CLIP_UNITS, area, clockwise

MAX_TURN_DEG = 20.0
MIN_HEIGHT_RATIO = 0.5
MAX_SHIFT_RATIO = 0.5  # of the lower height
MAX_GAP_RATIO = 1.0  # of the mean height
MAX_OVERLAP_RATIO = 0.5
DETAIL_RATIO = 0.05  # of the height: the outline's points may miss the exact one by so much
TALL_RATIO = 1.5  # of height to width, from which on a region may be text that runs downwards, or an I
REACH_RATIO = 2.3  # of a word's height: no neighbour by the rules above is farther away, for one of twice its height
QUARTER = np.array([[0, -1], [1, 0]], np.float32)  # turns what runs downwards to run along
AT_ONCE = 256  # words that are compared with all others

Pairs = list[tuple[int, int]]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Line:
    """`polygon` `(n, 2)` float32, the outline of all, in pixels of the upright original; `words` in reading order."""

    polygon: Points
    words: Detections

    @property
    def score(self) -> float:
        """The mean of its words' scores."""
        return float(self.words.scores.mean())


def lines(detections: Detections) -> list[Line]:
    """The lines, in the order of their first regions, and the regions of each along it, leftwards where the detections
    come so; a region beside no other is a line by itself.

    It is not known how the text of a region runs. What is long runs along; what is tall is first taken for a narrow
    letter of a line whose other words are not tall, and then for text that runs downwards or steeply. Where more is
    tall than is not, as on a page that lies on its side, it is the other way round.
    """
    polygons = detections.polygons
    lying, sides = _laid(polygons)
    tall = sides[:, 1] > TALL_RATIO * sides[:, 0]
    ways = polygons
    if sides[tall, 1].sum() > sides[~tall, 0].sum():
        ways = [polygon @ QUARTER for polygon in polygons]
        lying, sides = _laid(ways)
        tall = sides[:, 1] > TALL_RATIO * sides[:, 0]
    pairs = neighbours(lying, apart=tall)
    alone = np.flatnonzero(tall & ~np.isin(np.arange(len(polygons)), np.array(pairs).ravel())).tolist()
    steep = neighbours([_along(ways[i], lying=False) for i in alone])
    if _is_leftwards(detections, pairs):
        pairs = [(last, first) for first, last in pairs]
    found = chains(len(polygons), [*pairs, *((alone[a], alone[b]) for a, b in steep)])
    return [
        Line(
            polygons[line[0]] if len(line) == 1 else outline(polygons, line),
            Detections([polygons[i] for i in line], detections.scores[line], detections.size),
        )
        for line in sorted(found, key=min)
    ]


def _is_leftwards(detections: Detections, pairs: Pairs) -> bool:
    """Whether text runs to the left, by the order of the regions that stand level; of others it may tell nothing."""
    _, tops, _, bottoms = detections.boxes().T
    middles, heights = (tops + bottoms) / 2, bottoms - tops
    level = [(a, b) for a, b in pairs if abs(middles[a] - middles[b]) < min(heights[a], heights[b]) / 2]
    return sum(first > last for first, last in level) > len(level) / 2


def _laid(polygons: Sequence[Points]) -> tuple[list[Points], Floats]:
    """The rectangles around the regions, see `_along`, and their `(n, 2)` lengths along and across."""
    lying = [_along(polygon, lying=True) for polygon in polygons]
    return lying, np.array([(math.dist(q[0], q[1]), math.dist(q[0], q[3])) for q in lying]).reshape(-1, 2)


def _along(polygon: Points, *, lying: bool) -> Points:
    """The rectangle around a region, its first edge along the side that lies most level, or else along the longer one.

    Text runs to the right, or straight downwards.
    """
    middle, (width, height), degrees = cv2.minAreaRect(np.asarray(polygon, np.float32))
    turn = np.deg2rad(degrees)
    if (abs(np.sin(turn)) > np.sqrt(0.5)) if lying else height > width:
        width, height, turn = height, width, turn + np.pi / 2
    way = np.array([np.cos(turn), np.sin(turn)])
    way *= -1 if way[0] < -1e-6 or (way[0] < 1e-6 and way[1] < 0) else 1
    along, across = way * width / 2, np.array([-way[1], way[0]]) * height / 2
    corners = [-along - across, along - across, along + across, -along + across]
    return np.array(middle, np.float32) + np.array(corners, np.float32)


def neighbours(polygons: Sequence[Points], apart: NDArray[np.bool_] | None = None) -> Pairs:
    """Pairs of words, by index, of which the second goes on with the first; no two of which both are `apart`."""
    if len(polygons) < 2:
        return []
    first_of, last_of = list(range(len(polygons))), list(range(len(polygons)))  # of each chain, kept at its ends
    pairs: Pairs = []
    before, after = set[int](), set[int]()
    apart = np.zeros(len(polygons), np.bool_) if apart is None else apart
    for _, first, second in sorted(_candidates(polygons, apart)):
        if first in after or second in before or first_of[first] == second:  # the last would close a ring
            continue
        pairs.append((first, second))
        after.add(first)
        before.add(second)
        start, end = first_of[first], last_of[second]
        last_of[start], first_of[end] = end, start
    return pairs


def _candidates(polygons: Sequence[Points], apart: NDArray[np.bool_]) -> list[tuple[float, int, int]]:
    """Pixels between the end of one word and the beginning of another, and both, of all that may be neighbours."""
    starts = np.array([(p[0] + p[-1]) / 2 for p in polygons], np.float64)
    ends = np.array([(p[len(p) // 2 - 1] + p[len(p) // 2]) / 2 for p in polygons], np.float64)
    areas = np.array([area(p) for p in polygons])
    lengths = np.maximum(np.linalg.norm(ends - starts, axis=1), 1e-6)
    ways, heights = (ends - starts) / lengths[:, None], areas / lengths
    first, second = _near(starts, ends, REACH_RATIO * heights)
    lower, higher = np.minimum(heights[first], heights[second]), np.maximum(heights[first], heights[second])
    along = ways[first] + ways[second]  # between the two directions
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    between = starts[second] - ends[first]
    gap = (between * along).sum(axis=1)
    shift = np.abs(between[:, 0] * along[:, 1] - between[:, 1] * along[:, 0])
    fits = (
        ((ways[first] * ways[second]).sum(axis=1) >= np.cos(np.deg2rad(MAX_TURN_DEG)))
        & (lower >= MIN_HEIGHT_RATIO * higher)
        & (shift <= MAX_SHIFT_RATIO * lower)
        & (gap <= MAX_GAP_RATIO * (lower + higher) / 2)
        & (gap >= -MAX_OVERLAP_RATIO * (lower + higher) / 2)
        & (np.minimum(areas[first], areas[second]) >= 1)
        & ~(apart[first] & apart[second])
    )
    return list(zip(np.abs(gap[fits]).tolist(), first[fits].tolist(), second[fits].tolist(), strict=True))


def _near(starts: Floats, ends: Floats, reach: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of which the second begins within the reach of the first one's end, along x and along y."""
    first, second = list[NDArray[np.intp]](), list[NDArray[np.intp]]()
    for begin in range(0, len(starts), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        x, y = (np.abs(starts[:, axis] - ends[some, axis, None]) <= reach[some, None] for axis in (0, 1))
        a, b = np.nonzero(x & y)
        first.append(begin + a)
        second.append(b)
    one, other = np.concatenate(first), np.concatenate(second)
    return one[one != other], other[one != other]


def chains(count: int, pairs: Pairs) -> list[list[int]]:
    """All of `count` words, those of a line together in their order, lines in the order of their first words."""
    following = dict(pairs)
    found = []
    for first in sorted(set(range(count)) - set(following.values())):
        found.append([first])
        while found[-1][-1] in following:
            found[-1].append(following[found[-1][-1]])
    return found


def outline(polygons: Sequence[Points], line: Sequence[int]) -> Points:
    """Of two words or more, by index in their order: clockwise, from the point nearest to the top left."""
    hulls = [cv2.convexHull(np.vstack([polygons[a], polygons[b]])) for a, b in pairwise(line)]
    clipper = pyclipper.Pyclipper()
    clipper.AddPaths([np.rint(hull[:, 0] * CLIP_UNITS).astype(np.int64).tolist() for hull in hulls],
                     pyclipper.PT_SUBJECT, True)  # fmt: skip
    found = clipper.Execute(pyclipper.CT_UNION, pyclipper.PFT_NONZERO, pyclipper.PFT_NONZERO)
    around = np.array(max(found, key=pyclipper.Area), np.float32) / np.float32(CLIP_UNITS)
    height = min(cv2.minAreaRect(polygons[line[0]])[1])
    return clockwise(np.asarray(cv2.approxPolyDP(around, DETAIL_RATIO * height, True)[:, 0], np.float32))

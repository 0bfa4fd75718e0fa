"""Words joined to lines, so that a set labelled by words can teach a model of lines.

A word's points run clockwise from the top left of its own text, as the formats of words have it; so its first edge, or
first half of points, lies along the reading direction. A word goes on with the one before it where both

- run in the same direction, within 20 degrees,
- are about as high: the lower one at least half as high as the other,
- stand on one line: from the middle of the first one's end to the middle of the second one's beginning it is at most
  half the lower height across the reading direction,
- are near: along the reading direction the gap is at most their mean height, the overlap half of it.

Nearest pairs are joined first, and each word has one word before and one after it at most. The line's outline is that
of the convex hulls of all its neighbouring words, which follows bent lines too.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

from diffbin.data.labels import Annotation
from diffbin.detections import Points
from diffbin.geometry import CLIP_UNITS, area, clockwise

MAX_TURN_DEG = 20.0
MIN_HEIGHT_RATIO = 0.5
MAX_SHIFT_RATIO = 0.5  # of the lower height
MAX_GAP_RATIO = 1.0  # of the mean height
MAX_OVERLAP_RATIO = 0.5
DETAIL_RATIO = 0.05  # of the height: the outline's points may miss the exact one by so much

Pairs = list[tuple[int, int]]


def join_words(words: Annotation) -> Annotation:
    """The words of each line as one region, in the order of their first words; lone words stay as they are.

    A line is ignored where ignored words are half of its words' area or more: short words and single unreadable ones
    are often marked so and are text all the same. Texts are joined by spaces.
    """
    areas = np.array([area(p) for p in words.polygons])
    lines = _chains(len(words.polygons), neighbours(words.polygons))
    polygons = [words.polygons[line[0]] if len(line) == 1 else _outline(words.polygons, line) for line in lines]
    unknown = [areas[line] @ words.ignored[line] >= areas[line].sum() / 2 for line in lines]
    texts = [" ".join(words.texts[i] for i in line).strip() for line in lines]
    return Annotation(polygons, np.array(unknown, np.bool_), texts)


def neighbours(polygons: Sequence[Points]) -> Pairs:
    """Pairs of words, by index, of which the second goes on with the first; see the head of the file."""
    if len(polygons) < 2:
        return []
    gaps = _gaps(polygons)
    pairs: Pairs = []
    roots, before, after = list(range(len(polygons))), set[int](), set[int]()
    for first, second in np.argwhere(np.isfinite(gaps))[np.argsort(gaps[np.isfinite(gaps)], kind="stable")].tolist():
        if first in after or second in before or roots[first] == roots[second]:  # the last would close a ring
            continue
        pairs.append((first, second))
        after.add(first)
        before.add(second)
        roots = [roots[first] if root == roots[second] else root for root in roots]
    return pairs


def _gaps(polygons: Sequence[Points]) -> NDArray[np.float64]:
    """`(n, n)` pixels between the end of one word and the beginning of another, inf where they are no neighbours."""
    starts = np.array([(p[0] + p[-1]) / 2 for p in polygons], np.float64)
    ends = np.array([(p[len(p) // 2 - 1] + p[len(p) // 2]) / 2 for p in polygons], np.float64)
    areas = np.array([area(p) for p in polygons])
    lengths = np.maximum(np.linalg.norm(ends - starts, axis=1), 1e-6)
    ways, heights = (ends - starts) / lengths[:, None], areas / lengths
    lower, higher = np.minimum.outer(heights, heights), np.maximum.outer(heights, heights)
    along = ways[:, None] + ways[None]  # between the two directions
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-6)
    between = starts[None] - ends[:, None]
    gap = (between * along).sum(axis=2)
    shift = np.abs(between[..., 0] * along[..., 1] - between[..., 1] * along[..., 0])
    fits = (
        (ways @ ways.T >= np.cos(np.deg2rad(MAX_TURN_DEG)))
        & (lower >= MIN_HEIGHT_RATIO * higher)
        & (shift <= MAX_SHIFT_RATIO * lower)
        & (gap <= MAX_GAP_RATIO * (lower + higher) / 2)
        & (gap >= -MAX_OVERLAP_RATIO * (lower + higher) / 2)
        & (np.minimum.outer(areas, areas) >= 1)
    )
    np.fill_diagonal(fits, False)
    return np.where(fits, np.abs(gap), np.inf)


def _chains(count: int, pairs: Pairs) -> list[list[int]]:
    following = dict(pairs)
    chains = []
    for first in sorted(set(range(count)) - set(following.values())):
        chains.append([first])
        while chains[-1][-1] in following:
            chains[-1].append(following[chains[-1][-1]])
    return chains


def _outline(polygons: Sequence[Points], line: Sequence[int]) -> Points:
    hulls = [cv2.convexHull(np.vstack([polygons[a], polygons[b]])) for a, b in pairwise(line)]
    clipper = pyclipper.Pyclipper()
    clipper.AddPaths([np.rint(hull[:, 0] * CLIP_UNITS).astype(np.int64).tolist() for hull in hulls],
                     pyclipper.PT_SUBJECT, True)  # fmt: skip
    found = clipper.Execute(pyclipper.CT_UNION, pyclipper.PFT_NONZERO, pyclipper.PFT_NONZERO)
    outline = np.array(max(found, key=pyclipper.Area), np.float32) / np.float32(CLIP_UNITS)
    height = min(cv2.minAreaRect(polygons[line[0]])[1])
    return clockwise(np.asarray(cv2.approxPolyDP(outline, DETAIL_RATIO * height, True)[:, 0], np.float32))

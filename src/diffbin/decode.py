"""From the probability map to regions of text (section 3.3 of arXiv 1911.08947); the only place that knows thresholds.

The steps are those of MMOCR 1.0: threshold, contours (holes too), simplify, score, unclip, and a rectangle where quads
are wanted. Its quirks are kept, for parity: simplified contours of fewer than four points are passed over, and so are
contours that unclipping splits into parts of unequal point counts.
"""

import cmath
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import compress
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.config import Decode, Preprocess
from diffbin.detections import Detections, Points
from diffbin.geometry import (
    Integers,
    Rings,
    clockwise,
    from_top_left,
    grow_convex,
    offset,
    rectangle_corners,
    single_part,
)

ProbMap = NDArray[np.float32]
Rectangle = NDArray[np.float64]  # `(5,)`: its middle's x and y, width, height, degrees
THICK_PX = 10  # of the input: the strokes of letters that are too large for it; rims of text are thinner
DOUBTFUL = 0.001  # of a map's pixels, in the middle of such strokes
LONG_RATIO = 1.5  # of a region's longer side to the shorter one, from where it tells which way its text runs
ONE_WAY = 0.8  # of the lengths of all long text, as arrows of its direction laid end to end
ASKEW_DEG, UPRIGHT_DEG = 20, 15  # text that is less askew is found well; that so near to a quarter is turned by one
STEEP_RATIO = 0.5  # of the lengths of what runs up or down and of what runs along, from where text may be missed
SQUARE_RATIO = 1.4  # of the sides of a quad that is set upright, at most: longer ones have an angle


def decode(
    prob: ProbMap,
    config: Decode,
    *,
    scale: tuple[float, float] = (1.0, 1.0),
    size: tuple[int, int] | None = None,
    stride: int = 1,
    known: Preprocess | None = None,
) -> Detections:
    """Regions in a probability map.

    prob    `(h, w)` float32 in [0, 1], contiguous, without the padded strip
    scale   `(x, y)` pixels of the network's input for one of the original picture; coordinates are divided by it
    size    `(h, w)` of the original picture, for the answer; that of the map unless given
    stride  of the map: pixels of the network's input for one of its own, which lies in their middle
    known   the model's own input, for which `max_candidates` is meant: a larger map has room for more

    The regions come with the lowest first (the order of the contours), clockwise, and are not clipped to the picture.
    """
    if known:
        inputs = math.ceil(prob.size * stride**2 / (known.short_px * known.long_px))
        config = replace(config, max_candidates=config.max_candidates * max(inputs, 1))
    outlines, scores = [], []
    for outline in _outlines(prob, config):
        score = mean_inside(prob, outline)
        if score >= config.score_threshold:
            outlines.append(outline)
            scores.append(score)
    size = size or (prob.shape[0], prob.shape[1])
    if not outlines:
        return Detections([], np.zeros(0, np.float32), size)
    unclip = _quads if config.shape == "quad" else _polygons
    regions, kept = unclip(outlines, config, _Place(stride, np.array(scale, np.float32)))
    return Detections(regions, np.array(scores, np.float32)[kept], size)


def in_doubt(prob: ProbMap, threshold: float, stride: int) -> bool:
    """Whether a map `(h, w)` float32 may have pieces of letters that are too large for it.

    Where these are, it has broad strokes a little below the threshold; where text is found well, rims alone.
    """
    doubtful = ((prob > threshold / 4) & (prob < threshold)).view(np.uint8)
    side_px = -(-THICK_PX // stride) | 1  # a square has a middle
    square = np.ones((side_px, side_px), np.uint8)
    thick = cv2.erode(doubtful, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)  # at the rim, too
    return cv2.countNonZero(thick) > DOUBTFUL * prob.size


def slant(found: Detections) -> float:
    """Degrees, against the clock, by which a picture is to be turned for its text to run along; 0 where it does.

    Networks that learn from upright pictures find a third of the text that runs up or down, and what they find has low
    scores, so `found` is to have these, too. Where not all text runs one way, it is a quarter or nothing.
    """
    direction, total = 0j, 0.0
    for _, sides, degrees in map(cv2.minAreaRect, found.polygons):
        if max(sides) > LONG_RATIO * min(sides):
            turn = math.radians(degrees if sides[0] > sides[1] else degrees + 90)
            direction += max(sides) * cmath.exp(2j * turn)  # of a line, which has two ways
            total += max(sides)
    if abs(direction) > ONE_WAY * total:
        degrees = math.degrees(cmath.phase(direction)) / 2
        return 90.0 if abs(degrees) > 90 - UPRIGHT_DEG else degrees if abs(degrees) > ASKEW_DEG else 0.0
    along, down = (lengths(found, down=way).sum() for way in (False, True))
    return 90.0 if down > 0 and down >= STEEP_RATIO * along else 0.0


def lengths(found: Detections, *, down: bool = False) -> NDArray[np.float32]:
    """`(len,)` widths in pixels of the regions that are clearly wider than high, 0 of others; or, `down`, heights."""
    left, top, right, bottom = found.boxes().T
    short, long = (right - left, bottom - top) if down else (bottom - top, right - left)
    return np.where(long > LONG_RATIO * short, long, np.float32(0))


class _Place(NamedTuple):
    """Of a map in the picture; see `decode`."""

    stride: int
    scale: NDArray[np.float32]

    def to_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(..., 2)` pixels of the map -> of the picture."""
        return (points * np.float32(self.stride) + np.float32((self.stride - 1) / 2)) / self.scale


def _outlines(prob: ProbMap, config: Decode) -> Iterator[Integers]:
    """Simplified contours, `(n, 2)` int32, of what lies above the threshold."""
    mask = (prob > np.float32(config.mask_threshold)).view(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    for candidate in contours[: config.max_candidates + 1]:  # one more than it says, as the reference
        contour = np.asarray(candidate, np.int32)
        if _surely_narrow(contour, config):
            continue
        outline = cv2.approxPolyDP(contour, config.epsilon_ratio * cv2.arcLength(contour, True), True)
        if len(outline) >= 4:
            yield np.asarray(outline, np.int32)[:, 0]


def _surely_narrow(contour: Integers, config: Decode) -> bool:
    """Whether a contour cannot become a quad of `min_width_px`, told from its box: speckles are passed over at once.

    Of all outlines in a box with the shorter side b the area is at most b / 2 times the perimeter, so unclipping adds
    at most r' b / 2 on each side, and the rim; 2 px stand for rounding.
    """
    if config.shape != "quad":
        return len(contour) < 4
    _, _, width, height = cv2.boundingRect(contour)
    return (min(width, height) - 1) * (1 + config.unclip_ratio) + 2 * config.rim_px + 2 < config.min_width_px


def mean_inside(prob: ProbMap, outline: Integers) -> float:
    """Mean of the map over the outline, its border included."""
    x, y, width, height = cv2.boundingRect(outline)
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [outline], (1,), offset=(-x, -y))
    # The map has no negative values, and the norm is many times as fast as cv2.mean, whose loop is scalar with a mask.
    total = cv2.norm(prob[y : y + height, x : x + width], cv2.NORM_L1, inside)
    return total / cv2.countNonZero(inside)


def _distances(rings: Rings, config: Decode) -> NDArray[np.float64]:
    """D' = A' r' / L' of each outline (section 3.3) and the rim; in double precision, for it is rounded later."""
    return np.abs(rings.signed_areas()) * config.unclip_ratio / rings.perimeters() + config.rim_px


def _polygons(outlines: Sequence[Integers], config: Decode, place: _Place) -> tuple[list[Points], list[int]]:
    """The outlines grown, in pixels of the picture, and which of them are left."""
    regions, kept = [], []
    for i, distance in enumerate(_distances(Rings(outlines), config).tolist()):
        grown = single_part(offset(outlines[i], distance))
        if grown is not None and len(grown) >= 4:
            regions.append(clockwise(place.to_picture(grown.astype(np.float32))))
            kept.append(i)
    return regions, kept


def _quads(outlines: Sequence[Integers], config: Decode, place: _Place) -> tuple[list[Points], list[int]]:
    """Smallest rotated rectangles around the grown outlines, in pixels of the picture, and which are wide enough."""
    grown = _grown(outlines, config)
    places, left = list(grown), list(grown.values())
    rectangles = np.array([(*centre, *sides, angle) for centre, sides, angle in map(cv2.minAreaRect, left)])
    rectangles = rectangles.reshape(-1, 5)
    shorter, longer = np.sort(rectangles[:, 2:4]).T
    square = (shorter > 0) & (longer <= SQUARE_RATIO * shorter) & (config.upright_px > 0)
    for i in np.flatnonzero(square):
        if max(cv2.minAreaRect(outlines[places[i]])[1]) < config.upright_px:
            rectangles[i] = _upright(left[i], shorter[i] * longer[i])
    wide = rectangles[:, 2:4].min(axis=1) >= config.min_width_px
    corners = place.to_picture(rectangle_corners(rectangles[wide]))
    return list(from_top_left(corners)), list(compress(places, wide.tolist()))


def _upright(outline: Integers, area: float) -> Rectangle:
    """Of this area, in the place and of the shape of the outline's box.

    A word of a few pixels leaves a round blob on the map, whose smallest rectangle stands on a corner as often as not.
    Of larger blobs the angle tells something, and stays.
    """
    low, high = outline.min(axis=0), outline.max(axis=0)
    sides = (high - low) * math.sqrt(area / math.prod(high - low))
    return np.array([*(low + high) / 2, *sides, 0.0])


def _grown(outlines: Sequence[Integers], config: Decode) -> dict[int, Integers]:
    """By its place, each outline that is left when grown, or points of its hull; the clipper is called if need be."""
    rings = Rings(outlines)
    distances = _distances(rings, config)
    parts = [part if holds else single_part(offset(outline, distance))
             for outline, distance, part, holds
             in zip(outlines, distances.tolist(), *grow_convex(rings, distances), strict=True)]  # fmt: skip
    return {i: part for i, part in enumerate(parts) if part is not None}

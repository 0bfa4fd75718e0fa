"""From what was drawn to labels: cut at the picture's edge, and told apart by whether a person could read it."""

import cv2
import numpy as np

from diffbin.data.synth.pixels import Picture
from diffbin.detections import Points

LEAST_HEIGHT_PX = 7.0
LEAST_INK = 40  # of 255, where it is densest
LEAST_CONTRAST = 14.0  # levels of the strongest channel, between ink and what is behind
LEAST_TO_TEXTURE = 0.6  # contrast relative to the deviation of what is behind
MOST_HIDDEN = 0.4
LEAST_INSIDE = 0.7


def cut(polygon: Points, size: tuple[int, int]) -> tuple[Points, float]:
    """The part of the polygon inside a picture of `size` (h, w), in the same order, and its share of the area."""
    h, w = size
    if polygon.min() >= 0 and polygon[:, 0].max() <= w and polygon[:, 1].max() <= h:
        return polygon, 1.0
    whole, points = cv2.contourArea(polygon), [(float(x), float(y)) for x, y in polygon]
    for axis, limit, sign in ((0, 0, 1), (0, w, -1), (1, 0, 1), (1, h, -1)):
        points = _half(points, axis, limit, sign)
    part = np.array(points, np.float32).reshape(-1, 2)
    if len(part) < 3:
        return part, 0.0
    return part, cv2.contourArea(part) / max(whole, 1e-6)


def _half(points: list[tuple[float, float]], axis: int, limit: float, sign: int) -> list[tuple[float, float]]:
    """The part on one side of a line (Sutherland and Hodgman)."""
    kept = []
    for i, end in enumerate(points):
        start = points[i - 1]
        a, b = (start[axis] - limit) * sign, (end[axis] - limit) * sign
        if (a < 0) != (b < 0):
            t = a / (a - b)
            crossing = [start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])]
            crossing[axis] = float(limit)
            kept.append((crossing[0], crossing[1]))
        if b >= 0:
            kept.append(end)
    return kept


def legible(polygon: Points, picture: Picture, ink: Picture, hidden: Picture) -> bool:
    """Whether the text in the polygon can be read.

    picture  `(h, w, 3)` uint8 as it will be seen, but for noise
    ink      `(h, w)` uint8, where text covers the picture
    hidden   `(h, w)` uint8, where something lies in front of it
    """
    if _height(polygon) < LEAST_HEIGHT_PX:
        return False
    (left, top), (right, bottom) = np.floor(polygon.min(0)).tolist(), np.ceil(polygon.max(0)).tolist()
    x, y = max(int(left), 0), max(int(top), 0)
    window = (slice(y, int(bottom)), slice(x, int(right)))
    part, written = picture[window], ink[window]
    mask = np.zeros(written.shape, np.uint8)
    cv2.fillPoly(mask, [(polygon - [x, y]).round().astype(np.int32)], 255)
    written = cv2.bitwise_and(written, mask)
    peak = int(written.max())
    if peak < LEAST_INK:
        return False
    behind = ((written < 16) & (mask > 0)).view(np.uint8)
    written = (written > 0.6 * peak).view(np.uint8)
    if cv2.mean(hidden[window], written)[0] > 255 * MOST_HIDDEN:
        return False
    mean, deviation = cv2.meanStdDev(part, mask=behind)
    contrast = float(np.abs(np.array(cv2.mean(part, written)[:3]) - mean[:, 0]).max())
    return contrast > max(LEAST_CONTRAST, LEAST_TO_TEXTURE * float(deviation.max()))


def _height(polygon: Points) -> float:
    """Of the text: the mean of the first and the last upright edge."""
    half = len(polygon) // 2
    edges = (polygon[0] - polygon[-1], polygon[half - 1] - polygon[half])
    return float(sum(np.hypot(*edge) for edge in edges)) / 2

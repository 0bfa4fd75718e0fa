"""From polygons to the label maps of DBNet (section 3.4 of arXiv 1911.08947), as MMOCR 1.0 draws them.

Its quirks are kept, for parity: the polygon to shrink is truncated to integers and its distance rounded, the border's
distance is not; a polygon that shrinking splits into parts of unequal point counts is given up as ignored, and of equal
parts the first is taken; next to the ends of an edge the distance to the corner counts where it need not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.config import Targets
from diffbin.detections import Points
from diffbin.geometry import area, offset, perimeter, single_part

Maps = NDArray[np.float32]
Masks = NDArray[np.uint8]
Grid = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class TargetMaps:
    """Label maps of one picture, each `(h, w)`; compact, so that they travel cheaply between processes.

    prob            uint8, 1 inside the shrunk regions
    prob_mask       uint8, 0 inside ignored regions, where nothing is known
    threshold       float32, `threshold_min` far from any border to `threshold_max` on it
    threshold_mask  uint8, 1 inside the grown regions
    """

    prob: Masks
    prob_mask: Masks
    threshold: Maps
    threshold_mask: Masks


def make_targets(
    polygons: Sequence[Points], ignored: NDArray[np.bool_], size: tuple[int, int], config: Targets
) -> TargetMaps:
    """Polygons `(n, 2)` float32 in pixels of a picture of `size` (h, w) -> its label maps; the input stays as it is."""
    prob, mask = np.zeros(size, np.uint8), np.ones(size, np.uint8)
    closeness, threshold_mask = np.zeros(size, np.float32), np.zeros(size, np.uint8)
    for polygon, skip in zip(polygons, ignored, strict=True):
        kernel = None if skip or is_too_small(polygon, config.min_side_px) else shrink(polygon, config.shrink_ratio)
        if kernel is None:
            cv2.fillPoly(mask, [_grid(polygon)], (0,))
        else:
            cv2.fillPoly(prob, [kernel], (1,))
            _draw_border(polygon, config.shrink_ratio, closeness, threshold_mask)
    threshold = closeness
    threshold *= config.threshold_max - config.threshold_min
    threshold += config.threshold_min
    return TargetMaps(prob, mask, threshold, threshold_mask)


def is_too_small(polygon: Points, min_side_px: float) -> bool:
    """Area below 1 px, or the smallest rotated rectangle around it is narrower than `min_side_px`."""
    return area(polygon) < 1 or min(cv2.minAreaRect(np.asarray(polygon, np.float32))[1]) < min_side_px


def shrink(polygon: Points, ratio: float) -> Grid | None:
    """The polygon moved inwards by D = A (1 - r^2) / L (equation 10), `(m, 2)` int32; None when nothing is left."""
    grid = _grid(polygon)
    distance = int(area(grid) * (1 - ratio**2) / (perimeter(grid) + 0.001) + 0.5)
    return single_part(offset(grid, -distance))


def _draw_border(polygon: Points, ratio: float, closeness: Maps, mask: Masks) -> None:
    """Raises `closeness` to 1 - distance / D within D of the polygon's edges, and marks the grown polygon in `mask`."""
    points = np.asarray(polygon, np.float64)
    reach = area(points) * (1 - ratio**2) / perimeter(points)
    grown = single_part(offset(_grid(polygon), reach))
    grown = _grid(polygon) if grown is None else grown
    (left, top), (right, bottom) = grown.min(axis=0), grown.max(axis=0) + 1
    height, width = closeness.shape
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if left >= right or top >= bottom:
        return
    cv2.fillPoly(mask, [grown], (1,))
    squared = _squared_distance(points - (left, top), (bottom - top, right - left), reach)
    region = closeness[top:bottom, left:right]
    np.maximum(region, 1 - np.sqrt(squared, out=squared) / np.float32(reach), out=region)


def _squared_distance(points: NDArray[np.float64], size: tuple[int, int], reach: float) -> Maps:
    """`size` float32: squared distance to the nearest edge, at most `reach` squared; each edge looks only that far."""
    height, width = size
    squared = np.full(size, reach * reach, np.float32)
    for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, axis=0), strict=True):
        x0, x1 = max(0, int(min(ax, bx) - reach)), min(width, int(max(ax, bx) + reach) + 2)
        y0, y1 = max(0, int(min(ay, by) - reach)), min(height, int(max(ay, by) + reach) + 2)
        if x0 < x1 and y0 < y1:
            x, y = np.arange(x0, x1, dtype=np.float64), np.arange(y0, y1, dtype=np.float64)[:, None]
            window = squared[y0:y1, x0:x1]
            np.minimum(window, _squared_to_edge(x - ax, y - ay, x - bx, y - by), out=window)
    return squared


def _squared_to_edge(
    x_a: NDArray[np.float64], y_a: NDArray[np.float64], x_b: NDArray[np.float64], y_b: NDArray[np.float64]
) -> Maps:
    """Squared distance to the line inside the circle over the edge, to the nearer end outside of it.

    Rows `(w,)` and columns `(h, 1)` are relative to the ends a and b. Every term is a sum of a row and a column.
    """
    dx, dy = float(x_a[0] - x_b[0]), float(y_a[0, 0] - y_b[0, 0])
    length = float(np.hypot(dx, dy)) or 1.0
    to_a = _outer(x_a * x_a, y_a * y_a)
    to_end = np.minimum(to_a, _outer(x_b * x_b, y_b * y_b), out=to_a)
    to_line = _outer(x_a * (dy / length), y_a * (-dx / length))
    inside = _outer(x_a * x_b, y_a * y_b) <= 0
    return np.asarray(np.where(inside, np.square(to_line, out=to_line), to_end), np.float32)


def _outer(row: NDArray[np.float64], column: NDArray[np.float64]) -> Maps:
    return np.asarray(np.add(row.astype(np.float32), column.astype(np.float32)), np.float32)


def _grid(polygon: Points) -> Grid:
    return np.asarray(polygon).astype(np.int32)

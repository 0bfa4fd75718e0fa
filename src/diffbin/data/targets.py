"""From polygons to the label maps of DBNet (section 3.4 of arXiv 1911.08947), as MMOCR 1.0 draws them.

Its quirks are kept, for parity: the polygon to shrink is truncated to integers and its distance rounded, the border's
distance is not; a polygon that shrinking splits into parts of unequal point counts is given up as ignored, and of equal
parts the first is taken; next to the ends of an edge the distance to the corner counts where it need not.
"""

from collections.abc import Iterable, Sequence
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

AT_ONCE = 100_000  # pixels times edges of a region up to which all edges are looked at in one go


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
    """`size` float32: squared distance to the nearest edge, at most `reach` squared."""
    squared = np.full(size, reach * reach, np.float32)
    edges = np.stack((points, np.concatenate((points[1:], points[:1]))))
    for some, (x0, y0), (x1, y1) in _windows(edges, size, reach):
        if x0 < x1 and y0 < y1:
            window, found = (
                squared[y0:y1, x0:x1],
                _squared_to_edges(edges[:, some], np.arange(x0, x1), np.arange(y0, y1)),
            )
            np.minimum(window, found.min(axis=0), out=window)
    return squared


def _windows(
    edges: NDArray[np.float64], size: tuple[int, int], reach: float
) -> Iterable[tuple[slice, Sequence[int], Sequence[int]]]:
    """Where to look for which edges, `(x, y)` from and to: each within reach, those of a small region everywhere."""
    (height, width), count = size, edges.shape[1]
    if count * height * width < AT_ONCE:
        return [(slice(count), (0, 0), (width, height))]
    low = np.maximum((edges.min(axis=0) - reach).astype(int), 0)
    high = np.minimum((edges.max(axis=0) + reach).astype(int) + 2, (width, height))
    return zip([slice(i, i + 1) for i in range(count)], low.tolist(), high.tolist(), strict=True)


def _squared_to_edges(edges: NDArray[np.float64], x: NDArray[np.int_], y: NDArray[np.int_]) -> Maps:
    """Squared distance to each line inside the circle over its edge, to the nearer end outside of it, `(k, h, w)`.

    `edges` `(2, k, 2)` are points and the next ones. Every term is a sum of a row of `x` `(w,)` and a column of `y`
    `(h,)`, relative to the ends a and b.
    """
    (x_a, x_b), (y_a, y_b) = x - edges[:, :, :1], y - edges[:, :, 1:]
    dx, dy = (edges[1] - edges[0]).T[:, :, None]
    length = np.hypot(dx, dy)
    length[length == 0] = 1
    squared = _outer(x_a * x_a, y_a * y_a)
    np.minimum(squared, _outer(x_b * x_b, y_b * y_b), out=squared)
    to_line = _outer(x_a * (dy / length), y_a * (-dx / length))
    inside = _outer(x_a * x_b, y_a * y_b) <= 0
    np.copyto(squared, np.square(to_line, out=to_line), where=inside)
    return squared


def _outer(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Maps:
    return np.asarray(np.add(rows.astype(np.float32)[:, None], columns.astype(np.float32)[:, :, None]), np.float32)


def _grid(polygon: Points) -> Grid:
    return np.asarray(polygon).astype(np.int32)

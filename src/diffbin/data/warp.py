"""The one warp from a picture to a crop, and the matrices for it.

Frames: polygons are in the corner frame ((0, 0) is the corner of the top left pixel), so every matrix here is too.
OpenCV samples at pixel centres, which lie at +0.5 of that frame; `warp` shifts by the half pixel, nothing else does.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.data.picture import Pixels
from diffbin.detections import Points

Matrix = NDArray[np.float64]

REDUCE_BELOW = 0.6  # bilinear sampling skips pixels below half size; areas are averaged first ...
FURTHER = 0.2  # ... in whole numbers of pixels, of which this part may be missing


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the crop comes from: `matrix` (3, 3) maps the picture to the crop; only `size` (h, w) of it is filled."""

    matrix: Matrix
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels of the crop to a pixel of the picture, along a side."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:2, :2]))))

    def within(self, reduction: int) -> "Placement":
        """The same in the picture made so many times smaller."""
        return Placement(self.matrix @ np.diag([reduction, reduction, 1.0]), self.size)


def rotation(degrees: float, size: tuple[int, int]) -> Matrix:
    """About the centre of a picture of `size` (h, w), which keeps its size."""
    (y, x), (sin, cos) = (size[0] / 2, size[1] / 2), (np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees)))
    return np.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y], [0, 0, 1]])


def quarter_turn(size: tuple[int, int], *, clockwise: bool) -> Matrix:
    """Of a picture of `size` (h, w), whose sides change places."""
    height, width = size
    if clockwise:
        return np.array([[0.0, -1, height], [1, 0, 0], [0, 0, 1]])
    return np.array([[0.0, 1, 0], [-1, 0, width], [0, 0, 1]])


def window_matrix(left: float, top: float, scale: float) -> Matrix:
    """Moves `(left, top)` to the origin, then scales."""
    return np.array([[scale, 0, -left * scale], [0, scale, -top * scale], [0, 0, 1]])


def transform(polygon: Points, matrix: Matrix) -> Points:
    """`(n, 2)` points through a `(3, 3)` affine matrix."""
    return np.asarray(polygon @ matrix[:2, :2].T + matrix[:2, 2], np.float32)


def warp(picture: Pixels, placement: Placement, crop_px: int) -> Pixels:
    """The one warp: `(h, w, 3)` -> `(crop_px, crop_px, 3)`, bilinear, black outside picture and `placement.size`."""
    matrix, scale = placement.matrix, placement.scale
    if scale < REDUCE_BELOW:
        picture, matrix = _reduce(picture, matrix, int(1 / scale + FURTHER), placement.size)
    to_corner, to_centre = window_matrix(-0.5, -0.5, 1), window_matrix(0.5, 0.5, 1)
    height, width = placement.size
    centred = (to_centre @ matrix @ to_corner)[:2]
    crop = np.zeros((crop_px, crop_px, 3), np.uint8)
    cv2.warpAffine(picture, centred, (width, height), dst=crop[:height, :width], flags=cv2.INTER_LINEAR)
    return crop


def _reduce(picture: Pixels, matrix: Matrix, factor: int, size: tuple[int, int]) -> tuple[Pixels, Matrix]:
    """Averages `factor` x `factor` pixels of the part of the picture that is needed; and the matrix from there."""
    if factor < 2:
        return picture, matrix
    height, width = size
    needed = transform(
        np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32),
        np.asarray(np.linalg.inv(matrix), np.float64),
    )
    limits = np.array([picture.shape[1], picture.shape[0]])
    low = np.clip(np.floor(needed.min(axis=0)).astype(int) - factor, 0, limits - 1)
    high = np.clip(np.ceil(needed.max(axis=0)).astype(int) + factor, low + 1, limits)
    high = np.where((whole := low + np.maximum(-(-(high - low) // factor), 1) * factor) <= limits, whole, high)
    part = picture[low[1] : high[1], low[0] : high[0]]
    reduced_size = np.maximum((high - low) // factor, 1)
    reduced = cv2.resize(part, (int(reduced_size[0]), int(reduced_size[1])), interpolation=cv2.INTER_AREA)
    back = np.diag([*((high - low) / reduced_size), 1.0])
    return np.asarray(reduced, np.uint8), matrix @ window_matrix(-low[0], -low[1], 1) @ back

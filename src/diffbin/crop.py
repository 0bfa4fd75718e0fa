"""Regions cut out of their picture and set straight, for what reads them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.detections import Detections, Points
from diffbin.geometry import clockwise, rectangle_corners

MARGIN_PX = 2  # around a region, for pixels that lie between those of the picture
MAX_PX = 32_000  # of the longest side that OpenCV cuts out of; where a region lies in more, it is scaled down
HALF = np.float32(0.5)  # OpenCV counts from the middle of the first pixel, we from its corner


def crops(picture: NDArray[np.uint8], detections: Detections) -> list[NDArray[np.uint8]]:
    """One `(h, w, 3)` uint8 RGB picture a region, in their order, of the `(h, w, 3)` uint8 RGB they were found in.

    See `crop`. `picture` is the upright original, as `diffbin.image.load` gives it.
    """
    return [crop(picture, polygon) for polygon in detections.polygons]


def crop(picture: NDArray[np.uint8], polygon: Points) -> NDArray[np.uint8]:
    """What lies within an outline `(n, 2)` of finite numbers, in pixels, with its first edge on top; `(h, w, 3)` uint8.

    A quad is stretched to the rectangle of its longer edges; of any other outline the least rectangle around it is
    taken. Outlines of diffbin begin nearest to the top left, so a line that runs up or down stays so. Where an outline
    leaves the picture, the pixels of its border are repeated.
    """
    quad = polygon if len(polygon) == 4 else _least_rectangle(polygon)
    cut, quad = _around(picture, quad)
    edges = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
    width, height = (max(1, round(float(max(edges[i], edges[i + 2])))) for i in (0, 1))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    way = cv2.getPerspectiveTransform(quad - HALF, target - HALF)
    straight = cv2.warpPerspective(cut, way, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(straight, np.uint8)


def _least_rectangle(polygon: Points) -> Points:
    (x, y), (width, height), degrees = cv2.minAreaRect(polygon)
    return clockwise(rectangle_corners(np.array([[x, y, width, height, degrees]]))[0])


def _around(picture: NDArray[np.uint8], quad: Points) -> tuple[NDArray[np.uint8], Points]:
    """The part of the picture that a region lies in, one pixel at least, and the region in pixels of that."""
    size = np.array([picture.shape[1], picture.shape[0]])
    first = np.clip(np.floor(quad.min(axis=0)) - MARGIN_PX, 0, size - 1).astype(int)
    last = np.clip(np.ceil(quad.max(axis=0)) + MARGIN_PX, first + 1, size).astype(int)
    part, local = picture[first[1] : last[1], first[0] : last[0]], (quad - first).astype(np.float32)
    if (longest := max(part.shape)) > MAX_PX:
        width, height = (max(1, side * MAX_PX // longest) for side in (part.shape[1], part.shape[0]))
        local *= np.array([width / part.shape[1], height / part.shape[0]], np.float32)
        part = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return part, local

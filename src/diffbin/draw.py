"""Pictures of results, for people to look at."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.detections import Detections, Points
from diffbin.errors import InputError

COLOUR = (0, 200, 83)  # RGB
FILL = 0.22  # opacity inside the outlines
JPEG_QUALITY, JPEG_PX = 92, 65_500  # the longest side that libjpeg writes
SHIFT = 4  # binary places of a pixel that outlines are drawn with


def draw(picture: NDArray[np.uint8], detections: Detections) -> NDArray[np.uint8]:
    """A copy of the `(h, w, 3)` uint8 RGB picture with the regions outlined and lightly filled."""
    return outline(picture, detections.polygons, COLOUR)


def outline(picture: NDArray[np.uint8], polygons: Sequence[Points], colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A copy of the picture with these outlines `(n, 2)`, in pixels, in one RGB colour."""
    drawn = np.ascontiguousarray(picture).copy()
    points = [np.round(p * (1 << SHIFT)).astype(np.int32) for p in polygons]
    if not points:
        return drawn
    filled = drawn.copy()
    for polygon in points:  # one by one: together they would be filled even-odd
        cv2.fillPoly(filled, [polygon], colour, cv2.LINE_AA, SHIFT)
    drawn = cv2.addWeighted(filled, FILL, drawn, 1 - FILL, 0).astype(np.uint8)
    thickness = max(1, round(max(picture.shape[:2]) / 640))
    cv2.polylines(drawn, points, True, colour, thickness, cv2.LINE_AA, SHIFT)
    return drawn


def encode(picture: NDArray[np.uint8], name: str) -> bytes:
    """An overlay as JPEG; `name` is what errors call its picture. Raises `InputError` where it is too large."""
    if max(picture.shape) > JPEG_PX:
        raise InputError(f"{name} has a side of more than {JPEG_PX} pixels; there is an answer, but no overlay.")
    _, encoded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()

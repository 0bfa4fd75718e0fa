"""Pictures of results, for people to look at."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.detections import Detections, Points
from diffbin.errors import InputError

Colour = tuple[int, int, int]
COLOUR = (0, 200, 83)  # RGB
FILL = 0.22  # opacity inside the outlines
JPEG_QUALITY, JPEG_PX = 92, 65_500  # the longest side that libjpeg writes
SHIFT = 4  # binary places of a pixel that outlines are drawn with
CAPTION_PX = 26  # height


def draw(picture: NDArray[np.uint8], detections: Detections) -> NDArray[np.uint8]:
    """A copy of the `(h, w, 3)` uint8 RGB picture with the regions outlined and lightly filled."""
    return outline(picture, detections.polygons, COLOUR)


def outline(picture: NDArray[np.uint8], polygons: Sequence[Points], colour: Colour) -> NDArray[np.uint8]:
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


def caption(width: int, *texts: tuple[str, Colour]) -> NDArray[np.uint8]:
    """A dark strip `(h, width, 3)` uint8 RGB with texts, each in its colour, to stand above or below a picture."""
    strip, x = np.full((CAPTION_PX, width, 3), 24, np.uint8), 8
    for text, colour in texts:
        cv2.putText(strip, text, (x, CAPTION_PX - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
        x += cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0] + 24
    return strip


def encode(picture: NDArray[np.uint8], name: str) -> bytes:
    """An overlay as JPEG; `name` is what errors call its picture. Raises `InputError` where it is too large."""
    if max(picture.shape) > JPEG_PX:
        raise InputError(f"{name} has a side of more than {JPEG_PX} pixels; there is an answer, but no overlay.")
    _, encoded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()

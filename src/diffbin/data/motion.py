"""What a hand that moves does to a picture."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.data.picture import Pixels

STEPS = 16  # a pixel along the way


def motion_blur(picture: Pixels, reach_px: float, angle: float) -> Pixels:
    """Each pixel of `(h, w, 3)` uint8 spread along a line of `reach_px` to either side, `angle` radians from x.

    As much to one side as to the other, so that text stays where its label is.
    """
    way = np.linspace(-reach_px, reach_px, 2 * STEPS * math.ceil(reach_px) + 1)
    kernel = _shares(way * math.sin(angle)).T @ _shares(way * math.cos(angle))
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)


def _shares(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(n,)` places along an axis -> `(n, odd)`: what each gives to the pixels around 0, the nearer the more."""
    reach = math.ceil(np.abs(places).max())
    shares: NDArray[np.float64] = np.maximum(1 - np.abs(places[:, None] - np.arange(-reach, reach + 1)), 0)
    return shares

"""What a hand that moves does to a picture."""

import math

import cv2
import numpy as np

from diffbin.data.picture import Pixels


def motion_blur(picture: Pixels, reach_px: float, angle: float) -> Pixels:
    """Each pixel of `(h, w, 3)` uint8 spread along a line of `reach_px` to either side, `angle` radians from x."""
    middle = math.ceil(reach_px)
    kernel = np.zeros((2 * middle + 1, 2 * middle + 1), np.float32)
    x, y = reach_px * math.cos(angle), reach_px * math.sin(angle)
    ends = [(round((middle + s * x) * 16), round((middle + s * y) * 16)) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    kernel[middle, middle] = max(kernel[middle, middle], 1.0)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)

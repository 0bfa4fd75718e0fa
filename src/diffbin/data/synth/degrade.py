"""What a camera does to a scene: blur, few pixels, light and colour, noise, JPEG."""

import math
from functools import cache
from random import Random

import cv2
import numpy as np

from diffbin.data.motion import motion_blur
from diffbin.data.synth.pixels import Picture

TILE_PX = 1024
TILE_SIGMA = 32


def blur(rng: Random, picture: Picture) -> Picture:
    """Out of focus, moved, or taken with fewer pixels; half of the pictures stay sharp. Returns uint8 `(h, w, 3)`."""
    kind = rng.random()
    if kind < 0.5:
        return picture
    if kind < 0.75:
        return cv2.GaussianBlur(picture, (0, 0), math.exp(rng.uniform(math.log(0.4), math.log(2.2))))
    if kind < 0.85:
        return motion_blur(picture, rng.uniform(1, 4), rng.uniform(0, math.pi))
    h, w = picture.shape[:2]
    share = rng.uniform(0.45, 0.9)
    small = cv2.resize(picture, (round(w * share), round(h * share)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=rng.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC)))


def expose(rng: Random, picture: Picture) -> Picture:
    """Brightness, contrast, gamma and a cast of colour, in one table; some pictures darken towards an edge."""
    if rng.random() < 0.2:
        h, w = picture.shape[:2]
        ramp = np.array([[rng.uniform(70, 140) for _ in range(3)] for _ in range(3)], np.uint8)
        light = cv2.resize(ramp, (w, h), interpolation=cv2.INTER_CUBIC)
        picture = cv2.multiply(picture, cv2.merge([light] * 3), scale=1 / 128)
    if rng.random() < 0.4:
        return picture
    contrast, lift = rng.uniform(0.65, 1.2), rng.uniform(-25, 25)
    gamma, levels = rng.uniform(0.8, 1.25), np.arange(256) / 255
    curve = ((levels**gamma) * 255 - 128) * contrast + 128 + lift
    table = np.stack([curve * rng.uniform(0.93, 1.07) for _ in range(3)], 1)
    return cv2.LUT(picture, np.clip(table, 0, 255).astype(np.uint8)[None])


def record(rng: Random, picture: Picture) -> Picture:
    """Noise of the sensor and loss of the file."""
    if rng.random() < 0.5:
        h, w = picture.shape[:2]
        tile = _tile(max(h, w) + TILE_PX // 4)
        x, y = rng.randint(0, tile.shape[1] - w), rng.randint(0, tile.shape[0] - h)
        share = rng.uniform(1, 12) / TILE_SIGMA
        picture = cv2.addWeighted(picture, 1, tile[y : y + h, x : x + w], share, -128 * share)
    if rng.random() < 0.35:
        options = [cv2.IMWRITE_JPEG_QUALITY, rng.randint(25, 85)]
        _, encoded = cv2.imencode(".jpg", picture, options)  # the order of channels is the same there and back
        return _decode(encoded)
    return picture


def _decode(encoded: Picture) -> Picture:
    picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    if picture is None:
        raise RuntimeError("OpenCV cannot read the JPEG that it wrote.")
    return picture


@cache
def _tile(side: int) -> Picture:
    """Grey and coloured noise about 128, the same in every process."""
    rng = np.random.default_rng(1911)
    noise = rng.standard_normal((side, side, 1), np.float32) + 0.5 * rng.standard_normal((side, side, 3), np.float32)
    tile: Picture = np.clip(128 + TILE_SIGMA * noise, 0, 255).astype(np.uint8)
    return tile

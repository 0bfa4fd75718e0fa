"""What text is written upon: photographs cut at random, or surfaces made up from noise, ramps, tiles and blocks."""

from functools import lru_cache
from pathlib import Path
from random import Random

import cv2
import numpy as np

from diffbin.data.synth.colour import draw_sign
from diffbin.data.synth.pixels import Picture
from diffbin.errors import InputError
from diffbin.image import load

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
KEPT = 300  # photographs kept in the memory of one process, about 1 MB each ...
KEPT_LONG_PX = 800  # ... with long sides of at most this


@lru_cache(maxsize=8)
def list_photos(folder: str) -> tuple[str, ...]:
    """The photographs in a folder, by name; none for ""."""
    if not folder:
        return ()
    if not Path(folder).is_dir():
        raise InputError(f"The folder of backgrounds {folder} does not exist.")
    found = sorted(str(path) for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(f"The folder of backgrounds {folder} has no pictures ({', '.join(SUFFIXES)}).")
    return tuple(found)


@lru_cache(maxsize=KEPT)
def _load(path: str) -> Picture:
    photo = load(path)
    scale = KEPT_LONG_PX / max(photo.shape)
    return photo if scale >= 1 else cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def cut_photo(rng: Random, path: str, size: tuple[int, int]) -> Picture:
    """A window of the photograph, mirrored or not, in other colours; `(h, w, 3)` uint8 RGB of `size` (h, w)."""
    photo = _load(path)
    h, w = photo.shape[:2]
    share = min(h / size[0], w / size[1]) * rng.uniform(0.55, 1.0)
    across, down = max(int(size[1] * share), 1), max(int(size[0] * share), 1)
    x, y = rng.randint(0, w - across), rng.randint(0, h - down)
    window = photo[y : y + down, x : x + across]
    if rng.random() < 0.5:
        window = window[:, ::-1]
    gain = rng.uniform(0.35, 0.8) if rng.random() < 0.3 else rng.uniform(0.8, 1.15)
    tint = [gain * rng.uniform(0.9, 1.1) for _ in range(3)]
    gamma, levels = rng.uniform(0.75, 1.35), np.arange(256) / 255
    table = np.clip(np.stack([255 * t * levels**gamma for t in tint], 1), 0, 255).astype(np.uint8)[None]
    window = cv2.LUT(np.ascontiguousarray(window), table)
    return cv2.resize(window, size[::-1], interpolation=cv2.INTER_AREA if share > 1 else cv2.INTER_CUBIC)


def make_surface(rng: Random, size: tuple[int, int]) -> Picture:
    """A made-up scene; `(h, w, 3)` uint8 RGB."""
    h, w = size
    light = rng.uniform(0.1, 0.7)
    corners = np.array([draw_sign(rng, light) for _ in range(4)], np.float32).reshape(2, 2, 3)
    mean = corners.mean((0, 1))
    ramp = cv2.resize(mean + (corners - mean) * np.float32(rng.uniform(0.1, 0.7)), (w, h))
    picture: Picture = np.clip(ramp, 0, 255).astype(np.uint8)
    for _ in range(rng.choice((0, 2, 5, 9))):
        _add_block(rng, picture, light)
    for cells in rng.sample((4, 9, 20, 60, 160, 320), rng.choice((1, 2, 3))):
        _add_noise(rng, picture, cells, 30 * rng.random() ** 2 + 2)
    return picture


def _add_block(rng: Random, picture: Picture, light: float) -> None:
    """A wall, a window, a shelf."""
    h, w, _ = picture.shape
    x, y = rng.randint(-w // 4, w), rng.randint(-h // 4, h)
    skew = rng.gauss(0, 0.15) * h
    across, down = rng.uniform(0.1, 0.6) * w, rng.uniform(0.1, 0.6) * h
    corners = [(x, y), (x + across, y + skew), (x + across, y + down - skew * rng.random()), (x, y + down)]
    cv2.fillPoly(picture, [np.array(corners).round().astype(np.int32)], draw_sign(rng, light), cv2.LINE_AA)


def _add_noise(rng: Random, picture: Picture, cells: int, strength: float) -> None:
    h, w, _ = picture.shape
    grey = np.frombuffer(rng.randbytes(cells * cells), np.uint8).reshape(cells, cells)
    grown = cv2.resize(grey, (w, h), interpolation=cv2.INTER_LINEAR)
    share = strength / 64
    cv2.addWeighted(picture, 1, cv2.merge([grown] * 3), share, -128 * share, picture)

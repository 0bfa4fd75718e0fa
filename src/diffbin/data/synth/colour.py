"""Colours of text and signs, with enough or with little contrast."""

import colorsys
from random import Random

Colour = tuple[int, int, int]
"""RGB, 0 to 255."""

SIGN_COLOURS: tuple[Colour, ...] = (
    (245, 245, 242), (245, 245, 242), (235, 232, 220), (20, 20, 22), (40, 42, 46), (30, 50, 120), (20, 90, 170),
    (0, 105, 70), (30, 130, 60), (180, 20, 30), (205, 40, 40), (240, 200, 30), (250, 215, 60), (235, 120, 20),
    (95, 55, 30), (120, 120, 125), (175, 178, 180), (90, 30, 90), (210, 60, 120), (110, 190, 220),
)  # fmt: skip


def luminance(colour: tuple[float, ...]) -> float:
    """0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def draw_sign(rng: Random, light: float) -> Colour:
    """The colour of a sign under a light of 0 to 1; some signs shine themselves."""
    colour = rng.choice(SIGN_COLOURS) if rng.random() < 0.75 else _any(rng)
    gain = 1.0 if rng.random() < 0.25 else min(0.35 + light, 1.0)
    return _clip([c * gain + rng.uniform(-18, 18) for c in colour])


def draw_ink(rng: Random, behind: tuple[float, ...], *, faint: bool) -> Colour:
    """A colour to write with on `behind` (RGB). `faint`: its luminance differs by 18 to 50, else by at least 70."""
    base = luminance(behind)
    if faint:
        step = rng.uniform(18, 50) * (1 if base < 70 or (base < 185 and rng.random() < 0.5) else -1)
        return _clip([c + step + rng.uniform(-8, 8) for c in behind])
    for _ in range(8):
        ink = _draw(rng)
        if abs(luminance(ink) - base) >= 70:
            return ink
    return (12, 12, 14) if base > 127 else (248, 248, 246)


def _draw(rng: Random) -> Colour:
    kind = rng.random()
    if kind < 0.35:
        return _clip([rng.uniform(215, 255)] * 3)
    if kind < 0.6:
        return _clip([rng.uniform(0, 45)] * 3)
    return _clip(list(rng.choice(SIGN_COLOURS))) if kind < 0.8 else _any(rng)


def _any(rng: Random) -> Colour:
    return _clip([c * 255 for c in colorsys.hsv_to_rgb(rng.random(), rng.random() ** 0.6, rng.random() ** 0.6)])


def _clip(colour: list[float]) -> Colour:
    r, g, b = (min(max(round(c), 0), 255) for c in colour)
    return r, g, b

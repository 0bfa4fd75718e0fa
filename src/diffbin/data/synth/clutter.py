"""Things that look like text and are none: bars, grids, bricks, leaves, dots, scribble."""

import math
from collections.abc import Callable
from random import Random

import cv2
import numpy as np

from diffbin.data.synth.colour import Colour, draw_ink
from diffbin.data.synth.pixels import Picture


def add_clutter(rng: Random, picture: Picture) -> None:
    """Draws one thing somewhere in the `(h, w, 3)` uint8 picture, in place."""
    h, w, _ = picture.shape
    across, down = int(w * rng.uniform(0.08, 0.55)), int(h * rng.uniform(0.03, 0.35))
    x, y = rng.randint(-across // 4, w - across // 2), rng.randint(-down // 4, h - down // 2)
    window = (max(x, 0), max(y, 0), min(x + across, w), min(y + down, h))
    part = picture[window[1] : window[3], window[0] : window[2]]
    colour = draw_ink(rng, cv2.mean(part)[:3], faint=rng.random() < 0.4)
    layer = part.copy()
    rng.choice(KINDS)(rng, layer, colour)
    if rng.random() < 0.5:
        layer = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.5, 1.5))
    opacity = rng.uniform(0.5, 1.0)
    cv2.addWeighted(layer, opacity, part, 1 - opacity, 0, part)


def _bars(rng: Random, layer: Picture, colour: Colour) -> None:
    """A fence, a bar code, a blind."""
    h, w, _ = layer.shape
    upright, step = rng.random() < 0.65, rng.uniform(4, 28)
    even, slant, at = rng.random() < 0.6, round(rng.gauss(0, 0.2) * step), 0.0
    while at < (w if upright else h):
        thick = max(1, round(step * (0.4 if even else rng.uniform(0.1, 0.7))))
        a, b = ((round(at), 0), (round(at) + slant, h)) if upright else ((0, round(at)), (w, round(at) + slant))
        cv2.line(layer, a, b, colour, thick, cv2.LINE_AA)
        at += step if even else step * rng.uniform(0.5, 1.6)


def _grid(rng: Random, layer: Picture, colour: Colour) -> None:
    """Windows of a house, tiles, a vent."""
    h, w, _ = layer.shape
    across, down = rng.uniform(7, 40), rng.uniform(7, 40)
    fill, thick = rng.random() < 0.4, rng.randint(1, 3)
    share = rng.uniform(0.4, 0.8)
    for y in np.arange(0, h, down).tolist():
        for x in np.arange(0, w, across).tolist():
            end = (round(x + across * share), round(y + down * share))
            cv2.rectangle(layer, (round(x), round(y)), end, colour, -1 if fill else thick)


def _bricks(rng: Random, layer: Picture, colour: Colour) -> None:
    h, w, _ = layer.shape
    down = rng.uniform(6, 22)
    across, thick = down * rng.uniform(1.8, 3.2), rng.randint(1, 2)
    for row, y in enumerate(np.arange(0, h, down).tolist()):
        cv2.line(layer, (0, round(y)), (w, round(y)), colour, thick)
        for x in np.arange(across / 2 * (row % 2), w, across).tolist():
            cv2.line(layer, (round(x), round(y)), (round(x), round(y + down)), colour, thick)


def _leaves(rng: Random, layer: Picture, colour: Colour) -> None:
    h, w, _ = layer.shape
    size = rng.uniform(4, 16)
    for _ in range(min(160, round(h * w / size**2 * rng.uniform(0.2, 0.6)))):
        shade = rng.uniform(0.6, 1.3)
        tone = [min(255, c * shade) for c in colour]
        centre = (rng.randrange(w), rng.randrange(h))
        axes = (max(1, round(size * rng.uniform(0.4, 1))), max(1, round(size * rng.uniform(0.15, 0.4))))
        cv2.ellipse(layer, centre, axes, rng.uniform(0, 180), 0, 360, tone, -1)


def _dots(rng: Random, layer: Picture, colour: Colour) -> None:
    """A row of lamps, buttons, bolts."""
    h, w, _ = layer.shape
    step = rng.uniform(6, 30)
    radius, full = max(1, round(step * rng.uniform(0.2, 0.45))), rng.random() < 0.6
    for y in np.arange(step / 2, min(h, step * rng.randint(1, 4)), step).tolist():
        for x in np.arange(step / 2, w, step).tolist():
            cv2.circle(layer, (round(x), round(y)), radius, colour, -1 if full else 1, cv2.LINE_AA)


def _scribble(rng: Random, layer: Picture, colour: Colour) -> None:
    """Strokes in a row, as of an ornament or twigs."""
    h, w, _ = layer.shape
    size, thick = rng.uniform(8, 40), rng.randint(1, 3)
    x, y = 0.0, h / 2
    while x < w:
        points = [(x + rng.gauss(0, size / 2), y + rng.gauss(0, size / 2)) for _ in range(rng.randint(2, 4))]
        cv2.polylines(layer, [np.array(points).round().astype(np.int32)], False, colour, thick, cv2.LINE_AA)
        x += size * rng.uniform(0.5, 1.5)


def _symbol(rng: Random, layer: Picture, colour: Colour) -> None:
    """A road sign or pictogram: a ring, a triangle, a star, with something in it."""
    h, w, _ = layer.shape
    r = max(4, min(h, w) // 2 - 2)
    corners = rng.choice((3, 4, 5, 6, 8, 24))
    turn, pointed = rng.choice((0.0, math.pi / corners)), rng.random() < 0.2
    steps = corners * (2 if pointed else 1)
    radii = [r * (0.45 if pointed and i % 2 else 1) for i in range(steps)]
    ring = [(w / 2 + q * math.sin(turn + i * math.tau / steps), h / 2 - q * math.cos(turn + i * math.tau / steps))
            for i, q in enumerate(radii)]  # fmt: skip
    outline = np.array(ring).round().astype(np.int32)
    cv2.polylines(layer, [outline], True, colour, max(1, r // rng.randint(4, 10)), cv2.LINE_AA)
    if rng.random() < 0.4:
        cv2.fillPoly(layer, [outline], colour, cv2.LINE_AA)
    if rng.random() < 0.6:
        ends = [(round(w / 2 + s * r * 0.4), round(h / 2 + s * rng.uniform(-0.5, 0.5) * r)) for s in (-1, 1)]
        cv2.arrowedLine(
            layer, ends[0], ends[1], draw_ink(rng, colour, faint=False), max(1, r // 6), cv2.LINE_AA, tipLength=0.5
        )


KINDS: tuple[Callable[[Random, Picture, Colour], None], ...] = (
    _bars, _bars, _grid, _grid, _bricks, _leaves, _dots, _scribble, _symbol
)  # fmt: skip

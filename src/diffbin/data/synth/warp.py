"""From the flat block to the picture: an optional arc, then a plane seen in perspective. One map, both ways."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.data.synth.block import Box
from diffbin.data.synth.pixels import Picture
from diffbin.detections import Points

ARC_STEP_RAD = 0.16  # between two points of a curved label

Matrix = NDArray[Any]


@dataclass(frozen=True)
class Arc:
    """Bends a line about its middle. `radius_px` is that of the middle height; `side` 1 = a hill, -1 = a valley."""

    radius_px: float
    side: int
    size_px: tuple[float, float]  # (h, w) of what is bent

    def forward(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """`(n, 2)` flat points to points about the middle of the line."""
        h, w = self.size_px
        angle = (points[:, 0] - w / 2) / self.radius_px
        r = self.radius_px + self.side * (h / 2 - points[:, 1])
        return np.stack([r * np.sin(angle), self.side * (self.radius_px - r * np.cos(angle))], 1)

    def inverse(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Coordinates about the middle of the line to flat ones."""
        h, w = self.size_px
        down = self.radius_px - self.side * y
        r, angle = cv2.cartToPolar(down, x)
        angle = np.where(angle > math.pi, angle - np.float32(2 * math.pi), angle)
        return angle * np.float32(self.radius_px) + np.float32(w / 2), h / 2 - self.side * (r - self.radius_px)


@dataclass(frozen=True, eq=False)
class Warp:
    """`matrix` is 3 x 3, from the plane to pixels of the picture, in coordinates of pixel corners, (0, 0) top left."""

    matrix: Matrix
    arc: Arc | None = None

    def moved(self, x: float, y: float) -> "Warp":
        """The same, further right and down."""
        return Warp(np.array([[1, 0, x], [0, 1, y], [0, 0, 1]]) @ self.matrix, self.arc)

    def forward(self, points: NDArray[np.float64]) -> Points:
        """`(n, 2)` points of the flat block to `(n, 2)` float32 points of the picture."""
        plane = self.arc.forward(points) if self.arc else points
        x, y, z = self.matrix @ np.stack([plane[:, 0], plane[:, 1], np.ones(len(plane))])
        return np.stack([x / z, y / z], 1).astype(np.float32)

    def outline(self, box: Box) -> Points:
        """The box in the picture, clockwise from the text's own top left; four points, more along an arc."""
        x0, y0, x1, y1 = box
        steps = 2
        if self.arc:
            steps = 2 + math.ceil((x1 - x0) / self.arc.radius_px / ARC_STEP_RAD)
        along = np.linspace(x0, x1, steps)
        top, bottom = np.stack([along, np.full(steps, y0)], 1), np.stack([along, np.full(steps, y1)], 1)
        return self.forward(np.concatenate([top, bottom[::-1]]))

    def pull(self, layers: Sequence[Picture], origin: tuple[int, int], size: tuple[int, int]) -> list[Picture]:
        """The flat layers `(h, w)` or `(h, w, c)` as seen in the window of `size` (h, w) px at `origin` (x, y)."""
        local = np.array([[1, 0, -origin[0]], [0, 1, -origin[1]], [0, 0, 1]], float) @ self.matrix
        if self.arc is None:
            centred = HALF_BACK @ local @ HALF_ON  # OpenCV counts from the middle of the first pixel
            return [cv2.warpPerspective(layer, centred, size[::-1], flags=cv2.INTER_LINEAR) for layer in layers]
        across, down = self._maps(np.linalg.inv(local), size)
        return [cv2.remap(layer, across, down, cv2.INTER_LINEAR) for layer in layers]

    def _maps(self, inverse: Matrix, size: tuple[int, int]) -> tuple[NDArray[np.float32], ...]:
        assert self.arc is not None
        m = inverse.astype(np.float32)
        x = np.arange(size[1], dtype=np.float32)[None, :] + np.float32(0.5)
        y = np.arange(size[0], dtype=np.float32)[:, None] + np.float32(0.5)
        z = m[2, 0] * x + m[2, 1] * y + m[2, 2]
        u, v = self.arc.inverse((m[0, 0] * x + m[0, 1] * y + m[0, 2]) / z, (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / z)
        return (u - np.float32(0.5)).astype(np.float32), (v - np.float32(0.5)).astype(np.float32)


HALF_ON = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
HALF_BACK = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])


def turn_layer(layer: Picture, quarters: int) -> Picture:
    """`(h, w)` or `(h, w, c)`, turned clockwise by so many quarters."""
    return np.ascontiguousarray(np.rot90(layer, -quarters))


def quarter_warp(size: tuple[int, int], quarters: int) -> Warp:
    """Where points of a layer of `size` (h, w) px lie once it is turned; by -1, 0 or 1 quarters."""
    h, w = size
    rows = {0: ((1, 0, 0), (0, 1, 0)), 1: ((0, -1, h), (1, 0, 0)), -1: ((0, 1, 0), (-1, 0, w))}
    return Warp(np.array([*rows[quarters], (0, 0, 1)]))


def draw_warp(rng: Random, size: tuple[float, float], tilt_deg: float) -> Warp:
    """A plane of `size` (h, w) px seen from somewhere, most often almost from the front; its top left near (0, 0)."""
    h, w = size
    x, y = w / 2 * rng.uniform(0.8, 1.15), h / 2
    corners = np.array([[-x, -y], [x, -y], [x, y], [-x, y]])
    if rng.random() < 0.45:
        _recede(rng, corners)
    angle = math.radians(tilt_deg + _draw_angle(rng))
    corners = corners @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    corners -= corners.min(0)
    flat = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    return Warp(cv2.getPerspectiveTransform(flat, corners.astype(np.float32)))


def _recede(rng: Random, corners: Matrix) -> None:
    """A wall that one walks along: one end is smaller, and lines run up or down."""
    near, slope = rng.uniform(0.6, 1.0), rng.gauss(0, 0.12)
    far = slice(None, None, 3) if rng.random() < 0.5 else slice(1, 3)
    corners[far, 1] *= near
    corners[:, 1] += corners[:, 0] * min(max(slope, -0.4), 0.4)
    if rng.random() < 0.3:
        corners[:2, 0] *= rng.uniform(0.85, 1.0)


def _draw_angle(rng: Random) -> float:
    """Degrees, clockwise."""
    kind = rng.random()
    if kind < 0.62:
        return rng.gauss(0, 2)
    if kind < 0.86:
        return rng.uniform(-20, 20)
    return rng.uniform(-60, 60) if kind < 0.94 else rng.choice((-90, 90)) + rng.gauss(0, 3)


def draw_arc(rng: Random, size: tuple[float, float], tilt_deg: float) -> Warp:
    """A line of `size` (h, w) px along an arc of 40 to 200 degrees; its top left near (0, 0)."""
    h, w = size
    turn = math.radians(rng.uniform(40, 200 if w > 5 * h else 110))
    arc = Arc(radius_px=max(w / turn, 1.2 * h), side=rng.choice((1, 1, -1)), size_px=(h, w))
    angle = math.radians(tilt_deg + rng.gauss(0, 12))
    turned = Warp(
        np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]), arc
    )
    outline = turned.outline((0, 0, w, h))
    return turned.moved(*(-outline.min(0)).tolist())

"""The picture while it is drawn: where is room, what lies where, what hides what."""

from random import Random

import cv2
import numpy as np

from diffbin.data.synth.pixels import Picture
from diffbin.data.synth.warp import Warp
from diffbin.detections import Points

CELL_PX = 8  # of the map of taken places
TRIES = 24
SMOOTH_CHOICES = 6  # free places among which the smoothest is taken


class Canvas:
    """A picture `(h, w, 3)` uint8 RGB and, of the same size, its `ink` and what is `hidden`, 0 to 255."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self._plain = picture.copy()
        self.ink = np.zeros(picture.shape[:2], np.uint8)
        self.hidden = np.zeros(picture.shape[:2], np.uint8)
        cells = (-(-picture.shape[0] // CELL_PX), -(-picture.shape[1] // CELL_PX))
        self._taken = np.zeros(cells, np.uint8)
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        rough = cv2.absdiff(grey, cv2.blur(grey, (9, 9)))
        self._rough = cv2.resize(rough, cells[::-1], interpolation=cv2.INTER_AREA)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) in pixels."""
        return self.picture.shape[0], self.picture.shape[1]

    def find_place(self, rng: Random, outline: Points, *, smooth: bool, beyond: float) -> tuple[int, int] | None:
        """How far to move `outline` (its top left at 0, 0) so that it covers nothing drawn before; None = no room.

        smooth  prefers a place with little texture
        beyond  share of its extent that may stick out of the picture
        """
        h, w = self.size
        across, down = outline.max(0).tolist()
        out_x, out_y = across * beyond, down * beyond
        if across - 2 * out_x > w or down - 2 * out_y > h:
            return None
        shape = self._cells(outline)
        best: tuple[float, tuple[int, int]] | None = None
        found = 0
        for _ in range(TRIES):
            place = (round(rng.uniform(-out_x, w - across + out_x)), round(rng.uniform(-out_y, h - down + out_y)))
            roughness = self._roughness(shape, place)
            if roughness is None:
                continue
            found += 1
            if best is None or roughness < best[0]:
                best = (roughness, place)
            if not smooth or found == SMOOTH_CHOICES:
                break
        return best[1] if best else None

    @staticmethod
    def _cells(outline: Points) -> Picture:
        """The outline as cells, with one more around."""
        extent = (outline.max(0) / CELL_PX).astype(int) + 4
        shape = np.zeros((extent[1], extent[0]), np.uint8)
        cv2.fillPoly(shape, [(outline / CELL_PX + 1).round().astype(np.int32)], 255)
        return cv2.dilate(shape, np.ones((3, 3), np.uint8))

    def _overlap(self, shape: Picture, place: tuple[int, int]) -> tuple[tuple[slice, slice], Picture]:
        x, y = place[0] // CELL_PX - 1, place[1] // CELL_PX - 1
        rows, columns = self._taken.shape
        window = (slice(max(y, 0), min(y + shape.shape[0], rows)), slice(max(x, 0), min(x + shape.shape[1], columns)))
        part = shape[window[0].start - y : window[0].stop - y, window[1].start - x : window[1].stop - x]
        return window, part

    def _roughness(self, shape: Picture, place: tuple[int, int]) -> float | None:
        window, part = self._overlap(shape, place)
        if not part.size or cv2.countNonZero(cv2.bitwise_and(self._taken[window], part)):
            return None
        return float(cv2.mean(self._rough[window])[0])

    def take(self, outline: Points, place: tuple[int, int]) -> None:
        """Nothing else will be placed here."""
        window, part = self._overlap(self._cells(outline), place)
        np.maximum(self._taken[window], part, out=self._taken[window])

    def keep_free(self, polygon: Points) -> None:
        """Nothing will be placed over what is there already."""
        corner = np.floor(polygon.min(0) / CELL_PX) * CELL_PX
        self.take(polygon - corner.astype(np.float32), (int(corner[0]), int(corner[1])))

    def window(self, outline: Points) -> tuple[slice, slice]:
        """Rows and columns of the picture that the outline touches."""
        h, w = self.picture.shape[:2]
        (x0, y0), (x1, y1) = np.floor(outline.min(0)).tolist(), np.ceil(outline.max(0)).tolist()
        across = slice(min(max(int(x0), 0), w), min(max(int(x1), 0), w))
        return slice(min(max(int(y0), 0), h), min(max(int(y1), 0), h)), across

    def put(
        self,
        layers: tuple[Picture, Picture, Picture],
        warp: Warp,
        window: tuple[slice, slice],
        *,
        opacity: float,
        lit: bool,
    ) -> None:
        """Blends a flat patch into the window. `layers` are its RGB, its cover and its ink.

        lit  the light that lies on the window falls on the patch too
        """
        origin = (window[1].start, window[0].start)
        size = (window[0].stop - window[0].start, window[1].stop - window[1].start)
        patch, cover, ink = warp.pull(layers, origin, size)
        share, behind = cover.astype(np.float32) * np.float32(opacity / 255), self.picture[window].copy()
        if lit:
            cv2.multiply(patch, _light(behind), patch, dtype=cv2.CV_8U)
        self.picture[window] = cv2.blendLinear(patch, behind, share, 1 - share)
        self.ink[window] = np.maximum(self.ink[window], ink)

    def hide(self, rng: Random, window: tuple[slice, slice]) -> None:
        """Puts a pole, a branch or a head in front of a part of the window, cut from elsewhere in the background."""
        rows, columns = window
        h, w = self.picture.shape[:2]
        mask = np.zeros((h, w), np.uint8)
        size = min(rows.stop - rows.start, columns.stop - columns.start)
        x, y = rng.randint(columns.start, columns.stop), rng.randint(rows.start, rows.stop)
        if rng.random() < 0.6:
            far, lean = max(h, w), rng.gauss(0, 0.15)
            ends = [(round(x + s * lean * far), y + s * far) for s in (-1, 1)]
            cv2.line(mask, ends[0], ends[1], 255, max(2, round(size * rng.uniform(0.1, 0.7))), cv2.LINE_AA)
        else:
            for _ in range(rng.randint(1, 5)):
                axes = (round(size * rng.uniform(0.1, 0.6)) + 2, round(size * rng.uniform(0.1, 0.6)) + 2)
                centre = (round(x + rng.gauss(0, size / 2)), round(y + rng.gauss(0, size / 2)))
                cv2.ellipse(mask, centre, axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
        share = mask * np.float32(1 / 255)
        front = cv2.convertScaleAbs(np.roll(self._plain, h // 2, 0)[:, ::-1], alpha=rng.uniform(0.7, 1.2))
        self.picture = cv2.blendLinear(front, self.picture, share, 1 - share)
        self.hidden = np.maximum(self.hidden, mask)


def _light(picture: Picture) -> Picture:
    """Where the picture is lighter than its mean and where darker, softly; `(h, w, 3)` float32 about 1."""
    h, w = picture.shape[:2]
    coarse = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (5, 5), interpolation=cv2.INTER_AREA)
    level = np.clip((coarse + np.float32(30)) / (coarse.mean() + 30), 0.6, 1.4).astype(np.float32)
    light = cv2.resize(level, (w, h), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.merge([light] * 3))

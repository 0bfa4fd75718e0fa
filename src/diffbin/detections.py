"""The answer of a detector: regions of text in one picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
"""`(n, 2)` float32, points `(x, y)` in pixels; (0, 0) is the top left corner of the top left pixel."""


@dataclass(frozen=True)
class Detection:
    """One region: `polygon` `(n, 2)` float32 in pixels of the upright original picture, `score` in [0, 1]."""

    polygon: Points
    score: float


@dataclass(frozen=True, eq=False)
class Detections:
    """Regions of one picture, in the decoder's order.

    polygons  one `(n, 2)` float32 array a region, `(x, y)` in pixels of the upright original picture, clockwise as
              seen on the screen; quads have four points
    scores    `(len,)` float32 in [0, 1]
    size      `(h, w)` of the picture in pixels
    """

    polygons: Sequence[Points]
    scores: NDArray[np.float32]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if len(self.polygons) != len(self.scores):
            raise ValueError(f"{len(self.polygons)} polygons but {len(self.scores)} scores")

    def __len__(self) -> int:
        return len(self.polygons)

    def __iter__(self) -> Iterator[Detection]:
        return (Detection(p, float(s)) for p, s in zip(self.polygons, self.scores, strict=True))

    def __getitem__(self, index: int) -> Detection:
        return Detection(self.polygons[index], float(self.scores[index]))

    def filter(self, score: float) -> "Detections":
        """The regions with at least this score."""
        keep = self.scores >= score
        polygons = [p for p, kept in zip(self.polygons, keep, strict=True) if kept]
        return Detections(polygons, self.scores[keep], self.size)

    def clip(self) -> "Detections":
        """The regions with their points moved into the picture, each starting at its least x + y."""
        if not len(self):
            return self
        height, width = self.size
        points, bounds = self._joined()
        inside = points.clip(0, np.array([width, height], np.float32))
        moved = np.logical_or.reduceat((inside != points).any(axis=1), bounds[:-1])
        polygons = [inside[a:b] for a, b in pairwise(bounds)]
        for i in np.flatnonzero(moved).tolist():  # another point may be nearest to the top left now
            polygons[i] = np.roll(polygons[i], -int(polygons[i].sum(axis=1).argmin()), axis=0)
        return Detections(polygons, self.scores, self.size)

    def in_reading_order(self) -> "Detections":
        """Line by line from the top, each from the left: for text in rows, a guess for any other layout.

        A region goes on with the line while its middle lies within half a height of the line's first region.
        """
        if not len(self):
            return self
        left, top, _, bottom = self.boxes().T
        centres = (top + bottom) / 2
        # Plain numbers, for they are faster than arrays one by one.
        middles, heights, lefts = centres.tolist(), (bottom - top).tolist(), left.tolist()
        lines: list[list[int]] = []
        for i in np.argsort(centres, kind="stable").tolist():
            if lines and middles[i] - middles[lines[-1][0]] < heights[lines[-1][0]] / 2:
                lines[-1].append(i)
            else:
                lines.append([i])
        order = [i for line in lines for i in sorted(line, key=lefts.__getitem__)]
        return Detections([self.polygons[i] for i in order], self.scores[order], self.size)

    def boxes(self) -> NDArray[np.float32]:
        """Axis-aligned boxes `(len, 4)` float32: x_min, y_min, x_max, y_max in pixels."""
        if not len(self):
            return np.zeros((0, 4), np.float32)
        points, bounds = self._joined()
        return np.hstack([np.minimum.reduceat(points, bounds[:-1]), np.maximum.reduceat(points, bounds[:-1])])

    def _joined(self) -> tuple[Points, list[int]]:
        """The points of all polygons in one array, and where each begins and the last ends."""
        return np.concatenate(self.polygons), list(accumulate(map(len, self.polygons), initial=0))

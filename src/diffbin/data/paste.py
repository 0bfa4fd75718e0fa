"""Words of another picture pasted into a crop (after copy-paste, Ghiasi et al., arXiv 2012.07177).

A word is cut out along its outline, a little wider, and its edge fades. It goes where it covers no region, also none
that is ignored, and where the crop is most like the word's own ground; its colours move half the way that is left.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.data.picture import Pixels
from diffbin.data.sample import Sample, Scene
from diffbin.data.warp import FURTHER, Matrix, Placement, rotation, transform, warp
from diffbin.detections import Points

SCALE = (0.7, 1.4)  # of a pasted word, besides that of the crop
TURN_DEG = 15.0  # by which it is turned, at most, besides the crop
EDGE_RATIO = 0.15  # of the word's height: how far the patch goes beyond the outline, where it fades
LEAST_EDGE_PX = 1.5
TRIES = 24  # places that are looked at for a word
ADAPT_RATIO = 0.5


@dataclass(frozen=True, eq=False)
class Patch:
    """A word cut out.

    pixels   `(h, w, 3)` float32 RGB
    alpha    `(h, w)` float32, 1 inside the outline, falling to 0 at the edge
    polygon  `(n, 2)` float32, pixels of the patch
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.float32]
    polygon: Points

    @property
    def ground(self) -> NDArray[np.float32]:
        """`(3,)`: the mean colour around the word."""
        return np.asarray(self.pixels[(self.alpha > 0) & (self.alpha < 1)].mean(axis=0), np.float32)


def paste(
    crop: Sample, placement: Placement, size: tuple[int, int], donor: Scene, *, count: int, rng: np.random.Generator
) -> Sample:
    """The crop, of a picture of `size` (h, w), with up to `count` words of the donor, none of its ignored ones.

    Fewer where they are too large, or find no place. The regions of the crop stay; those of the words follow. Their
    scale is about what `placement` would make of it.
    """
    pixels, reduction = donor.read(1 / (SCALE[1] * placement.scale) + FURTHER)
    picture, taken = crop.picture.copy(), _taken(crop, placement, size)
    polygons, texts = list(crop.polygons), list(crop.texts)
    for index in rng.permutation(np.flatnonzero(~donor.ignored))[:count].tolist():
        way = _way(placement, rng)
        patch = _cut(pixels, reduction, donor.size, donor.polygons[index], way)
        corner = None if patch is None else _place(patch, picture, taken, placement.size, rng)
        if patch is None or corner is None:
            continue
        _blend(patch, corner, picture, taken)
        polygons.append(patch.polygon + np.array(corner, np.float32))
        texts.append(donor.texts[index])
    ignored = np.concatenate([crop.ignored, np.zeros(len(polygons) - len(crop.ignored), np.bool_)])
    return Sample(picture, polygons, ignored, texts)


def _taken(crop: Sample, placement: Placement, size: tuple[int, int]) -> NDArray[np.uint8]:
    """1 inside regions, and where there is no picture."""
    taken = np.ones(crop.picture.shape[:2], np.uint8)
    height, width = size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    cv2.fillPoly(taken, [np.rint(transform(corners, placement.matrix)).astype(np.int32)], (0,))
    for polygon in crop.polygons:
        cv2.fillPoly(taken, [np.rint(polygon).astype(np.int32)], (1,))
    return taken


def _way(placement: Placement, rng: np.random.Generator) -> Matrix:
    """The crop's own turn and scale, changed a little; without its shift."""
    factor = float(np.exp(rng.uniform(*np.log(SCALE))))
    turn = rotation(float(rng.uniform(-TURN_DEG, TURN_DEG)), (0, 0))
    way = placement.matrix.copy()
    way[:2, 2] = 0
    return np.asarray(np.diag([factor, factor, 1.0]) @ turn @ way)


def _cut(pixels: Pixels, reduction: int, size: tuple[int, int], polygon: Points, way: Matrix) -> Patch | None:
    """A word of a picture of `size` (h, w), in the crop's pixels; None where the patch goes beyond the picture."""
    mirrored = np.linalg.det(way[:2, :2]) < 0
    outline = transform(polygon[::-1] if mirrored else polygon, way)
    edge = max(LEAST_EDGE_PX, EDGE_RATIO * min(cv2.minAreaRect(outline)[1]))
    beyond = edge / np.sqrt(abs(np.linalg.det(way[:2, :2])))
    if (polygon.min(axis=0) < beyond).any() or (polygon.max(axis=0) > np.array(size[::-1]) - beyond).any():
        return None
    corner = np.floor(outline.min(axis=0) - edge - 1)
    width, height = (np.ceil(outline.max(axis=0) + edge + 1) - corner).astype(int).tolist()
    shifted = way.copy()
    shifted[:2, 2] = -corner
    piece = warp(pixels, Placement(shifted, (height, width)).within(reduction), max(height, width))[:height, :width]
    outline = outline - corner.astype(np.float32)
    return Patch(piece.astype(np.float32), _alpha(outline, (height, width), edge), outline)


def _alpha(outline: Points, size: tuple[int, int], edge: float) -> NDArray[np.float32]:
    """1 inside, 0 from `edge` px outside on, and even in between."""
    outside = np.ones(size, np.uint8)
    cv2.fillPoly(outside, [np.rint(outline - 0.5).astype(np.int32)], (0,))
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 3)
    return np.asarray(np.clip(1 - distance / edge, 0, 1), np.float32)


def _place(
    patch: Patch, picture: Pixels, taken: NDArray[np.uint8], size: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Left and top of the best place found inside `size` (h, w) of the crop; None where none is free."""
    height, width = patch.alpha.shape
    if height > size[0] or width > size[1]:
        return None
    covered, ground = (patch.alpha > 0).astype(np.uint8), patch.ground
    best, corner = np.inf, None
    for x, y in zip(*(rng.integers(room + 1, size=TRIES) for room in (size[1] - width, size[0] - height)), strict=True):
        if (taken[y : y + height, x : x + width] & covered).any():
            continue
        mean, deviation = cv2.meanStdDev(picture[y : y + height, x : x + width], mask=covered)
        unlike = float(np.abs(mean[:, 0] - ground).sum() + deviation.sum())
        if unlike < best:
            best, corner = unlike, (int(x), int(y))
    return corner


def _blend(patch: Patch, corner: tuple[int, int], picture: Pixels, taken: NDArray[np.uint8]) -> None:
    (x, y), (height, width) = corner, patch.alpha.shape
    under, alpha = picture[y : y + height, x : x + width], patch.alpha[..., None]
    shift = ADAPT_RATIO * (under[patch.alpha > 0].mean(axis=0) - patch.ground)
    mixed = alpha * np.clip(patch.pixels + shift, 0, 255) + (1 - alpha) * under
    under[:] = np.rint(mixed)
    taken[y : y + height, x : x + width] |= patch.alpha > 0

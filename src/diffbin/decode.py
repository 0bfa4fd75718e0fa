"""From the probability map to regions of text (section 3.3 of arXiv 1911.08947); the only place that knows thresholds.

The steps are those of MMOCR 1.0: threshold, contours (holes too), simplify, score, unclip, and a rectangle where quads
are wanted. Its quirks are kept, for parity: simplified contours of fewer than four points are passed over, and so are
contours that unclipping splits into parts of unequal point counts.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.config import Decode
from diffbin.detections import Detections, Points
from diffbin.geometry import clockwise, offset, perimeter, single_part

ProbMap = NDArray[np.float32]


def decode(
    prob: ProbMap, config: Decode, *, scale: tuple[float, float] = (1.0, 1.0), size: tuple[int, int] | None = None
) -> Detections:
    """Regions in a probability map.

    prob   `(h, w)` float32 in [0, 1], contiguous, without the padded strip
    scale  `(x, y)` map pixels for one pixel of the original picture; coordinates are divided by it
    size   `(h, w)` of the original picture, for the answer; that of the map unless given

    The regions come with the lowest first (the order of the contours), clockwise, and are not clipped to the picture.
    """
    mask = (prob > np.float32(config.mask_threshold)).view(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    divisor = np.array(scale, np.float32)
    polygons, scores = [], []
    for candidate in contours[: config.max_candidates + 1]:  # one more than it says, as the reference
        contour = np.asarray(candidate, np.int32)
        if _surely_narrow(contour, config):
            continue
        epsilon = config.epsilon_ratio * cv2.arcLength(contour, True)
        outline = np.asarray(cv2.approxPolyDP(contour, epsilon, True), np.int32)
        if len(outline) < 4:
            continue
        score = mean_inside(prob, outline)
        if score < config.score_threshold:
            continue
        region = unclip(outline, config)
        if region is not None:
            polygons.append(clockwise(region / divisor))
            scores.append(score)
    return Detections(polygons, np.array(scores, np.float32), size or (prob.shape[0], prob.shape[1]))


def _surely_narrow(contour: NDArray[np.int32], config: Decode) -> bool:
    """Whether a contour cannot become a quad of `min_width_px`, told from its box: speckles are passed over at once.

    Of all outlines in a box with the shorter side b the area is at most b / 2 times the perimeter, so unclipping adds
    at most r' b / 2 on each side; 2 px stand for rounding.
    """
    if config.shape != "quad":
        return len(contour) < 4
    _, _, width, height = cv2.boundingRect(contour)
    return (min(width, height) - 1) * (1 + config.unclip_ratio) + 2 < config.min_width_px


def mean_inside(prob: ProbMap, outline: NDArray[np.int32]) -> float:
    """Mean of the map over the outline, its border included."""
    x, y, width, height = cv2.boundingRect(outline)
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [outline], (1,), offset=(-x, -y))
    return cv2.mean(prob[y : y + height, x : x + width], inside)[0]


def unclip(outline: NDArray[np.int32], config: Decode) -> Points | None:
    """The outline grown by D' = A' r' / L' (section 3.3); None when nothing is left, or a quad is too narrow.

    `(n, 1, 2)` int32 -> `(m, 2)` float32, as a polygon or as the smallest rotated rectangle around it.
    """
    points = outline[:, 0]
    length = perimeter(points)  # in double precision: the distance gets rounded, and OpenCV's lengths are too coarse
    grown = single_part(offset(points, cv2.contourArea(outline) * config.unclip_ratio / length))
    if grown is None:
        return None
    if config.shape == "polygon":
        return grown.astype(np.float32) if len(grown) >= 4 else None
    rectangle = cv2.minAreaRect(grown)
    if min(rectangle[1]) < config.min_width_px:
        return None
    return np.asarray(cv2.boxPoints(rectangle), np.float32)

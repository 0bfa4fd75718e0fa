"""Whether labels fit their pictures: what a reader takes without complaint may be of another size or order."""

from collections.abc import Iterable

import cv2

from diffbin.detections import Points
from diffbin.errors import warn

LOOKED_AT = 200  # pictures at most, spread over the set
MANY = 0.05  # of the regions; fewer are mistakes of those who labelled
OUTSIDE, CROSSED, TINY = "lie outside their picture", "cross themselves", "are smaller than a pixel"
FAULTS = {
    OUTSIDE: "are they of a picture of another size, or y before x?",
    CROSSED: "corners go round: left and right at the top, then right and left at the bottom.",
    TINY: "are they shares of the picture, from 0 to 1? Multiply them by its width and height.",
}


def fault(polygon: Points, size: tuple[int, int]) -> str | None:
    """What is wrong with a region `(n, 2)` of a picture of this `(h, w)`, of `FAULTS`; else None."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    if (high - low).max() <= 1:
        return TINY
    middle = (low + high) / 2
    if (middle < 0).any() or (middle > size[::-1]).any():
        return OUTSIDE
    if len(polygon) == 4 and abs(cv2.contourArea(polygon)) < 0.5 * cv2.contourArea(cv2.convexHull(polygon)):
        return CROSSED
    return None


def warn_of_faults(labelled: Iterable[tuple[str, tuple[int, int], list[Points]]]) -> None:
    """Tells of each of `FAULTS` that many regions have; of each picture its label's name, its `(h, w)`, its regions."""
    regions, found = 0, dict[str, list[str]]()
    for name, size, polygons in labelled:
        regions += len(polygons)
        for polygon in polygons:
            if told := fault(polygon, size):
                found.setdefault(told, []).append(name)
    for told, names in found.items():
        if len(names) >= MANY * regions:
            warn(f"{len(names)} of {regions} labelled regions {told}, as in {names[0]}; {FAULTS[told]}")

"""What the formats in XML share: names, points, and the line that they begin with."""

import re
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from diffbin.detections import Detections

FIRST = '<?xml version="1.0" encoding="UTF-8"?><!-- by diffbin -->\n'
BEGINS = re.compile(re.escape(FIRST.strip()).encode() + b"$")  # of what others save, more may stand in the line
FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # also a name's bytes that are no UTF-8


def text(value: str) -> str:
    """Between tags."""
    return escape(FORBIDDEN.sub("\ufffd", value))


def attribute(value: str) -> str:
    """With its quotes."""
    return quoteattr(FORBIDDEN.sub("\ufffd", value))


def whole_pixels(detections: Detections) -> list[list[tuple[int, int]]]:
    """The outlines on whole pixels within the picture, as the formats want them."""
    height, width = detections.size
    within = (np.clip(polygon, 0, (width, height)).round().astype(int).tolist() for polygon in detections.polygons)
    return [[(x, y) for x, y in polygon] for polygon in within]


def box(points: list[tuple[int, int]]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom."""
    x, y = zip(*points, strict=True)
    return min(x), min(y), max(x), max(y)


def joined(points: list[tuple[int, int]]) -> str:
    """`x,y x,y ...`"""
    return " ".join(f"{x},{y}" for x, y in points)

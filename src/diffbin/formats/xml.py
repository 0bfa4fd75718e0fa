"""What the formats in XML share: names, points, and the line that they begin with."""

import re
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from diffbin.detections import Points

FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # also a name's bytes that are no UTF-8


def first(name: str) -> str:
    """The line that tells an answer of ours, in the format of this name."""
    return f'<?xml version="1.0" encoding="UTF-8"?><!-- {name} by diffbin -->\n'


def begins(name: str) -> re.Pattern[bytes]:
    """Matches it, also as once, without the name. Of what others save, more may stand in the line."""
    return re.compile(re.escape(first(name).strip()).replace(f"{name}\\ ", f"({name}\\ )?").encode() + b"$")


def text(value: str) -> str:
    """Between tags."""
    return escape(FORBIDDEN.sub("\ufffd", value))


def attribute(value: str) -> str:
    """With its quotes."""
    return quoteattr(FORBIDDEN.sub("\ufffd", value))


def whole_pixels(polygon: Points, size: tuple[int, int]) -> list[tuple[int, int]]:
    """The outline on whole pixels within a picture of `size` (h, w), as the formats want it."""
    return [(x, y) for x, y in np.clip(polygon, 0, size[::-1]).round().astype(int).tolist()]


def box(points: list[tuple[int, int]]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom."""
    x, y = zip(*points, strict=True)
    return min(x), min(y), max(x), max(y)


def joined(points: list[tuple[int, int]]) -> str:
    """`x,y x,y ...`"""
    return " ".join(f"{x},{y}" for x, y in points)

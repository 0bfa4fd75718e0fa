"""Detections as text, one module a format."""

import re
from collections.abc import Callable
from typing import NamedTuple

from diffbin.detections import Detections
from diffbin.formats import icdar, json, labelme


class Format(NamedTuple):
    """How answers are written.

    suffix   of their files
    write    detections and the picture's name -> text that ends a line
    begins   what the first line of every answer matches that is not empty, and hardly another file's
    links    whether it wants the way to the picture, from the folder of the answer, in the place of the name
    """

    suffix: str
    write: Callable[[Detections, str], str]
    begins: re.Pattern[bytes]
    links: bool = False


FORMATS = {
    "json": Format(".json", json.to_json, json.BEGINS),
    "icdar": Format(".txt", icdar.to_icdar, icdar.BEGINS),
    "labelme": Format(".json", labelme.to_labelme, labelme.BEGINS, links=True),
}

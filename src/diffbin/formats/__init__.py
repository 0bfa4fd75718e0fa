"""Detections as text, one module a format."""

import re
from collections.abc import Callable
from typing import NamedTuple

from diffbin.detections import Detections
from diffbin.formats import icdar, json


class Format(NamedTuple):
    """How answers are written.

    suffix   of their files
    write    detections and the picture's name -> text that ends a line
    begins   what the first line of every answer matches that is not empty, and hardly another file's
    """

    suffix: str
    write: Callable[[Detections, str], str]
    begins: re.Pattern[bytes]


FORMATS = {
    "json": Format(".json", json.to_json, json.BEGINS),
    "icdar": Format(".txt", icdar.to_icdar, icdar.BEGINS),
}

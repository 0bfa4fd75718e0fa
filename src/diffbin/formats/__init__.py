"""Detections as text, one module a format."""

from collections.abc import Callable

from diffbin.detections import Detections
from diffbin.formats import icdar, json

FORMATS: dict[str, tuple[str, Callable[[Detections, str], str]]] = {
    "json": (".json", json.to_json),
    "icdar": (".txt", icdar.to_icdar),
}
"""Name -> the suffix of its files, and what turns detections and the picture's name into text that ends a line."""

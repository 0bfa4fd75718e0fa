"""Labels as JSON, one picture each, in the words of MMOCR 1.0: `{"instances": [{"polygon", "ignore", "text"}]}`."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from diffbin.data.labels import FAR_PX, Annotation, split_points
from diffbin.detections import Points
from diffbin.errors import InputError

FORM = '{"instances": [{"polygon": [x1, y1, x2, y2, x3, y3, ...], "ignore": false, "text": "..."}, ...]}'
Instance = Mapping[str, Any]
Add = Callable[[str, Sequence[Instance]], None]  # puts a picture, by its name, into the table of a label file
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)  # of other JSON


def dump_instances(annotation: Annotation, image: str) -> bytes:
    """The label of the picture called `image`, as `parse_instances` reads it. Coordinates are exact."""
    instances = [
        {"polygon": polygon.ravel().tolist(), "ignore": bool(ignored), "text": text}
        for polygon, ignored, text in zip(annotation.polygons, annotation.ignored, annotation.texts, strict=True)
    ]
    return json.dumps({"img_path": image, "instances": instances}).encode()


def parse_instances(content: bytes, name: str) -> Annotation:
    """The regions of a label; "ignore" and "text" may be missing. Raises `InputError`, which calls it `name`."""
    try:
        return as_annotation(json.loads(content)["instances"])
    except MALFORMED:
        raise InputError(f"The label {name} is not of the form {FORM}.") from None


def as_annotation(instances: Sequence[Instance]) -> Annotation:
    """The regions of such instances. Raises one of `MALFORMED`."""
    marks = [instance.get("ignore", False) for instance in instances]
    if not isinstance(instances, list) or not all(isinstance(mark, bool | int) for mark in marks):
        raise TypeError
    polygons = _points([instance["polygon"] for instance in instances])
    return Annotation(polygons, np.array(marks, np.bool_), [str(i.get("text") or "") for i in instances])


def flat(points: Sequence[Sequence[float]]) -> list[float]:
    """Pairs as `[x1, y1, ...]`."""
    return [value for x, y in points for value in (x, y)]


def _points(polygons: list[list[float]]) -> list[Points]:
    """All at once, which takes a quarter of the time."""
    counts = [len(values) for values in polygons]
    values = np.array([value for values in polygons for value in values])  # of texts where one of them is no number
    if polygons and values.dtype.kind not in "iuf":
        raise TypeError
    if any(count < 6 or count % 2 for count in counts) or not (np.abs(values) < FAR_PX).all():
        raise ValueError
    return split_points(values.astype(np.float32).reshape(-1, 2), [count // 2 for count in counts])

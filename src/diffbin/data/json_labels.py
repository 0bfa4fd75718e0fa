"""Labels that other tools write as JSON: labelme's, a file a picture; PaddleOCR's, MMOCR's and COCO's, one for a set.

Each is brought into the words of `data/instances`. labelme, and PaddleOCR with its PPOCRLabel, show a photograph turned
by its EXIF orientation, so their coordinates are of the upright picture (`UPRIGHT`).
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from diffbin.data.instances import MALFORMED, as_annotation
from diffbin.data.labels import ICDAR_IGNORED, Annotation, Label, filled_lines, read_text
from diffbin.errors import InputError
from diffbin.geometry import rectangle_corners

UPRIGHT = ("labelme", "paddleocr")
PADDLEOCR_IGNORED = (ICDAR_IGNORED, "*")
Instance = Mapping[str, Any]
Table = dict[str, Sequence[Instance]]  # by the name of the picture

LABELME_FORM = '{"shapes": [{"label": "...", "shape_type": "polygon", "points": [[x, y], ...]}, ...]}'
PADDLEOCR_FORM = 'NAME, a tabulator and [{"transcription": "...", "points": [[x, y], ...]}, ...]'
MMOCR_FORM = '{"data_list": [{"img_path": "...", "instances": [{"polygon": [x1, y1, ...]}, ...]}, ...]}'
COCO_FORM = (
    '{"images": [{"id": 1, "file_name": "..."}, ...], "annotations": [{"image_id": 1, "segmentation": [[x1, y1, ...]] '
    'or "bbox": [x, y, width, height]}, ...]}'
)


def read_labelme(label: Label | Path) -> Annotation:
    """The polygons and rectangles of a picture; one that is called `###`, or described so, is ignored.

    An empty file says that there is no text, as in the other formats.
    """
    path = label.path if isinstance(label, Label) else label
    text = read_text(path)
    try:
        shapes = _list(json.loads(text)["shapes"]) if text.strip() else []
        kinds = [shape.get("shape_type") or "polygon" for shape in shapes]
        other = next((i for i, kind in enumerate(kinds) if kind not in LABELME_OUTLINES), None)
        if other is None:
            return as_annotation([_labelme_instance(*pair) for pair in zip(shapes, kinds, strict=True)])
    except MALFORMED:
        raise InputError(f"The label file {path} is not of labelme's form, {LABELME_FORM}.") from None
    raise InputError(
        f"{path}: shape {other + 1} is a {kinds[other]}; text is outlined by {', '.join(LABELME_OUTLINES)}."
    )


def _labelme_instance(shape: Instance, kind: str) -> Instance:
    texts = [text for text in (shape.get("description"), shape["label"]) if text]
    outline = LABELME_OUTLINES[kind](shape["points"])
    return {"polygon": outline, "ignore": ICDAR_IGNORED in texts, "text": texts[0] if texts else ""}


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _flat(points: Sequence[Sequence[float]]) -> list[float]:
    return [value for x, y in points for value in (x, y)]


def _rectangle(points: Sequence[Sequence[float]]) -> list[float]:
    (x1, x2), (y1, y2) = (sorted(values) for values in zip(*points, strict=True))
    return [x1, y1, x2, y1, x2, y2, x1, y2]


LABELME_OUTLINES = {"polygon": _flat, "rectangle": _rectangle, "oriented_rectangle": _flat}


def _paddleocr(path: Path) -> Table:
    """Lines of a name, a tabulator and the regions; `###`, `*` and what is marked difficult are ignored."""
    table: Table = {}
    for number, line in filled_lines(read_text(path)):
        name, _, regions = line.partition("\t")
        try:
            instances = [_paddleocr_instance(region) for region in _list(json.loads(regions))]
        except MALFORMED:
            raise InputError(f"{path}, line {number} is not of the form {PADDLEOCR_FORM}.") from None
        _add(table, name.strip(), instances, path)
    return table


def _paddleocr_instance(region: Instance) -> Instance:
    text = region["transcription"]
    ignored = text in PADDLEOCR_IGNORED or region.get("difficult", False)
    return {"polygon": _flat(region["points"]), "ignore": ignored, "text": text}


def _mmocr(path: Path) -> Table:
    """MMOCR 1.0, `textdet_train.json` say."""
    table: Table = {}
    for picture in json.loads(read_text(path))["data_list"]:
        _add(table, picture["img_path"], picture["instances"], path)
    return table


def _coco(path: Path) -> Table:
    """All categories are text. A region is its polygon, or where it has none, or several parts, its box; crowds are
    ignored."""
    content = json.loads(read_text(path))
    regions: dict[Any, list[Instance]] = {picture["id"]: [] for picture in content["images"]}
    if len(regions) < len(content["images"]):
        number, _ = Counter(picture["id"] for picture in content["images"]).most_common(1)[0]
        raise InputError(f"{path} has several images of the id {number}, whose regions it cannot tell apart; renumber.")
    for number, annotation in enumerate(_list(content["annotations"]), 1):
        name = f"{path}: annotation {annotation.get('id', f'number {number}')}"
        try:
            instance = _coco_instance(annotation)
        except MALFORMED:
            raise InputError(f'{name} has neither a polygon nor a "bbox": [x, y, width, height].') from None
        if annotation["image_id"] not in regions:
            raise InputError(f"{name} is of image {annotation['image_id']}, which the file does not list; remove it.")
        regions[annotation["image_id"]].append(instance)
    table: Table = {}
    for picture in content["images"]:
        _add(table, picture["file_name"], regions[picture["id"]], path)
    return table


def _coco_instance(annotation: Instance) -> Instance:
    parts = annotation.get("segmentation")
    if isinstance(parts, list) and len(parts) == 1 and len(parts[0]) >= 6:
        polygon = parts[0]
    else:  # a mask by its runs is a dictionary
        x, y, width, height = map(float, annotation["bbox"])
        turn = float((annotation.get("attributes") or {}).get("rotation", 0))  # of CVAT, in degrees, clockwise
        box = np.array([[x + width / 2, y + height / 2, width, height, turn]])
        polygon = rectangle_corners(box).ravel().tolist()
    return {"polygon": polygon, "ignore": annotation.get("iscrowd", 0), "text": annotation.get("text", "")}


def _add(table: Table, name: str, instances: Sequence[Instance], path: Path) -> None:
    if not isinstance(name, str) or not name:
        raise ValueError
    if name in table:
        raise InputError(f"The label file {path} has the picture {name} twice; leave one of them.")
    table[name] = instances


SETS: dict[str, tuple[Callable[[Path], Table], str]] = {
    "paddleocr": (_paddleocr, PADDLEOCR_FORM),
    "mmocr": (_mmocr, MMOCR_FORM),
    "coco": (_coco, COCO_FORM),
}


@lru_cache(maxsize=4)
def _load(format_: str, path: Path, _state: tuple[int, int]) -> Table:
    load, form = SETS[format_]
    try:
        table = load(path)
    except MALFORMED:
        raise InputError(f"The label file {path} is not of the form {form}.") from None
    if not table:
        raise InputError(f"The label file {path} names no picture; its form is {form}.")
    return table


def table_of(format_: str, path: Path) -> Table:
    """The labels in a file of a format of `SETS`, by the names of pictures in it. Raises `InputError`."""
    if not os.path.isfile(path):  # noqa: PTH113  # False where pathlib raises
        raise InputError(f"There is no label file {path}; of the format {format_} one file serves all pictures.")
    found = path.stat()
    return _load(format_, path, (found.st_mtime_ns, found.st_size))  # the clock of a file system is coarse


def read_entry(format_: str, label: Label | Path) -> Annotation:
    """One picture of such a file, by its name. Raises `InputError`."""
    path, name = label if isinstance(label, Label) else Label(label)
    try:
        return as_annotation(table_of(format_, path)[str(name)])
    except MALFORMED:
        raise InputError(f"{path}: what it has of {name} is not of the form {SETS[format_][1]}.") from None

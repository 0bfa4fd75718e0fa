"""Labels that other tools write as JSON: labelme's, a file a picture; PaddleOCR's, MMOCR's and COCO's, one for a set.

The readers of one for a set give each picture to `add`, by the name it has in the file, see `data/label_tables`.
Each is brought into the words of `data/instances`. labelme, and PaddleOCR with its PPOCRLabel, show a photograph turned
by its EXIF orientation, so their coordinates are of the upright picture (`UPRIGHT`).
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diffbin.data.instances import MALFORMED, Add, Instance, as_annotation, flat
from diffbin.data.labels import ICDAR_IGNORED, Annotation, Label, filled_lines, read_text
from diffbin.errors import InputError
from diffbin.geometry import rectangle_corners

UPRIGHT = ("labelme", "paddleocr")
PADDLEOCR_IGNORED = (ICDAR_IGNORED, "*")

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


def _rectangle(points: Sequence[Sequence[float]]) -> list[float]:
    (x1, x2), (y1, y2) = (sorted(values) for values in zip(*points, strict=True))
    return [x1, y1, x2, y1, x2, y2, x1, y2]


LABELME_OUTLINES = {"polygon": flat, "rectangle": _rectangle, "oriented_rectangle": flat}


def read_paddleocr(path: Path, add: Add) -> None:
    """Lines of a name, a tabulator and the regions; `###`, `*` and what is marked difficult are ignored."""
    for number, line in filled_lines(read_text(path)):
        name, _, regions = line.partition("\t")
        try:
            instances = [_paddleocr_instance(region) for region in _list(json.loads(regions))]
        except MALFORMED:
            raise InputError(f"{path}, line {number} is not of the form {PADDLEOCR_FORM}.") from None
        add(name.strip(), instances)


def _paddleocr_instance(region: Instance) -> Instance:
    text = region["transcription"]
    ignored = text in PADDLEOCR_IGNORED or region.get("difficult", False)
    return {"polygon": flat(region["points"]), "ignore": ignored, "text": text}


def read_mmocr(path: Path, add: Add) -> None:
    """MMOCR 1.0, `textdet_train.json` say."""
    for picture in json.loads(read_text(path))["data_list"]:
        add(picture["img_path"], picture["instances"])


def read_coco(path: Path, add: Add) -> None:
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
            instance = coco_instance(annotation)
        except MALFORMED:
            raise InputError(f'{name} has neither a polygon nor a "bbox": [x, y, width, height].') from None
        if annotation["image_id"] not in regions:
            raise InputError(f"{name} is of image {annotation['image_id']}, which the file does not list; remove it.")
        regions[annotation["image_id"]].append(instance)
    for picture in content["images"]:
        add(picture["file_name"], regions[picture["id"]])


def coco_instance(annotation: Instance) -> Instance:
    """Of an annotation of COCO. Raises one of `MALFORMED`."""
    parts = annotation.get("segmentation")
    if isinstance(parts, list) and len(parts) == 1 and len(parts[0]) >= 6:
        polygon = parts[0]
    else:  # a mask by its runs is a dictionary
        x, y, width, height = map(float, annotation["bbox"])
        turn = float((annotation.get("attributes") or {}).get("rotation", 0))  # of CVAT, in degrees, clockwise
        box = np.array([[x + width / 2, y + height / 2, width, height, turn]])
        polygon = rectangle_corners(box).ravel().tolist()
    return {"polygon": polygon, "ignore": annotation.get("iscrowd", 0), "text": annotation.get("text", "")}

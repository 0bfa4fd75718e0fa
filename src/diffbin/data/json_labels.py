"""Labels that other tools write as JSON: labelme's, a file a picture; PaddleOCR's, MMOCR's and COCO's, one for a set.

Each is brought into the words of `data/instances`. labelme, and PaddleOCR with its PPOCRLabel, show a photograph turned
by its EXIF orientation, so their coordinates are of the upright picture (`UPRIGHT`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from diffbin.data.instances import MALFORMED, as_annotation
from diffbin.data.labels import ICDAR_IGNORED, Annotation, Label, filled_lines, read_text
from diffbin.errors import InputError

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
        shapes = json.loads(text)["shapes"] if text.strip() else []
        kinds = [shape.get("shape_type", "polygon") for shape in shapes]
        other = next((i for i, kind in enumerate(kinds) if kind not in LABELME_OUTLINES), None)
        if other is None:
            return as_annotation([_labelme_instance(shape) for shape in shapes])
    except MALFORMED:
        raise InputError(f"The label file {path} is not of labelme's form, {LABELME_FORM}.") from None
    raise InputError(
        f"{path}: shape {other + 1} is a {kinds[other]}; text is outlined by {', '.join(LABELME_OUTLINES)}."
    )


def _labelme_instance(shape: Instance) -> Instance:
    outline = LABELME_OUTLINES[shape.get("shape_type", "polygon")]
    texts = [text for text in (shape.get("description"), shape["label"]) if text]
    return {"polygon": outline(shape["points"]), "ignore": ICDAR_IGNORED in texts, "text": texts[0] if texts else ""}


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
            instances = [_paddleocr_instance(region) for region in json.loads(regions)]
        except MALFORMED:
            raise InputError(f"{path}, line {number} is not of the form {PADDLEOCR_FORM}.") from None
        _add(table, name.strip(), instances, path)
    return table


def _paddleocr_instance(region: Instance) -> Instance:
    text = region["transcription"]
    ignored = text in PADDLEOCR_IGNORED or bool(region.get("difficult", False))
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
    for annotation in content["annotations"]:
        regions[annotation["image_id"]].append(_coco_instance(annotation))
    table: Table = {}
    for picture in content["images"]:
        _add(table, picture["file_name"], regions[picture["id"]], path)
    return table


def _coco_instance(annotation: Instance) -> Instance:
    parts = annotation.get("segmentation")
    if isinstance(parts, list) and len(parts) == 1:
        polygon = parts[0]
    else:  # a mask by its runs is a dictionary
        x, y, width, height = annotation["bbox"]
        polygon = _rectangle([(x, y), (x + width, y + height)])
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
def _load(format_: str, path: Path, _changed_ns: int) -> tuple[Table, list[str]]:
    load, form = SETS[format_]
    try:
        table = load(path)
    except InputError:
        raise
    except MALFORMED:
        raise InputError(f"The label file {path} is not of the form {form}.") from None
    return table, list(table)


def _table(format_: str, path: Path) -> tuple[Table, list[str]]:
    if not path.is_file():
        raise InputError(f"There is no label file {path}; of the format {format_} one file serves all pictures.")
    return _load(format_, path, path.stat().st_mtime_ns)


def names_in(format_: str, path: Path) -> list[str]:
    """The pictures that a label file of a format of `SETS` names, in its order. Raises `InputError`."""
    return _table(format_, path)[1]


def read_entry(format_: str, label: Label | Path) -> Annotation:
    """One picture of such a file."""
    path, entry = label if isinstance(label, Label) else Label(label)
    table, names = _table(format_, path)
    try:
        return as_annotation(table[names[entry]])
    except MALFORMED:
        form = SETS[format_][1]
        raise InputError(f"{path}: what it has of {names[entry]} is not of the form {form}.") from None

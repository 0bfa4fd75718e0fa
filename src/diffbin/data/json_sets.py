"""Published sets of pictures that come with one JSON file: COCO-Text, TextOCR and HierText.

The files have up to hundreds of megabytes. So what the parser finds is made small at once, object by object: HierText's
takes a quarter of the memory so and half of the time, TextOCR's half of the memory.
"""

import json
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from diffbin.data.instances import MALFORMED, Add, Instance, flat
from diffbin.data.json_labels import coco_instance
from diffbin.data.labels import read_text
from diffbin.errors import InputError

TEXTOCR_IGNORED = "."
COCOTEXT_FORM = (
    '{"imgs": {"1": {"file_name": "...", "set": "train"}, ...}, "anns": {"7": {"image_id": 1, "mask": [x1, y1, ...], '
    '"bbox": [x, y, width, height], "legibility": "legible", "utf8_string": "..."}, ...}}'
)
TEXTOCR_FORM = (
    '{"imgs": {"a": {"file_name": "..."}, ...}, "anns": {"a_1": {"image_id": "a", "points": [x1, y1, ...], '
    '"utf8_string": "..."}, ...}}'
)
HIERTEXT_FORM = (
    '{"annotations": [{"image_id": "...", "paragraphs": [{"lines": [{"vertices": [[x, y], ...], "legible": true, '
    '"text": "...", "words": [{"vertices": ..., "legible": ..., "text": ...}, ...]}, ...]}, ...]}, ...]}'
)


def read_cocotext(subset: str, path: Path, add: Add) -> None:
    """COCO-Text 2, whose file has several subsets of pictures, "train" and "val"; what is not legible is ignored."""
    for picture, instances in _images(path, _cocotext_instance):
        if picture["set"] == subset:
            add(picture["file_name"], instances)


def _cocotext_instance(region: Instance) -> Instance:
    text, crowd = region.get("utf8_string"), region["legibility"] != "legible"
    return coco_instance({**region, "segmentation": [region["mask"]], "iscrowd": crowd, "text": text})


def read_textocr(path: Path, add: Add) -> None:
    """TextOCR; words that are `.`, which says illegible or not English, are ignored."""
    for picture, instances in _images(path, _textocr_instance):
        add(picture["file_name"], instances)


def _textocr_instance(region: Instance) -> Instance:
    text = region["utf8_string"]
    return {"polygon": region["points"], "ignore": text == TEXTOCR_IGNORED, "text": text}


def _images(path: Path, as_instance: Callable[[Instance], Instance]) -> Iterator[tuple[Instance, list[Instance]]]:
    """Each picture of "imgs" with its regions, those of "anns" that name its key there."""
    regions = defaultdict[str, list[Instance]](list)

    def take(part: Instance) -> Instance | None:
        if "image_id" not in part:
            return part
        try:
            instance = as_instance(part)
            compact = {**instance, "polygon": array("f", instance["polygon"])}
        except MALFORMED:
            if not regions:
                raise  # the file is of another form
            name = part.get("id", f"of image {part['image_id']}")
            raise InputError(f"{path}: annotation {name} is not like the others; correct it.") from None
        regions[str(part["image_id"])].append(compact)
        return None

    content = json.loads(read_text(path), object_hook=take)
    if not regions:
        raise InputError(f"{path} labels no region at all, as files of test pictures do; give one that has labels.")
    pictures = content["imgs"].items()
    if regions.keys().isdisjoint(content["imgs"]):
        raise InputError(f'{path} labels no picture of its "imgs": its annotations name others by "image_id".')
    for key, picture in pictures:
        yield picture, regions.pop(key, [])


def read_hiertext(unit: str, path: Path, add: Add) -> None:
    """HierText's words or lines, by `unit`; what is not legible is ignored."""

    def take(part: Instance) -> Instance | None:
        if "paragraphs" not in part:
            return part
        try:
            regions = [line for paragraph in part["paragraphs"] for line in _parts(paragraph, "lines")]
            if unit == "word":
                regions = [word for line in regions for word in _parts(line, "words")]
            instances = [_hiertext_instance(region) for region in regions]
        except MALFORMED:
            raise InputError(f"{path}: {part.get('image_id')} is not labelled like the others; correct it.") from None
        add(part["image_id"] + ".jpg", instances)
        return None

    json.loads(read_text(path), object_hook=take)


def _parts(region: Instance, name: str) -> Sequence[Instance]:
    """What a paragraph or line is made of; where nothing of it is labelled, itself, to be ignored."""
    return region[name] or [{"vertices": region["vertices"], "legible": False, "text": "", "words": []}]


def _hiertext_instance(region: Instance) -> Instance:
    return {"polygon": flat(region["vertices"]), "ignore": not region["legible"], "text": region["text"]}

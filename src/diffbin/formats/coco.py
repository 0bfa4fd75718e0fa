"""COCO's JSON of one or more pictures, which CVAT, Roboflow, Label Studio and FiftyOne import."""

import json
from collections.abc import Iterable

from diffbin.detections import Detection, Detections
from diffbin.geometry import area

CATEGORY = {"id": 1, "name": "text", "supercategory": ""}


def to_coco(pictures: Iterable[tuple[str, Detections]]) -> str:
    """`images` with their names, and `annotations` with outline, box, area and score; all of one category, "text".

    Pixels of the upright original, to a hundredth; scores to four places.
    """
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, (name, found) in enumerate(pictures, 1):
        height, width = found.size
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for region, box in zip(found, found.boxes().tolist(), strict=True):
            annotations.append({"id": len(annotations) + 1, "image_id": number, **_annotation(region, box)})
    content = {"categories": [CATEGORY], "images": images, "annotations": annotations}
    return json.dumps(content) + "\n"  # in ASCII, as `to_json`


def _annotation(region: Detection, box: list[float]) -> dict[str, object]:
    left, top, right, bottom = box
    return {
        "category_id": CATEGORY["id"],
        "segmentation": [[round(value, 2) for value in region.polygon.ravel().tolist()]],
        "bbox": [round(value, 2) for value in (left, top, right - left, bottom - top)],
        "area": round(area(region.polygon), 2),
        "iscrowd": 0,
        "score": round(region.score, 4),
    }

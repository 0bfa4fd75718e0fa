"""The JSON of labelme, to correct answers in, and to train on the corrected ones."""

import json
import re

from diffbin.detections import Detections

# labelme itself begins with its version: what it has saved, corrected perhaps, is no answer of ours to be replaced.
BEGINS = re.compile(rb'\{"imagePath": ')


def to_labelme(detections: Detections, image: str) -> str:
    """One object of shapes that are all called "text"; `image` is the way to the picture from the folder of the file.

    Pixels of the upright original, as labelme shows it, to a hundredth. The scores, to four places, labelme keeps.
    """
    height, width = detections.size
    shapes: list[dict[str, object]] = [
        {
            "label": "text",
            "points": [[round(float(v), 2) for v in point] for point in region.polygon],
            "shape_type": "polygon",
            "flags": {},
            "group_id": None,
            "score": round(region.score, 4),
        }
        for region in detections
    ]
    content = {"imagePath": image, "imageHeight": height, "imageWidth": width, "imageData": None}
    return json.dumps({**content, "version": "5.0.0", "flags": {}, "shapes": shapes}) + "\n"

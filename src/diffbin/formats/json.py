"""JSON: one object a picture, on one line, so that the answers for many pictures can be read line by line."""

import json
import re

from diffbin.detections import Detections

BEGINS = re.compile(rb'\{"image": ')


def to_json(detections: Detections, image: str) -> str:
    """`{"image": name, "size": [h, w], "regions": [{"polygon": [[x, y], ...], "score": s}, ...]}` and a line end.

    Pixels of the upright original, to a hundredth; scores to four places.
    """
    regions = [
        {"polygon": [[round(float(v), 2) for v in point] for point in region.polygon], "score": round(region.score, 4)}
        for region in detections
    ]
    content = {"image": image, "size": list(detections.size), "regions": regions}
    return json.dumps(content) + "\n"  # in ASCII: a file may have a name that no encoding of the terminal has

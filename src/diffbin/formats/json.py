"""JSON: one object a picture, on one line, so that the answers for many pictures can be read line by line."""

import json
import re

from diffbin.detections import Detections

BEGINS = re.compile(rb'\{"image": ')


def to_json(detections: Detections, image: str) -> str:
    """`{"image": name, "size": [h, w], "regions": [{"polygon": [[x, y], ...], "score": s}, ...]}` and a line end.

    Pixels of the upright original, to a hundredth; scores to four places.
    """
    content = {"image": image, **detections.to_dict()}
    return json.dumps(content) + "\n"  # in ASCII: a file may have a name that no encoding of the terminal has

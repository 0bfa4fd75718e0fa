"""The text format of the ICDAR competitions, with the score in the place of the transcription."""

import re

from diffbin.detections import Detections, Points

BEGINS = re.compile(rb"-?\d[-\d,]*,[01]\.\d{4}$")  # with a score at the end, where labels have a text


def to_icdar(detections: Detections, _: str) -> str:
    """A line `x1,y1,...,xn,yn,score` a region, in whole pixels of the upright original; the score to four places."""
    return "".join(line(region.polygon, f"{region.score:.4f}") for region in detections)


def line(polygon: Points, text: str) -> str:
    """`x1,y1,...,xn,yn,text` in whole pixels, and the line's end."""
    return ",".join(str(round(float(value))) for value in polygon.ravel()) + f",{text}\n"

"""The text format of the ICDAR competitions, with the score in the place of the transcription."""

from diffbin.detections import Detections


def to_icdar(detections: Detections, _: str) -> str:
    """A line `x1,y1,...,xn,yn,score` a region, in whole pixels of the upright original; the score to four places."""
    lines = []
    for region in detections:
        points = ",".join(str(round(float(value))) for value in region.polygon.ravel())
        lines.append(f"{points},{region.score:.4f}\n")
    return "".join(lines)

"""Labels of lines for pictures that have labels of words, with the help of a detector of lines:

    python examples/line_labels.py IMAGES GT OUT [PART]

IMAGES and GT are a set in the format icdar; OUT gets images/, half as large again, and gt/. The detector is that of
rapidocr (`pip install rapidocr`, Apache-2.0), at a short side of 960 pixels. A line that it is sure of becomes a label
if the words of GT fill a quarter of it; other answers, and the words that no line covers by half, become do-not-care.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR

from diffbin.config import Source
from diffbin.data.annotations import read_annotation
from diffbin.data.labels import ICDAR_IGNORED
from diffbin.files import write_whole
from diffbin.formats.icdar import line
from diffbin.metrics.evaluate import list_labelled

SHORT_PX, ENLARGED, QUALITY = 960, 1.5, 88
SURE, FILLED, COVERED = 0.6, 0.25, 0.5

Polygon = NDArray[np.float32]


def main(images: str, gt: str, out: str, part: str = "") -> None:
    """See above."""
    detector = RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Global.use_rec": False,
            "Det.limit_type": "min",
            "Det.limit_side_len": SHORT_PX,
        }
    )
    folders = Path(out) / "images", Path(out) / "gt"
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for source, labelled in list_labelled([Source(images=images, labels=gt, part=part)], ""):
        picture = cv2.cvtColor(labelled.read(), cv2.COLOR_RGB2BGR)  # as rapidocr wants it
        found = detector(picture)
        lines = [] if found.boxes is None else [np.asarray(box, np.float32) for box in found.boxes]
        scores = found.scores if lines else []
        words = read_annotation(source, labelled).polygons
        rows = [
            *(row(found_line, sure=score >= SURE and share(found_line, words) >= FILLED)
              for found_line, score in zip(lines, scores, strict=True)),
            *(row(word, sure=False) for word in words if share(word, lines) < COVERED),
        ]  # fmt: skip
        write_whole(folders[1] / f"{labelled.image.stem}.txt", "".join(rows).encode())
        enlarged = cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
        encoded = cv2.imencode(".jpg", enlarged, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
        write_whole(folders[0] / f"{labelled.image.stem}.jpg", encoded.tobytes())


def share(polygon: Polygon, others: list[Polygon]) -> float:
    """Of a polygon's pixels, that lie in one of the others."""
    corner = np.floor(polygon.min(0)).astype(int)
    width, height = np.ceil(polygon.max(0)).astype(int) - corner + 1
    own, rest = np.zeros((2, height, width), np.uint8)
    cv2.fillPoly(own, [np.round(polygon - corner).astype(np.int32)], 1)
    for other in others:
        cv2.fillPoly(rest, [np.round(other - corner).astype(np.int32)], 1)
    return float((own & rest).sum() / max(own.sum(), 1))


def row(polygon: Polygon, *, sure: bool) -> str:
    """Of the label file."""
    return line(polygon * ENLARGED, "line" if sure else ICDAR_IGNORED)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A table with a row a region, for spreadsheets and data frames."""

import csv
import io
import re

from diffbin.detections import Detections

HEAD = "image,score,left,top,right,bottom,polygon\n"
BEGINS = re.compile(re.escape(HEAD.strip()).encode() + b"$")


def to_csv(detections: Detections, image: str) -> str:
    """Rows under `HEAD`: the picture's name, score, upright box, and the outline's points as `x y x y ...`.

    Pixels of the upright original, to a hundredth; scores to four places. A picture without text has no row.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    for region, box in zip(detections, detections.boxes().tolist(), strict=True):
        outline = " ".join(map(_short, region.polygon.ravel().tolist()))
        writer.writerow([image, f"{region.score:.4f}", *map(_short, box), outline])
    return table.getvalue()


def _short(value: float) -> str:
    return f"{round(value, 2):.12g}"

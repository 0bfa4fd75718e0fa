"""Detections as text, one module a format."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from diffbin.detections import Detections
from diffbin.formats import alto, coco, csv, hocr, icdar, json, labelme, page, xml

NOTHING = re.compile(rb"(?!)")


class Format(NamedTuple):
    """How answers are written.

    suffix    of their files
    write     detections and the picture's name -> text that ends a line
    begins    what the first line of every answer matches that is not empty, and hardly another file's
    head      a line before the answers: of each file, or of all that are printed
    apart     whether printed answers tell whose they are, so that several can follow each other
    links     whether it wants the way to the picture, from the folder of the answer, in the place of the name
    together  where one text answers for all pictures, and is printed at last: what makes it of names and detections
    """

    suffix: str
    write: Callable[[Detections, str], str]
    begins: re.Pattern[bytes]
    head: str = ""
    apart: bool = False
    links: bool = False
    together: Callable[[Iterable[tuple[str, Detections]]], str] | None = None


def _coco(detections: Detections, image: str) -> str:
    return coco.to_coco([(image, detections)])


FORMATS = {
    "json": Format(".json", json.to_json, json.BEGINS, apart=True),
    "icdar": Format(".txt", icdar.to_icdar, icdar.BEGINS),
    "csv": Format(".csv", csv.to_csv, csv.BEGINS, head=csv.HEAD, apart=True),
    "coco": Format(".json", _coco, NOTHING, together=coco.to_coco),
    "labelme": Format(".json", labelme.to_labelme, labelme.BEGINS, links=True),
    "page": Format(".xml", page.to_page, xml.begins("PAGE"), links=True),
    "alto": Format(".xml", alto.to_alto, xml.begins("ALTO"), links=True),
    "hocr": Format(".hocr", hocr.to_hocr, hocr.BEGINS, links=True),
}

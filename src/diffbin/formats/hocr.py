"""hOCR 1.2 (Breuel and others), a page of HTML that OCR programs and tools for searchable PDFs read."""

import re

from diffbin.detections import Detections
from diffbin.formats import xml

FIRST = "<!DOCTYPE html><!-- by diffbin -->\n"
BEGINS = re.compile(re.escape(FIRST.strip()).encode() + b"$")  # of what others save, more may stand in the line
HEAD = f"""{FIRST}<html xmlns="http://www.w3.org/1999/xhtml">
 <head>
  <meta charset="utf-8"/>
  <meta name="ocr-system" content="diffbin"/>
  <meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_line ocrx_word"/>
  <title></title>
 </head>
"""


def to_hocr(detections: Detections, image: str) -> str:
    """All regions as lines of one area, without text; `image` is the way to the picture.

    Whole pixels of the upright original, within it: of each region the upright box and its outline; its score in whole
    hundredths, as that of a word without text, for hOCR has none of lines.
    """
    height, width = detections.size
    lines = [
        f'    <span class="ocr_line" id="line_{i}" title="bbox {_box(points)}; poly {_poly(points)}">'
        f'<span class="ocrx_word" title="bbox {_box(points)}; x_wconf {round(100 * float(score))}"></span></span>\n'
        for i, (points, score) in enumerate(zip(xml.whole_pixels(detections), detections.scores, strict=True), 1)
    ]
    title = xml.attribute(f'image "{image}"; bbox 0 0 {width} {height}; ppageno 0')
    area = f'   <div class="ocr_carea" id="area">\n{"".join(lines)}   </div>\n' if lines else ""
    return f'{HEAD} <body>\n  <div class="ocr_page" id="page" title={title}>\n{area}  </div>\n </body>\n</html>\n'


def _box(points: list[tuple[int, int]]) -> str:
    return " ".join(map(str, xml.box(points)))


def _poly(points: list[tuple[int, int]]) -> str:
    return " ".join(f"{x} {y}" for x, y in points)

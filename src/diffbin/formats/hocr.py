"""hOCR 1.2 (Breuel and others), a page of HTML that OCR programs and tools for searchable PDFs read."""

import re

from diffbin.detections import Detections
from diffbin.formats import xml
from diffbin.lines import Line, lines

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
    """All regions as words without text, in the lines of one area; `image` is the way to the picture.

    Whole pixels of the upright original, within it: upright boxes, and the outlines of lines; scores in whole
    hundredths.
    """
    height, width = detections.size
    found = [_line(line, i) for i, line in enumerate(lines(detections), 1)]
    path = image.replace('"', "%22")  # which would end it
    title = xml.attribute(f'image "{path}"; bbox 0 0 {width} {height}; ppageno 0')
    area = f'   <div class="ocr_carea" id="area">\n{"".join(found)}   </div>\n' if found else ""
    return f'{HEAD} <body>\n  <div class="ocr_page" id="page" title={title}>\n{area}  </div>\n </body>\n</html>\n'


def _line(line: Line, number: int) -> str:
    points = xml.whole_pixels(line.polygon, line.words.size)
    words = [
        f'<span class="ocrx_word" title="bbox {_box(xml.whole_pixels(word.polygon, line.words.size))}; '
        f'x_wconf {round(100 * word.score)}"></span>'
        for word in line.words
    ]
    title = f"bbox {_box(points)}; poly {_poly(points)}"
    return f'    <span class="ocr_line" id="line_{number}" title="{title}">{" ".join(words)}</span>\n'


def _box(points: list[tuple[int, int]]) -> str:
    return " ".join(map(str, xml.box(points)))


def _poly(points: list[tuple[int, int]]) -> str:
    return " ".join(f"{x} {y}" for x, y in points)

"""ALTO 4 of the Library of Congress, which libraries and eScriptorium read."""

from itertools import chain

from diffbin.detections import Detections
from diffbin.formats import xml
from diffbin.lines import Line, lines

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"


def to_alto(detections: Detections, image: str) -> str:
    """A block over all that was found, in it lines, and the regions as their words, without text.

    `image` is the way to the picture. Whole pixels of the upright original, within it; scores to four places.
    """
    height, width = detections.size
    found = [_line(line, i) for i, line in enumerate(lines(detections), 1)]
    if found:
        outlines = (xml.whole_pixels(polygon, detections.size) for polygon in detections.polygons)
        place = _place(list(chain.from_iterable(outlines)))
        found = [f'   <TextBlock ID="block" {place}>\n', *found, "   </TextBlock>\n"]
    return (
        f'{xml.first("ALTO")}<alto xmlns="{NAMESPACE}" SCHEMAVERSION="4.4">\n <Description><MeasurementUnit>pixel'
        f"</MeasurementUnit><sourceImageInformation><fileName>{xml.text(image)}</fileName></sourceImageInformation>"
        f'</Description>\n <Layout><Page ID="page" PHYSICAL_IMG_NR="1" HEIGHT="{height}" WIDTH="{width}">\n'
        f'  <PrintSpace HPOS="0" VPOS="0" WIDTH="{width}" HEIGHT="{height}">\n'
        f"{''.join(found)}  </PrintSpace>\n </Page></Layout>\n</alto>\n"
    )


def _line(line: Line, number: int) -> str:
    points = xml.whole_pixels(line.polygon, line.words.size)
    words = [
        f'<String CONTENT="" {_place(xml.whole_pixels(word.polygon, line.words.size))} WC="{word.score:.4f}"/>'
        for word in line.words
    ]
    shape = f'<Shape><Polygon POINTS="{xml.joined(points)}"/></Shape>'
    return f'    <TextLine ID="line_{number}" {_place(points)}>{shape}{"".join(words)}</TextLine>\n'


def _place(points: list[tuple[int, int]]) -> str:
    left, top, right, bottom = xml.box(points)
    return f'HPOS="{left}" VPOS="{top}" WIDTH="{right - left}" HEIGHT="{bottom - top}"'

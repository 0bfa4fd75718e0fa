"""ALTO 4 of the Library of Congress, which libraries and eScriptorium read."""

from itertools import chain

from diffbin.detections import Detections
from diffbin.formats import xml

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"


def to_alto(detections: Detections, image: str) -> str:
    """A block over all that was found, and in it a line each; `image` is the way to the picture.

    Whole pixels of the upright original, within it; scores to four places, as those of a word without text, for ALTO
    has none of lines.
    """
    height, width = detections.size
    outlines = xml.whole_pixels(detections)
    lines = [
        f'    <TextLine ID="line_{i}" {_place(points)}><Shape><Polygon POINTS="{xml.joined(points)}"/></Shape>'
        f'<String CONTENT="" {_place(points)} WC="{score:.4f}"/></TextLine>\n'
        for i, (points, score) in enumerate(zip(outlines, detections.scores, strict=True), 1)
    ]
    if lines:
        place = _place(list(chain.from_iterable(outlines)))
        lines = [f'   <TextBlock ID="block" {place}>\n', *lines, "   </TextBlock>\n"]
    return (
        f'{xml.FIRST}<alto xmlns="{NAMESPACE}" SCHEMAVERSION="4.4">\n <Description><MeasurementUnit>pixel'
        f"</MeasurementUnit><sourceImageInformation><fileName>{xml.text(image)}</fileName></sourceImageInformation>"
        f'</Description>\n <Layout><Page ID="page" PHYSICAL_IMG_NR="1" HEIGHT="{height}" WIDTH="{width}">\n'
        f'  <PrintSpace HPOS="0" VPOS="0" WIDTH="{width}" HEIGHT="{height}">\n'
        f"{''.join(lines)}  </PrintSpace>\n </Page></Layout>\n</alto>\n"
    )


def _place(points: list[tuple[int, int]]) -> str:
    left, top, right, bottom = xml.box(points)
    return f'HPOS="{left}" VPOS="{top}" WIDTH="{right - left}" HEIGHT="{bottom - top}"'

"""PAGE-XML of 2019-07-15, which Transkribus, eScriptorium and OCR-D read."""

from datetime import UTC, datetime
from itertools import chain

from diffbin import __version__
from diffbin.detections import Detections
from diffbin.formats import xml

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"


def to_page(detections: Detections, image: str) -> str:
    """A region over all that was found, and in it a line each; `image` is the way to the picture.

    Whole pixels of the upright original, within it; scores to four places. There are no baselines and no texts.
    """
    height, width = detections.size
    now = datetime.now(UTC).isoformat(timespec="seconds")
    outlines = xml.whole_pixels(detections)
    lines = [
        f'   <TextLine id="line_{i}"><Coords points="{xml.joined(points)}" conf="{score:.4f}"/></TextLine>\n'
        for i, (points, score) in enumerate(zip(outlines, detections.scores, strict=True), 1)
    ]
    if lines:
        left, top, right, bottom = xml.box(list(chain.from_iterable(outlines)))
        corners = xml.joined([(left, top), (right, top), (right, bottom), (left, bottom)])
        lines = [f'  <TextRegion id="region">\n   <Coords points="{corners}"/>\n', *lines, "  </TextRegion>\n"]
    return (
        f'{xml.FIRST}<PcGts xmlns="{NAMESPACE}">\n'
        f" <Metadata><Creator>diffbin {__version__}</Creator><Created>{now}</Created><LastChange>{now}</LastChange>"
        f'</Metadata>\n <Page imageFilename={xml.attribute(image)} imageWidth="{width}" imageHeight="{height}">\n'
        f"{''.join(lines)} </Page>\n</PcGts>\n"
    )

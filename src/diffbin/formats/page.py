"""PAGE-XML of 2019-07-15, which Transkribus, eScriptorium and OCR-D read."""

from datetime import UTC, datetime
from itertools import chain

from diffbin import __version__
from diffbin.detections import Detections, Points
from diffbin.formats import xml
from diffbin.lines import Line, lines

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"


def to_page(detections: Detections, image: str) -> str:
    """A region over all that was found, and in it lines; a line of several regions has them as its words.

    `image` is the way to the picture. Whole pixels of the upright original, within it; scores to four places. There are
    no baselines and no texts.
    """
    height, width = detections.size
    now = datetime.now(UTC).isoformat(timespec="seconds")
    found = [_line(line, i) for i, line in enumerate(lines(detections), 1)]
    if found:
        outlines = (xml.whole_pixels(polygon, detections.size) for polygon in detections.polygons)
        left, top, right, bottom = xml.box(list(chain.from_iterable(outlines)))
        corners = xml.joined([(left, top), (right, top), (right, bottom), (left, bottom)])
        found = [f'  <TextRegion id="region">\n   <Coords points="{corners}"/>\n', *found, "  </TextRegion>\n"]
    return (
        f'{xml.first("PAGE")}<PcGts xmlns="{NAMESPACE}">\n'
        f" <Metadata><Creator>diffbin {__version__}</Creator><Created>{now}</Created><LastChange>{now}</LastChange>"
        f'</Metadata>\n <Page imageFilename={xml.attribute(image)} imageWidth="{width}" imageHeight="{height}">\n'
        f"{''.join(found)} </Page>\n</PcGts>\n"
    )


def _line(line: Line, number: int) -> str:
    words = [
        f'<Word id="word_{number}_{i}">{_coords(word.polygon, line.words.size, word.score)}</Word>'
        for i, word in enumerate(line.words, 1)
    ]
    within = _coords(line.polygon, line.words.size, line.score) + "".join(words if len(words) > 1 else ())
    return f'   <TextLine id="line_{number}">{within}</TextLine>\n'


def _coords(polygon: Points, size: tuple[int, int], score: float) -> str:
    return f'<Coords points="{xml.joined(xml.whole_pixels(polygon, size))}" conf="{score:.4f}"/>'

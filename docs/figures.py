"""Makes the pictures of the documentation: `make figures`."""

from pathlib import Path

import cv2

from diffbin import Detector
from diffbin.data.synth import Synth, contact_sheet
from diffbin.draw import draw
from diffbin.image import load

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "examples"


def main() -> None:
    """The contact sheet of the renderer (procedural backgrounds), and the example pictures with their text outlined."""
    contact_sheet(Synth(words_min=8, empty_ratio=0), seed=100, rows=3, columns=4, out=DOCS / "synth.jpg")
    sheet = cv2.imread(str(DOCS / "synth.jpg"))
    assert sheet is not None
    small = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(DOCS / "synth.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    detector = Detector()
    tiles = [draw(picture, detector(picture)) for picture in map(load, sorted(EXAMPLES.glob("*.jpg"))[1::2])]
    drawn = cv2.resize(cv2.hconcat([tile[:, :, ::-1] for tile in tiles]), (1280, 360), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(DOCS / "result.jpg"), drawn, [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()

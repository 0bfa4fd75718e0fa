"""Makes the pictures of the documentation: `make figures`."""

from pathlib import Path

import cv2

from diffbin import Detector
from diffbin.config import Source
from diffbin.data.synth import Synth, contact_sheet
from diffbin.draw import draw
from diffbin.image import load

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "examples"


def main() -> None:
    """Sheets of the renderer, on made-up grounds and on the example pictures, and these with their text outlined."""
    make_sheet("synth.jpg", Synth(words_min=8, empty_ratio=0), seed=100, rows=3, columns=4)
    originals = Source(images=str(EXAMPLES), labels=str(EXAMPLES / "gt"))
    make_sheet("written.jpg", Synth(originals=originals, words_min=20, empty_ratio=0), seed=4, rows=2, columns=2)
    detector = Detector()
    tiles = [draw(picture, detector(picture)) for picture in map(load, sorted(EXAMPLES.glob("*.jpg"))[1::2])]
    drawn = cv2.resize(cv2.hconcat([tile[:, :, ::-1] for tile in tiles]), (1280, 360), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(DOCS / "result.jpg"), drawn, [cv2.IMWRITE_JPEG_QUALITY, 88])


def make_sheet(name: str, config: Synth, *, seed: int, rows: int, columns: int) -> None:
    """A contact sheet at half its size."""
    contact_sheet(config, seed=seed, rows=rows, columns=columns, out=DOCS / name)
    sheet = cv2.imread(str(DOCS / name))
    assert sheet is not None
    small = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(DOCS / name), small, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()

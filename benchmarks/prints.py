"""Pages of print: `python -m benchmarks.prints`.

A4 pages at the dots per inch that a PDF is drawn at, each of lines of one size in letters of Pillow's own font (a
sans-serif), black on white. For models and sizes of the input: how many of the lines, or of the words, are found at an
IoU over 0.5. There are no photographs here and no wear, so a scan does worse.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from diffbin import Detector
from diffbin.detections import Points
from diffbin.metrics.iou import PictureMatch, compare, score
from diffbin.pages import DPI

A4 = (round(11.69 * DPI), round(8.27 * DPI))  # (h, w)
POINTS = (8, 10, 12)
PAGES = 4  # of each
SIZES = (None, 1240, 1600)  # short sides of the input; None is the model's own
TEXT = (
    "A detector finds where text is and leaves it to others to read it, so what it has to know of letters is little: "
    "that they come in rows, that rows have ends, and that between two words there is more white than between two "
    "letters of one word. On paper nearly all of this holds, and most of what is hard in the street is missing; what "
    "is hard instead is that there is so much of it, and that it is small."
)


def page(points: int, seed: int) -> tuple[NDArray[np.uint8], list[Points], list[Points]]:
    """A picture `(h, w, 3)` uint8 RGB, and the boxes of its lines and of its words, in pixels."""
    rng, words = np.random.default_rng(seed), TEXT.split()
    sheet = Image.new("RGB", (A4[1], A4[0]), "white")
    pen, size = ImageDraw.Draw(sheet), points * DPI / 72
    font = ImageFont.load_default(size)
    left, top, right, bottom = DPI, DPI, A4[1] - DPI, A4[0] - DPI
    lines, single, y, x = list[Points](), list[Points](), float(top), float(left)
    begun = list[Points]()
    for word in rng.choice(words, 2000):
        width = pen.textlength(word, font)
        if x + width > right:
            lines.append(_around(begun))
            begun, x, y = [], float(left), y + 1.3 * size
        if y + size > bottom:
            break
        pen.text((x, y), word, "black", font)
        box = pen.textbbox((x, y), word, font)
        begun.append(np.array([box[:2], (box[2], box[1]), box[2:], (box[0], box[3])], np.float32))
        single.append(begun[-1])
        x += width + pen.textlength(" ", font)
    return np.asarray(sheet), lines, single


def _around(boxes: list[Points]) -> Points:
    (left, top), (right, bottom) = np.concatenate(boxes).min(axis=0), np.concatenate(boxes).max(axis=0)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def measure(model: str, short_px: int | None) -> list[str]:
    """Recall and precision at each size of letters."""
    detector = Detector(model)
    detector = detector.with_size(short_px) if short_px else detector
    cells = []
    for points in POINTS:
        matches = list[PictureMatch]()
        for seed in range(PAGES):
            picture, lines, words = page(points, seed)
            found, wanted = detector(picture), lines if model == "diffbin-lines" else words
            matches.append(compare(wanted, np.zeros(len(wanted), np.bool_), found.polygons, found.scores))
        result = score(matches, detector.decode.score_threshold)
        cells.append(f"{result.hits} of {result.regions}, {result.predictions} answers")
    return [model, str(detector.preprocess.short_px), *cells]


def main() -> None:
    """Prints a table."""
    print(f"| model | short side | {' | '.join(f'{points} points' for points in POINTS)} |")
    print("|---|---|" + "---|" * len(POINTS))
    for model, short_px in product(("diffbin-lines", "diffbin-words"), SIZES):
        print(f"| {' | '.join(measure(model, short_px))} |", flush=True)


if __name__ == "__main__":
    main()

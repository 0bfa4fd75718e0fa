"""Pages of print: `python -m benchmarks.prints`.

A4 pages at the dots per inch that a PDF is drawn at, each of lines of one size in letters of Pillow's own font (a
sans-serif), black on white, the same as if photographed by a telephone: 4000 x 3000 pixels, lying on a table, a little
askew, in uneven light, with some blur and noise, and the same turned by a quarter. For models and ways to look: how
many of the lines, or of the words, are found at an IoU over 0.5, and how many of the lines once the words are joined.
There is no wear here, and no fold, so real ones do worse.
"""

from collections.abc import Callable
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from diffbin import Detector
from diffbin.detections import Points
from diffbin.lines import lines as lines_of
from diffbin.metrics.iou import PictureMatch, compare, score
from diffbin.pages import DPI

A4 = (round(11.69 * DPI), round(8.27 * DPI))  # (h, w)
POINTS = (8, 10, 12)
PAGES = 4  # of each
PHOTOGRAPH = (4000, 3000)  # (h, w)
LOOKS: tuple[tuple[str, int | None], ...] = (("off", None), ("again", None), ("off", 1240), ("off", 1600))
"""How pages are looked at: `tile`, and the short side of the input, where None is the model's own."""
TEXT = (
    "A detector finds where text is and leaves it to others to read it, so what it has to know of letters is little: "
    "that they come in rows, that rows have ends, and that between two words there is more white than between two "
    "letters of one word. On paper nearly all of this holds, and most of what is hard in the street is missing; what "
    "is hard instead is that there is so much of it, and that it is small."
)


Page = tuple[NDArray[np.uint8], list[Points], list[Points]]
"""A picture `(h, w, 3)` uint8 RGB, and the quads of its lines and of its words, in pixels."""


def printed(points: int, seed: int) -> Page:
    """A page as a PDF is drawn."""
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


def photographed(points: int, seed: int) -> Page:
    """The same page on a table."""
    sheet, lines, words = printed(points, seed)
    rng, (height, width) = np.random.default_rng(1000 * points + seed), PHOTOGRAPH
    around = np.array([(0, 0), (A4[1], 0), (A4[1], A4[0]), (0, A4[0])], np.float32)
    edges = np.array([(250, 250), (width - 250, 250), (width - 250, height - 250), (250, height - 250)], np.float32)
    view = cv2.getPerspectiveTransform(around, edges + rng.uniform(-150, 150, (4, 2)).astype(np.float32))
    table = cv2.resize(rng.uniform(60, 120, (20, 15, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    covered = cv2.warpPerspective(np.ones(A4, np.float32), view, (width, height))[..., None]
    light = np.linspace(1, 0.75, width)[:, None]
    seen = table * (1 - covered) + cv2.warpPerspective(sheet, view, (width, height), flags=cv2.INTER_CUBIC) * covered
    picture = cv2.GaussianBlur(seen * light, (0, 0), 1.2) + rng.normal(0, 6, seen.shape)
    moved = [[cv2.perspectiveTransform(quad[None], view)[0] for quad in quads] for quads in (lines, words)]
    return np.clip(picture, 0, 255).astype(np.uint8), moved[0], moved[1]


def on_its_side(points: int, seed: int) -> Page:
    """The same page turned by a quarter, against the clock."""
    sheet, *kinds = printed(points, seed)
    lines, words = ([np.stack([quad[:, 1], A4[1] - quad[:, 0]], axis=1) for quad in quads] for quads in kinds)
    return np.ascontiguousarray(np.rot90(sheet)), lines, words


KINDS: dict[str, Callable[[int, int], Page]] = {
    "printed": printed, "photographed": photographed, "on its side": on_its_side
}  # fmt: skip


def measure(model: str, tile: str, short_px: int | None, kind: str, *, joined: bool) -> list[str]:
    """Recall and precision at each size of letters; of lines of words if `joined`."""
    detector = Detector(model, tile=tile)
    detector = detector.with_size(short_px) if short_px else detector
    cells = []
    for points in POINTS:
        matches = list[PictureMatch]()
        for seed in range(PAGES):
            picture, in_lines, in_words = KINDS[kind](points, seed)
            found, wanted = detector(picture), in_lines if joined or model == "diffbin-lines" else in_words
            polygons, scores = found.polygons, found.scores
            if joined:
                together = lines_of(found)
                polygons = [line.polygon for line in together]
                scores = np.array([line.score for line in together], np.float32)
            matches.append(compare(wanted, np.zeros(len(wanted), np.bool_), polygons, scores))
        result = score(matches, detector.decode.score_threshold)
        cells.append(f"{result.hits} of {result.regions}, {result.predictions} answers")
    size = f"{detector.preprocess.short_px}{', and again' if tile == 'again' else ''}"
    return [f"{model}, joined to lines" if joined else model, kind, size, *cells]


def main() -> None:
    """Prints a table."""
    print(f"| model | pages | short side | {' | '.join(f'{points} points' for points in POINTS)} |")
    print("|---|---|---|" + "---|" * len(POINTS))
    models = (("diffbin-lines", False), ("diffbin-words", False), ("diffbin-words", True))
    for (model, joined), kind, (tile, short_px) in product(models, KINDS, LOOKS):
        print(f"| {' | '.join(measure(model, tile, short_px, kind, joined=joined))} |", flush=True)


if __name__ == "__main__":
    main()

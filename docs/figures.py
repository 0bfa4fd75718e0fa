"""Makes the pictures of the documentation: `make figures`."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from diffbin import Detector
from diffbin.config import Source
from diffbin.data.annotations import list_pictures, read_annotation
from diffbin.data.sample import Sample
from diffbin.data.synth import Renderer, Synth, contact_sheet
from diffbin.data.synth.settings import Scripts
from diffbin.draw import draw, outline
from diffbin.image import load
from diffbin.metrics.iou import compare

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "examples"
FOUND, MISSED, WRONG, IGNORED = (0, 200, 83), (255, 0, 0), (255, 200, 0), (128, 128, 128)  # RGB
SHEET_PX = 1440  # width
SIGNS = Synth(
    unit="line",
    scripts=Scripts(latin=0.5, cjk=0.5),
    spaced_ratio=0.4,
    spaced_max_ratio=1.2,
    vertical_ratio=0.3,
    words_min=4,
    words_max=14,
)


def main() -> None:
    """Sheets of the renderer, on made-up grounds and on the example pictures; these with their text; failures."""
    make_sheet("synth.jpg", Synth(words_min=8, empty_ratio=0), seed=100, rows=3, columns=4)
    pages = Synth(page_ratio=1.0, height_min_px=7, height_max_px=26)
    make_sheet("pages.jpg", pages, seed=8, rows=1, columns=4)
    originals = Source(images=str(EXAMPLES), labels=str(EXAMPLES / "gt"))
    make_sheet("written.jpg", Synth(originals=originals, words_min=20, empty_ratio=0), seed=4, rows=2, columns=2)
    detector = Detector()
    tiles = [draw(picture, detector(picture)) for picture in map(load, sorted(EXAMPLES.glob("*.jpg"))[1::2])]
    drawn = cv2.resize(cv2.hconcat([tile[:, :, ::-1] for tile in tiles]), (1280, 360), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(DOCS / "result.jpg"), drawn, [cv2.IMWRITE_JPEG_QUALITY, 88])
    hard = Source(images="failures", labels="failures/gt")
    labelled = [(load(p.image), read_annotation(hard, p)) for p in list_pictures(hard, str(DOCS))]
    words = [Sample(picture, labels.polygons, labels.ignored, labels.texts) for picture, labels in labelled]
    make_failures("failures_of_words.jpg", detector, words)
    renderer = Renderer(SIGNS)
    make_failures("failures_of_lines.jpg", Detector("diffbin-lines"), [renderer.render(seed) for seed in range(60)])
    make_page("print.jpg")


def make_sheet(name: str, config: Synth, *, seed: int, rows: int, columns: int) -> None:
    """A contact sheet at half its size."""
    contact_sheet(config, seed=seed, rows=rows, columns=columns, out=DOCS / name)
    sheet = cv2.imread(str(DOCS / name))
    assert sheet is not None
    small = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(DOCS / name), small, [cv2.IMWRITE_JPEG_QUALITY, 85])


def make_failures(name: str, detector: Detector, samples: Sequence[Sample]) -> None:
    """The four samples with the most errors, two by two."""
    judged = sorted((mark_errors(detector, sample) for sample in samples), key=lambda pair: -pair[0])
    tiles = [picture[:, :, ::-1] for _, picture in judged[:4]]
    sheet = cv2.vconcat([cv2.hconcat(tiles[:2]), cv2.hconcat(tiles[2:])])
    size = (SHEET_PX, SHEET_PX * sheet.shape[0] // sheet.shape[1])
    sheet = cv2.resize(sheet, size, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(DOCS / name), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])


def make_page(name: str) -> None:
    """A page of print in two columns, its lines numbered in the order of the answer."""
    sheet = Image.new("RGB", (1240, 760), "white")
    pen, small = ImageDraw.Draw(sheet), ImageFont.load_default(21)
    pen.text((620, 60), "Where text is", "black", ImageFont.load_default(44), anchor="mt")
    told = " ".join((DOCS / "conventions.md").read_text().replace("`", "").replace("*", "").split())
    for i, line in enumerate(textwrap.wrap(told[told.index("Sizes") :], 48)[:38]):
        pen.text((110 + 530 * (i >= 20), 140 + 29 * (i % 20) + 9 * (i >= 20)), line, "black", small)
    picture = np.asarray(sheet)
    found = Detector("diffbin-lines").with_size(760)(picture)
    drawn = np.ascontiguousarray(draw(picture, found)[:, :, ::-1])
    for number, polygon in enumerate(found.polygons, 1):
        x, y = polygon[[0, 3]].mean(axis=0).tolist()
        size = cv2.getTextSize(str(number), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 2)[0]
        place = (round(x) - size[0] - 8, round(y) + size[1] // 2)
        cv2.putText(drawn, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 200), 2, cv2.LINE_AA)
    drawn = cv2.resize(drawn, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(DOCS / name), drawn, [cv2.IMWRITE_JPEG_QUALITY, 80])


def mark_errors(detector: Detector, sample: Sample) -> tuple[int, NDArray[np.uint8]]:
    """How many labels were missed and answers are wrong, and the picture with labels and wrong answers outlined."""
    found = detector(sample.picture)
    iou = compare(sample.polygons, np.zeros(len(sample.polygons), np.bool_), found.polygons, found.scores).iou
    hit = (iou > 0.5).any(axis=1)
    alone = [compare(sample.polygons, sample.ignored, [p], np.ones(1, np.float32)).iou for p in found.polygons]
    wrong = [p for p, one in zip(found.polygons, alone, strict=True) if one.shape[1] and not (one > 0.5).any()]
    groups = {IGNORED: sample.ignored, FOUND: hit & ~sample.ignored, MISSED: ~hit & ~sample.ignored}
    picture = sample.picture
    for colour, chosen in groups.items():
        picture = outline(picture, [p for p, one in zip(sample.polygons, chosen, strict=True) if one], colour)
    return int(groups[MISSED].sum()) + len(wrong), outline(picture, wrong, WRONG)


if __name__ == "__main__":
    main()

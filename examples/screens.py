"""Screens of HTML pages with a box for each word, to train on or to measure with, in the format icdar:

    python examples/screens.py OUT COUNT FOLDER...

The folders give a page each by turns, any that lies below them: some part of it, on a desk or a telephone, light or
dark, of one to two dots for a pixel of CSS. Where words are the browser tells; each box is drawn tight around what
differs from its ground. What is cut off, hidden or has no letter is not cared for. The same call gives the same
pictures, as far as the browser, the fonts and the pages are the same.

Needs `pip install playwright` and a Chromium, whose file CHROMIUM may name. Pages are opened without a network.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.data.labels import ICDAR_IGNORED
from diffbin.files import write_whole
from diffbin.formats.icdar import line

VIEWS = ((1280, 800), (1366, 768), (1000, 700), (420, 800))  # (width, height), in pixels of CSS
DOTS, ZOOMS, SCHEMES = (1, 1, 1.25, 1.5, 2), (0.8, 1, 1, 1.2, 1.5), ("light", "light", "dark")
LEAST_WORDS = 15
LEAST_HEIGHT_PX, LEAST_INSIDE = 5, 0.7
CONTRAST = 40  # levels of the strongest channel between ink and ground
PAD_RATIO = 0.04  # of the height, on each side, as `diffbin synth` has it
SEED = 4
TRIES = 20  # pages in a row that cannot be used, after which the set is given up

WORDS = r"""() => {
  const found = [], nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const node = nodes.currentNode, parent = node.parentElement, style = getComputedStyle(parent);
    if (style.visibility != "visible" || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(parent.tagName)) continue;
    for (const word of node.data.matchAll(/\S+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      for (const box of range.getClientRects()) {
        if (box.width <= 1 || box.height <= 3) continue;
        const top = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
        const seen = top && (parent.contains(top) || top.contains(parent));
        found.push([box.left, box.top, box.right, box.bottom, seen ? word[0] : ""]);
      }
    }
  }
  return found;
}"""

Word = tuple[float, float, float, float, str]
"""Left, top, right and bottom in pixels of CSS, and the text; "" where something lies over it."""


def main(out: str, count: str, *folders: str) -> None:
    """See above."""
    from playwright.sync_api import sync_playwright

    pages = [sorted(Path(folder).rglob("*.html")) for folder in folders]
    if not folders or not all(pages):
        sys.exit("Name folders with .html files, each with one at least.")
    for name in ("images", "gt"):
        (Path(out) / name).mkdir(parents=True, exist_ok=True)
    rng, done, failures = Random(SEED), 0, 0
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox"])
        while done < int(count):
            png, labels = screen(browser, rng.choice(pages[done % len(pages)]), rng)
            failures = failures + 1 if len(labels) < LEAST_WORDS else 0
            if failures > TRIES:
                sys.exit(f"{TRIES} pages in a row cannot be opened, or show less than {LEAST_WORDS} words.")
            if not failures:
                write_whole(Path(out) / "images" / f"{done:03d}.png", png)
                write_whole(Path(out) / "gt" / f"gt_{done:03d}.txt", "".join(labels).encode())
                done += 1


def screen(browser: Any, path: Path, rng: Random) -> tuple[bytes, list[str]]:
    """A PNG of a part of the page and the lines of its label file; none of a page that cannot be opened."""
    from playwright.sync_api import Error

    dots, (width, height), scheme = rng.choice(DOTS), rng.choice(VIEWS), rng.choice(SCHEMES)
    zoom, where = rng.choice(ZOOMS), rng.random()
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=dots, color_scheme=scheme, offline=True
    )
    try:
        page = context.new_page()
        page.goto(path.resolve().as_uri())
        page.add_style_tag(content=f"body {{ zoom: {zoom} }}")
        page.evaluate(f"scrollTo(0, {where} * (document.documentElement.scrollHeight - innerHeight))")
        page.wait_for_timeout(150)  # for what is drawn late
        png = page.screenshot()
        return png, labels_of(png, page.evaluate(WORDS), dots)
    except Error as error:
        print(f"{path} is left out: {error.message.splitlines()[0]}", file=sys.stderr)
        return b"", []
    finally:
        context.close()


def labels_of(png: bytes, words: Sequence[Word], dots: float) -> list[str]:
    """The lines of the label file for words on a screen of `dots` for a pixel of CSS."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    h, w = picture.shape[:2]
    labels = []
    for *box, text in words:
        left, top, right, bottom = (float(value) * dots for value in box)
        x, y = min(max(int(left), 0), w), min(max(int(top), 0), h)
        cell = picture[y : max(round(bottom + 0.5), 0), x : max(round(right + 0.5), 0)]
        if not (inked := ink(cell)):
            continue
        x0, y0, x1, y1 = x + inked[0], y + inked[1], x + inked[2], y + inked[3]
        inside = cell.shape[0] * cell.shape[1] / ((right - left) * (bottom - top))
        read = any(map(str.isalnum, text)) and y1 - y0 >= LEAST_HEIGHT_PX and inside >= LEAST_INSIDE
        pad = PAD_RATIO * (y1 - y0) + 0.5
        corners = [(x0 - pad, y0 - pad), (x1 + pad, y0 - pad), (x1 + pad, y1 + pad), (x0 - pad, y1 + pad)]
        labels.append(line(np.array(corners, np.float32), text if read else ICDAR_IGNORED))
    return labels


def ink(cell: NDArray[Any]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of what differs from the commonest colour; None where nothing does."""
    if min(cell.shape[:2]) < 2:
        return None
    colours, counts = np.unique(cell.reshape(-1, 3) // 8, axis=0, return_counts=True)
    ground = colours[counts.argmax()].astype(np.int16) * 8 + 4
    rows, columns = np.nonzero(np.abs(cell - ground).max(axis=2) > CONTRAST)
    return (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1) if len(rows) else None


if __name__ == "__main__":
    main(*sys.argv[1:])

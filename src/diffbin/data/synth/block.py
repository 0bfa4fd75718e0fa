"""A block of text set flat: its ink, and the tight box of each word."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from diffbin.data.synth.pixels import Picture

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the block; (0, 0) is the top left corner of its top left pixel."""
Boxes = list[tuple[str, Box]]


@dataclass(frozen=True)
class Setting:
    """How lines are set. Lengths are shares of the font's em."""

    gap_ratio: float  # white between two words
    leading_ratio: float  # from baseline to baseline
    tracking_ratio: float  # added between letters
    align: float  # 0 left, 0.5 centred, 1 right
    leftwards: bool  # words follow one another from right to left
    downwards: bool = False  # letters stand below one another, and lines follow from right to left


@dataclass(frozen=True)
class Line:
    """Words in reading order and their font."""

    words: Sequence[str]
    font: ImageFont.FreeTypeFont


@dataclass(frozen=True)
class Region:
    """A labelled piece of a block."""

    text: str
    box: Box
    line: int  # number of its line in the block


@dataclass(frozen=True, eq=False)
class Block:
    """`ink` is `(h, w)` uint8, 255 = covered, cropped to the text; `words` are in reading order."""

    ink: Picture
    words: Sequence[Region]

    def lines(self) -> list[Region]:
        """One region a line: its words' boxes in one."""
        numbers = sorted({word.line for word in self.words})
        return [_union([word for word in self.words if word.line == number]) for number in numbers]


def _union(words: Sequence[Region]) -> Region:
    x0, y0, x1, y1 = zip(*(word.box for word in words), strict=True)
    text = " ".join(word.text for word in words)
    return Region(text=text, box=(min(x0), min(y0), max(x1), max(y1)), line=words[0].line)


def set_block(lines: Sequence[Line], setting: Setting) -> Block:
    """Draws the lines below one another, or beside one another where they run downwards.

    Words without ink are left out; a block may come out empty (0 x 0).
    """
    return _set_columns(lines, setting) if setting.downwards else _set_rows(lines, setting)


def _set_rows(lines: Sequence[Line], setting: Setting) -> Block:
    drawn = [_draw_line(line, setting) for line in lines]
    width = max(ink.shape[1] for ink, _, _ in drawn)
    baselines = [0.0]
    for line in lines[1:]:
        baselines.append(baselines[-1] + line.font.size * setting.leading_ratio)
    tops = [round(y) - base for y, (_, base, _) in zip(baselines, drawn, strict=True)]
    corners = [(round((width - ink.shape[1]) * setting.align), top - min(tops))
               for top, (ink, _, _) in zip(tops, drawn, strict=True)]  # fmt: skip
    return _join([(ink, boxes) for ink, _, boxes in drawn], corners)


def _set_columns(lines: Sequence[Line], setting: Setting) -> Block:
    drawn = [_draw_column(line, setting) for line in lines]
    height = max(ink.shape[0] for ink, _ in drawn)
    edges = [edge * setting.leading_ratio for edge in accumulate(line.font.size for line in lines)]
    corners = [(round(edges[-1] - edge), round((height - ink.shape[0]) * setting.align))
               for edge, (ink, _) in zip(edges, drawn, strict=True)]  # fmt: skip
    return _join(drawn, corners)


def _join(drawn: Sequence[tuple[Picture, Boxes]], corners: Sequence[tuple[int, int]]) -> Block:
    """The lines in one block, each with its top left corner, (x, y), where it is wanted."""
    width, height = np.max([(x + ink.shape[1], y + ink.shape[0])
                            for (x, y), (ink, _) in zip(corners, drawn, strict=True)], axis=0)  # fmt: skip
    whole = np.zeros((height, width), np.uint8)
    words = []
    for number, ((x, y), (ink, boxes)) in enumerate(zip(corners, drawn, strict=True)):
        part = whole[y : y + ink.shape[0], x : x + ink.shape[1]]
        np.maximum(part, ink, out=part)
        words += [Region(text, (b[0] + x, b[1] + y, b[2] + x, b[3] + y), number) for text, b in boxes]
    return _crop(whole, words)


def _crop(ink: Picture, words: Sequence[Region]) -> Block:
    x, y, w, h = cv2.boundingRect(ink)
    moved = [Region(r.text, (r.box[0] - x, r.box[1] - y, r.box[2] - x, r.box[3] - y), r.line) for r in words]
    return Block(ink=ink[y : y + h, x : x + w], words=moved)


def _draw_line(line: Line, setting: Setting) -> tuple[Picture, int, Boxes]:
    """Its ink, the row of its baseline, and the box of each word."""
    font, em = line.font, line.font.size
    gap, tracking = em * setting.gap_ratio, em * setting.tracking_ratio
    ascent, descent = font.getmetrics()
    base, margin = round(max(ascent, em) * 1.15), round(em * 0.4) + 1
    lengths = [font.getlength(word) + tracking * (len(word) - 1) for word in line.words]
    size = (round(sum(lengths) + gap * len(lengths)) + 2 * margin, base + round(max(descent, em * 0.4) * 1.15) + 2)
    picture = Image.new("L", size)
    draw, x, spans = ImageDraw.Draw(picture), float(margin), {}
    order = range(len(lengths))
    for i in reversed(order) if setting.leftwards else order:
        _draw_word(draw, line.words[i], font, (x, base), tracking)
        spans[i] = (x, x + lengths[i])
        x += lengths[i] + gap
    ink = np.asarray(picture)
    boxes = [(line.words[i], _ink_box(ink, spans[i][0] - gap / 2, spans[i][1] + gap / 2)) for i in order]
    return ink, base, [(text, box) for text, box in boxes if box is not None]


def _draw_column(line: Line, setting: Setting) -> tuple[Picture, Boxes]:
    """The ink of a line that runs downwards, and the box of each word."""
    font, em = line.font, line.font.size
    step, gap = em * (1 + setting.tracking_ratio), em * setting.gap_ratio
    letters = sum(map(len, line.words))
    margin = round(em * 0.4) + 1
    picture = Image.new("L", (round(em) + 2 * margin, round(letters * step + len(line.words) * gap) + 2 * margin))
    draw, y, spans = ImageDraw.Draw(picture), float(margin), []
    for word in line.words:
        top = y
        for letter in word:
            draw.text((picture.width / 2, y + em / 2), letter, fill=255, font=font, anchor="mm")
            y += step
        spans.append((top, y))
        y += gap
    turned = np.ascontiguousarray(np.asarray(picture).T)
    boxes = []
    for word, (top, bottom) in zip(line.words, spans, strict=True):
        if box := _ink_box(turned, top - gap / 2, bottom + gap / 2):
            boxes.append((word, (box[1], box[0], box[3], box[2])))
    return np.asarray(picture), boxes


def _draw_word(
    draw: ImageDraw.ImageDraw, word: str, font: ImageFont.FreeTypeFont, start: tuple[float, float], tracking: float
) -> None:
    if not tracking:
        draw.text(start, word, fill=255, font=font, anchor="ls")
        return
    x, y = start
    for letter in word:
        draw.text((x, y), letter, fill=255, font=font, anchor="ls")
        x += font.getlength(letter) + tracking


def _ink_box(ink: Picture, x0: float, x1: float) -> Box | None:
    """Where columns x0 to x1 are inked; the faint rim of anti-aliasing does not count."""
    left = max(round(x0), 0)
    cell = ink[:, left : round(x1)]
    if not cell.size or not (top := int(cell.max())):
        return None
    x, y, w, h = cv2.boundingRect((cell > top // 4).view(np.uint8))
    return (left + x, y, left + x + w, y + h)

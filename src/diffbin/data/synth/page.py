"""Pages of print and screens full of it: columns of headings, paragraphs, lists, tables, prices and code, set flat."""

from collections.abc import Callable, Sequence
from random import Random

from diffbin.data.synth import background, corpus, fonts
from diffbin.data.synth.colour import draw_ink
from diffbin.data.synth.fonts import FontBook
from diffbin.data.synth.pen import Font, Page, Pen, Style, draw_style
from diffbin.data.synth.settings import Synth
from diffbin.data.synth.words import PROBES

Place = tuple[float, float, float]
"""Where a piece of a page begins and how wide it is: left, top, width."""


def draw_page(rng: Random, config: Synth, book: FontBook, size: tuple[int, int]) -> Page:
    """A page of `size` (h, w) pixels, full of text; what does not fit is cut off at its lower edge."""
    pen = Pen(draw_style(rng, config, book), size)
    em, (h, w) = pen.style.em_px, size
    pieces, weights = zip(*rng.choice(KINDS), strict=True)
    margin = rng.uniform(0.5, 4) * em
    top = _bar(rng, pen, (0, 0, w)) if _bar in pieces else margin
    if rng.random() < 0.3:
        top = _heading(rng, pen, (margin, top, w - 2 * margin))
    number = rng.choice([n for n in (1, 1, 1, 2, 2, 3) if n == 1 or w / n > 14 * em])
    gutter = rng.uniform(1, 3) * em
    wide = (w - 2 * margin - (number - 1) * gutter) / number
    for column in range(number):
        left, y = margin + column * (wide + gutter), top + rng.uniform(0, 2) * em
        while y < h:
            piece = rng.choices(pieces, weights)[0]
            y = piece(rng, pen, (left, y, wide)) + rng.uniform(0.2, 1.8) * em
    return pen.page()


def _prose(rng: Random, style: Style, count: int, *, heading: bool = False) -> list[str]:
    """Words that the font has all letters of."""
    path, words = style.heading_path if heading else style.path, corpus.prose(rng, style.script, count)
    return [word for word in words if fonts.drawable(path, word) == word] or [PROBES[style.script][0]]


def _drawable(text: str, style: Style) -> str:
    """Without what the font lacks, such as signs of currencies."""
    return fonts.drawable(style.path, text) or PROBES[style.script][0]


def _wrapped(words: Sequence[str], font: Font, width: float, pen: Pen) -> list[list[str]]:
    lines: list[list[str]] = [[]]
    for word in words:
        if lines[-1] and pen.width([*lines[-1], word], font) > width:
            lines.append([])
        lines[-1].append(word)
    return lines


def _paragraph(rng: Random, pen: Pen, place: Place) -> float:
    return _set_text(rng, pen, place, words=rng.randint(8, 90))


def _set_text(rng: Random, pen: Pen, place: Place, *, words: int) -> float:
    """Wrapped text; the height at which it ends."""
    (left, y, width), style, font = place, pen.style, pen.style.font()
    lines = _wrapped(_prose(rng, style, words), font, width, pen)
    for number, line in enumerate(lines, 1):
        y += font.size * style.leading_ratio
        spare = width - pen.width(line, font)
        stretched = style.justified and number < len(lines) and 0 < spare < 0.5 * font.size * len(line)
        gap = pen.gap(font) + (spare / max(len(line) - 1, 1) if stretched else 0)
        colours = [style.accent if rng.random() < style.accent_ratio else style.ink for _ in line]
        pen.line(line, font, (left, y), gap=gap, colours=colours)
    return y


def _heading(rng: Random, pen: Pen, place: Place) -> float:
    left, y, width = place
    font = pen.style.font(rng.uniform(1.1, 2.6), heading=True)
    words = [word[:1].upper() + word[1:] for word in _prose(rng, pen.style, rng.randint(1, 7), heading=True)]
    colour = pen.style.accent if rng.random() < 0.3 else pen.style.ink
    centred = rng.random() < 0.25
    for line in _wrapped(words, font, width, pen):
        y += 1.25 * font.size
        start = left + (centred and max(width - pen.width(line, font), 0) / 2)
        pen.line(line, font, (start, y), colours=[colour] * len(line))
    if rng.random() < 0.2:
        y = _rule(rng, pen, (left, y + 0.3 * font.size, width))
    return y


def _list(rng: Random, pen: Pen, place: Place) -> float:
    (left, y, width), font, em = place, pen.style.font(), pen.style.em_px
    numbered, indent = rng.random() < 0.35, rng.uniform(1.2, 2.5) * em
    for number in range(1, rng.randint(3, 9)):
        baseline = y + em * pen.style.leading_ratio
        if numbered:
            pen.line([f"{number}."], font, (left, baseline))
        else:
            r, middle = max(0.13 * em, 1), (left + 0.6 * indent, baseline - 0.3 * em)
            pen.on_sheet.ellipse((middle[0] - r, middle[1] - r, middle[0] + r, middle[1] + r), pen.style.ink)
        y = _set_text(rng, pen, (left + indent, y, width - indent), words=rng.randint(1, 14)) + rng.uniform(0, 0.4) * em
    return y


def _table(rng: Random, pen: Pen, place: Place) -> float:
    (left, y, width), style, font = place, pen.style, pen.style.font()
    grid = rng.random() < 0.25  # of marks or small numbers
    columns, step = rng.randint(2, 12 if grid else 6), style.em_px * rng.uniform(1.3, 2.4)
    while columns > 1 and width / columns < (2 if grid else 5) * style.em_px:
        columns -= 1
    rows, cell, banded = rng.randint(2, 12), width / columns, rng.random() < 0.4
    head = draw_ink(rng, style.band, faint=False) if banded else style.ink
    if banded:
        pen.on_sheet.rectangle((left, y, left + width, y + step), style.band)
    says = [corpus.lone if grid or rng.random() < 0.15 else corpus.figure for _ in range(columns)]
    for row in range(rows):
        for column in range(columns):
            numeric = (column > 0 or grid) and rng.random() < (0.9 if grid else 0.6)
            words = [_drawable(says[column](rng), style)] if numeric else _prose(rng, style, rng.randint(1, 3))
            while len(words) > 1 and pen.width(words, font) > cell - style.em_px:
                words.pop()
            spare = cell - pen.width(words, font)
            if spare > 0.3 * style.em_px:
                x = left + column * cell + (0.9 * spare if numeric else 0.3 * style.em_px)
                pen.line(words, font, (x, y + 0.7 * step), colours=[style.ink if row else head] * len(words))
        y += step
        if style.ruled:
            pen.on_sheet.line((left, y, left + width, y), style.ink)
    return y


def _prices(rng: Random, pen: Pen, place: Place) -> float:
    """What stands on bills and menus: words on the left, a figure on the right."""
    (left, y, width), style, font, em = place, pen.style, pen.style.font(), pen.style.em_px
    right, dotted = left + width * rng.uniform(0.6, 1), rng.random() < 0.25
    for _ in range(rng.randint(2, 12)):
        y += em * style.leading_ratio
        words, price = _prose(rng, style, rng.randint(1, 4)), _drawable(corpus.figure(rng), style)
        start = right - font.getlength(price)
        while len(words) > 1 and left + pen.width(words, font) > start - em:
            words.pop()
        fits = left + pen.width(words, font) < start
        x = pen.line(words, font, (left, y)) if fits else start
        while dotted and x < start - 0.5 * em:
            pen.on_sheet.point((x, y - 1), style.ink)
            x += 0.3 * em
        pen.line([price], font, (start, y))
    return y


def _code(rng: Random, pen: Pen, place: Place) -> float:
    (left, y, width), style, font = place, pen.style, pen.style.font(0.9)
    lines, step = rng.randint(2, 12), 0.9 * style.em_px * style.leading_ratio
    pen.on_sheet.rectangle((left, y, left + width, y + (lines + 0.8) * step), style.band)
    colours = [draw_ink(rng, style.band, faint=False) for _ in range(3)]
    for _ in range(lines):
        y += step
        words = [_drawable(corpus.token(rng), style) for _ in range(rng.randint(1, 6))]
        x = left + rng.choice((0.5, 0.5, 2.5, 2.5, 4.5)) * style.em_px
        while words and x + pen.width(words, font) > left + width:
            words.pop()
        pen.line(words, font, (x, y), colours=[rng.choice(colours) for _ in words])
    return y + 0.8 * step


def _bar(rng: Random, pen: Pen, place: Place) -> float:
    """Menus, tabs and buttons: a few words far apart on a band."""
    (left, top, width), style = place, pen.style
    font, step = style.font(rng.uniform(0.85, 1.2)), style.em_px * rng.uniform(1.6, 3)
    pen.on_sheet.rectangle((left, top, left + width, top + step), style.band)
    colour, x = draw_ink(rng, style.band, faint=False), left + rng.uniform(0.5, 2) * style.em_px
    boxed, gap = rng.random() < 0.3, rng.uniform(0.8, 3) * style.em_px
    while x < left + width:
        words = _prose(rng, style, rng.choice((1, 1, 2)))
        if x + pen.width(words, font) > left + width:
            break
        start = (x, top + step / 2 + 0.35 * font.size)
        end = pen.line(words, font, start, colours=[colour] * len(words)) - pen.gap(font)
        if boxed:
            button = (x - 0.4 * gap, top + 0.15 * step, end + 0.4 * gap, top + 0.85 * step)
            pen.on_sheet.rectangle(button, outline=colour)
        x = end + gap
    return top + step


def _rule(rng: Random, pen: Pen, place: Place) -> float:
    left, y, width = place
    pen.on_sheet.line((left, y, left + width, y), pen.style.band, rng.choice((1, 1, 2, 3)))
    return y + 2


def _picture(rng: Random, pen: Pen, place: Place) -> float:
    (left, y, width), height = place, round(place[2] * rng.uniform(0.2, 0.8))
    if width < 32 or height < 32:
        return y
    pen.paste(background.make_surface(rng, (height, round(width))), left, y)
    return y + height


Piece = Callable[[Random, Pen, Place], float]
"""Draws a part of a page; the height at which it ends."""

KINDS: tuple[tuple[tuple[Piece, int], ...], ...] = (
    ((_paragraph, 10), (_heading, 3), (_list, 2), (_picture, 2), (_rule, 1)),
    ((_paragraph, 10), (_heading, 2), (_table, 2), (_list, 1)),
    ((_prices, 6), (_heading, 2), (_table, 4), (_rule, 2), (_paragraph, 2)),
    ((_bar, 2), (_paragraph, 4), (_heading, 2), (_code, 4), (_list, 3), (_table, 2), (_picture, 1)),
)  # fmt: skip
"""What a page may be made of, and how often: an article, a report, a bill, a screen."""

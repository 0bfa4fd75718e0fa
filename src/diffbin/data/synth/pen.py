"""What a page is drawn with: its style, and a pen that keeps the boxes of the words."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from diffbin.data.synth import fonts
from diffbin.data.synth.block import Block, Region
from diffbin.data.synth.colour import Colour, draw_ink, draw_sign
from diffbin.data.synth.compose import CAPITAL_RATIO, LEAST_EM_PX
from diffbin.data.synth.fonts import FontBook
from diffbin.data.synth.pixels import Picture
from diffbin.data.synth.settings import Synth

LEAST_GAP_RATIO = 0.18  # of the em; some fonts have no white of their own
CLEAR = [0] * 64 + [255] * 192  # the faint rim of anti-aliasing does not count
TEXT_FAMILY = 4  # files, regular, bold and so on, that a family made for reading has at least
SCRIPTS = (
    "latin", "cyrillic", "greek", "devanagari", "hangul", "bengali", "gurmukhi", "gujarati", "tamil", "telugu",
    "kannada", "malayalam", "georgian", "armenian", "ethiopic",
)  # fmt: skip
"""Of pages: written from left to right, with white between words; lines also in CJK."""

Font: TypeAlias = ImageFont.FreeTypeFont


@dataclass(frozen=True, eq=False)
class Page(Block):
    """A block as large as the page, and the whole as it looks: `picture` is `(h, w, 3)` uint8 RGB."""

    picture: Picture


@dataclass(frozen=True)
class Style:
    """What a page has in common. Lengths are pixels or shares of the font's em."""

    script: str
    path: str
    heading_path: str
    em_px: int  # of the text
    leading_ratio: float  # from baseline to baseline
    gap_ratio: float  # white between words, as a share of the font's own
    justified: bool
    accent_ratio: float  # words in another colour
    underlined: bool  # those words
    ruled: bool  # tables have lines
    ground: Colour
    ink: Colour
    accent: Colour
    band: Colour  # behind bars, table heads and code

    def font(self, scale: float = 1.0, *, heading: bool = False) -> Font:
        """The font of the text, or of headings."""
        size = max(round(self.em_px * scale), LEAST_EM_PX)
        return fonts.load(self.heading_path if heading else self.path, size, self.script)


class Pen:
    """Draws words on a page and keeps their boxes."""

    def __init__(self, style: Style, size: tuple[int, int]) -> None:
        self.style = style
        self._sheet = Image.new("RGB", size[::-1], style.ground)
        self._ink = Image.new("L", size[::-1])
        self.on_sheet, self._on_ink = ImageDraw.Draw(self._sheet), ImageDraw.Draw(self._ink)
        self._words, self._lines = list[Region](), 0

    def page(self) -> Page:
        """What has been drawn."""
        return Page(np.array(self._ink), self._words, np.array(self._sheet))

    def paste(self, picture: Picture, left: float, top: float) -> None:
        """A picture among the text."""
        self._sheet.paste(Image.fromarray(picture), (round(left), round(top)))

    def gap(self, font: Font) -> float:
        """The white between two words, in pixels."""
        return max(font.getlength(" "), LEAST_GAP_RATIO * font.size) * self.style.gap_ratio

    def width(self, words: Sequence[str], font: Font) -> float:
        """Of a line, in pixels."""
        return sum(map(font.getlength, words)) + self.gap(font) * max(len(words) - 1, 0)

    def line(
        self,
        words: Sequence[str],
        font: Font,
        start: tuple[float, float],
        *,
        gap: float | None = None,
        colours: Sequence[Colour] = (),
    ) -> float:
        """Words on a baseline from `start` (x, y) on; where they end. `colours` has one for each of them."""
        x, y = start
        self._lines += 1
        for word, fill in zip(words, colours or [self.style.ink] * len(words), strict=True):
            at, length = (round(x), round(y)), font.getlength(word)
            self.on_sheet.text(at, word, fill, font, anchor="ls")
            self._on_ink.text(at, word, 255, font, anchor="ls")
            if fill == self.style.accent and self.style.underlined:
                below = at[1] + max(round(font.size * 0.12), 1)
                self.on_sheet.line((at[0], below, at[0] + length, below), fill, max(round(font.size * 0.06), 1))
            x0, y0, x1, y1 = map(round, self._on_ink.textbbox(at, word, font, anchor="ls"))  # as wide as the advance
            if inked := self._ink.crop((x0, y0, x1, y1)).point(CLEAR).getbbox():
                box = (x0 + inked[0], y0 + inked[1], x0 + inked[2], y0 + inked[3])
                self._words.append(Region(word, box, self._lines))
            x += length + (self.gap(font) if gap is None else gap)
        return x


def page_weights(config: Synth, book: FontBook) -> dict[str, float]:
    """How often pages are of each script that the fonts cover; Latin where the config asks for none of `SCRIPTS`."""
    known = SCRIPTS if config.unit == "word" else (*SCRIPTS, "cjk")
    wanted = {name: vars(config.scripts)[name] for name in known}
    return book.covered(wanted) or book.covered({"latin": 1.0})


def draw_style(rng: Random, config: Synth, book: FontBook) -> Style:
    """A style in one of the scripts of `page_weights`."""
    weights = page_weights(config, book)
    script = rng.choices(list(weights), list(weights.values()))[0]
    height = config.height_min_px * (config.height_max_px / config.height_min_px) ** (rng.random() ** 1.5)
    ground = _draw_ground(rng)
    dark = sum(ground) < 300
    plain: Colour = (rng.randint(200, 255),) * 3 if dark else (rng.randint(0, 75),) * 3
    path = _draw_face(rng, book, script)
    return Style(
        script=script,
        path=path,
        heading_path=path if rng.random() < 0.3 else _draw_face(rng, book, script),
        em_px=max(round(height / CAPITAL_RATIO.get(script, 0.7)), LEAST_EM_PX),
        leading_ratio=rng.uniform(1.1, 1.4) if rng.random() < 0.6 else rng.uniform(1.4, 1.9),
        gap_ratio=0.0 if script == "cjk" else rng.uniform(0.9, 1.15) if rng.random() < 0.85 else rng.uniform(1.15, 2.2),
        justified=rng.random() < 0.35,
        accent_ratio=rng.choice((0.0, 0.0, 0.03, 0.1, 0.3)),
        underlined=rng.random() < 0.4,
        ruled=rng.random() < 0.5,
        ground=ground,
        ink=plain if rng.random() < 0.8 else draw_ink(rng, ground, faint=rng.random() < 0.3),
        accent=draw_ink(rng, ground, faint=False),
        band=draw_sign(rng, 0.7) if rng.random() < 0.5 else _shifted(ground, rng.randint(-40, 40)),
    )


def _draw_ground(rng: Random) -> Colour:
    """Paper, a dark screen, or any colour."""
    kind = rng.random()
    if kind < 0.65:
        return _shifted((rng.randint(244, 255), rng.randint(242, 255), rng.randint(230, 255)), -rng.choice((0, 0, 25)))
    return _shifted((20, 20, 24), rng.randint(0, 40)) if kind < 0.83 else draw_sign(rng, 0.7)


def _shifted(colour: Colour, by: int) -> Colour:
    r, g, b = (min(max(value + by, 0), 255) for value in colour)
    return r, g, b


def _draw_face(rng: Random, book: FontBook, script: str) -> str:
    """Mostly of a family made for reading."""
    reading = [family for family in book.families(script) if len(family) >= TEXT_FAMILY]
    if not reading or rng.random() < 0.3:
        return book.draw_path(rng, script)
    path = rng.choice(rng.choice(reading))
    return path if fonts.covers(path, script) else book.draw_path(rng, script)

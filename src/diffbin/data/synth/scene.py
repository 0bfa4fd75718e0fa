"""Rendered text: a background, clutter, blocks of text, a camera. Everything follows from the config and one seed."""

import math
from random import Random

import cv2
import numpy as np

from diffbin.data.sample import Sample
from diffbin.data.synth import background, degrade
from diffbin.data.synth.block import Block, Box, Region
from diffbin.data.synth.canvas import Canvas
from diffbin.data.synth.clutter import add_clutter
from diffbin.data.synth.compose import draw_words, lay_out
from diffbin.data.synth.fonts import FontBook
from diffbin.data.synth.labels import LEAST_INSIDE, cut, legible
from diffbin.data.synth.originals import Originals
from diffbin.data.synth.page import draw_page
from diffbin.data.synth.paint import draw_look, frame, paint
from diffbin.data.synth.pen import page_weights
from diffbin.data.synth.pixels import Picture
from diffbin.data.synth.settings import Synth
from diffbin.data.synth.warp import draw_arc, draw_warp, quarter_warp, turn_layer
from diffbin.detections import Points
from diffbin.errors import ConfigError

FLAT_RATIO = 0.6  # of the pages: scans and screens; the others are photographed
FAILURES = 5  # blocks without room after which a picture counts as full

Label = tuple[str, Points]


class Renderer:
    """Draws samples. `render` is a pure function of the config (with the files it names) and the seed."""

    def __init__(self, config: Synth) -> None:
        self.config = config
        self._book = FontBook(config.fonts)
        self._check_scripts()
        self._photos = background.list_photos(config.backgrounds)
        self._originals = Originals(config.originals) if config.originals.images else None

    def _check_scripts(self) -> None:
        """`ConfigError` where no font has a script that is asked for."""
        fonts = f"font of {self.config.fonts}" if self.config.fonts else "font of the system"
        if not self._book.covered(vars(self.config.scripts)):
            wanted = ", ".join(name for name, weight in vars(self.config.scripts).items() if weight > 0) or "none"
            raise ConfigError(f"No {fonts} has a script that is asked for (scripts: {wanted}); name others, or fonts.")
        if self.config.page_ratio and not page_weights(self.config, self._book):
            raise ConfigError(f"No {fonts} has a script that pages are drawn in; leave page_ratio at 0.")

    def render(self, seed: int) -> Sample:
        """The picture of this seed, of `config.size_px`; or an original of its own size, its own regions first.

        Polygons are clockwise from the text's own top left and inside the picture: four points, more along an arc or
        at the picture's edge. Text that nobody could read is `ignored`; `texts` has it all the same.
        """
        rng = Random(seed)
        if self._originals:
            return self._write_on(rng, self._originals.load(seed))
        pages = self.config.page_ratio  # without any, no number is drawn: seeds of older sets give the same pictures
        if pages and rng.random() < pages:
            canvas, labels = self._print(rng)
        else:
            canvas = Canvas(self._draw_background(rng))
            labels = [] if rng.random() < self.config.empty_ratio else self._write(rng, canvas)
        canvas.picture = degrade.expose(rng, degrade.blur(rng, canvas.picture))
        sample = self._label(canvas, labels)
        picture = degrade.record(rng, canvas.picture)
        return Sample(picture, sample.polygons, sample.ignored, sample.texts)

    def _write_on(self, rng: Random, original: Sample) -> Sample:
        """The picture with text in its free places. What was there stays as it is, and nothing hides it."""
        canvas = Canvas(original.picture.copy())
        for polygon in original.polygons:
            canvas.keep_free(polygon)
        new = self._label(canvas, [] if rng.random() < self.config.empty_ratio else self._write(rng, canvas))
        return Sample(
            new.picture,
            [*original.polygons, *new.polygons],
            np.concatenate([original.ignored, new.ignored]),
            [*original.texts, *new.texts],
        )

    def _print(self, rng: Random) -> tuple[Canvas, list[Label]]:
        """A page, as wide as the picture, or photographed: nearer or further away, and not quite from the front."""
        (h, w), flat, sideways = self.config.size_px, rng.random() < FLAT_RATIO, self.config.sideways_ratio
        nearness = 1.0 if flat else rng.uniform(0.7, 1.4)
        quarters = rng.choice((-1, 1)) if sideways and rng.random() < sideways else 0  # clockwise
        size = (w, h) if quarters else (h, w)
        page = draw_page(rng, self.config, self._book, (round(size[0] * nearness), round(size[1] * nearness)))
        if flat:
            canvas, warp = Canvas(turn_layer(page.picture, quarters)), quarter_warp(size, quarters)
            canvas.ink = turn_layer(page.ink, quarters)
        else:
            canvas, sheet = Canvas(self._draw_background(rng)), (0, 0, *page.ink.shape[::-1])
            warp = draw_warp(rng, page.ink.shape, 90 * quarters + rng.gauss(0, 2.5))
            outline = warp.outline(sheet)
            x, y = ((outline.min(0) + outline.max(0)) / 2).tolist()
            warp = warp.moved(w / 2 - x, h / 2 - y)
            layers, window = (page.picture, np.full_like(page.ink, 255), page.ink), canvas.window(warp.outline(sheet))
            canvas.put(layers, warp, window, opacity=1.0, lit=rng.random() < 0.5)
        return canvas, [(r.text, warp.outline(self._padded(r.box, (0, 0)))) for r in self._regions(page)]

    def _draw_background(self, rng: Random) -> Picture:
        size = self.config.size_px
        if self._photos and rng.random() < self.config.photo_ratio:
            picture = background.cut_photo(rng, rng.choice(self._photos), size)
        else:
            picture = background.make_surface(rng, size)
        if rng.random() < self.config.clutter_ratio:
            for _ in range(rng.choice((1, 1, 2, 2, 3, 5))):
                add_clutter(rng, picture)
        return picture

    def _write(self, rng: Random, canvas: Canvas) -> list[Label]:
        low, high = math.log(self.config.words_min), math.log(self.config.words_max + 1)
        wanted = int(math.exp(rng.uniform(low, high)))
        tilt, labels, written, failures = rng.gauss(0, 2.5), [], 0, 0
        while written < wanted and failures < FAILURES:
            count, drawn = self._write_block(rng, canvas, tilt, wanted - written)
            written, failures = written + count, failures + (count == 0)
            labels += drawn
        return labels

    def _write_block(self, rng: Random, canvas: Canvas, tilt: float, most: int) -> tuple[int, list[Label]]:
        """Writes up to `most` words somewhere; how many, and their labels."""
        config = self.config
        curved, plate = rng.random() < config.curved_ratio, rng.random() < config.plate_ratio
        words = draw_words(rng, config, self._book, most=most, single=curved)
        block = lay_out(words, canvas.size)
        if not block.words:
            return 0, []
        look = draw_look(rng, words.em_px, plate=plate and not curved, faint=rng.random() < config.faint_ratio)
        size, start = frame(look, block.ink.shape)
        warp = (draw_arc if curved else draw_warp)(rng, size, tilt)
        outline = warp.outline((0, 0, size[1], size[0]))
        beyond = rng.uniform(0.1, 0.4) if rng.random() < 0.08 else 0.0
        place = canvas.find_place(rng, outline, smooth=rng.random() < 0.6, beyond=beyond)
        if place is None:
            return 0, []
        canvas.take(outline, place)
        warp, outline = warp.moved(*place), outline + np.array(place, np.float32)
        window = canvas.window(outline)
        ink = np.zeros(size, np.uint8)
        ink[start[1] : start[1] + block.ink.shape[0], start[0] : start[0] + block.ink.shape[1]] = block.ink
        patch, cover = paint(rng, ink, look, cv2.mean(canvas.picture[window])[:3])
        patch, cover = (cv2.GaussianBlur(layer, (0, 0), look.blur_px) for layer in (patch, cover))
        opacity = rng.uniform(0.9, 1) if look.plate else rng.uniform(0.72, 1)
        canvas.put((patch, cover, ink), warp, window, opacity=opacity, lit=rng.random() < 0.5)
        if rng.random() < config.hidden_ratio and not self._originals:
            canvas.hide(rng, window)
        return len(block.words), [(r.text, warp.outline(self._padded(r.box, start))) for r in self._regions(block)]

    def _regions(self, block: Block) -> list[Region]:
        return list(block.words) if self.config.unit == "word" else block.lines()

    def _padded(self, box: Box, start: tuple[int, int]) -> Box:
        x0, y0, x1, y1 = box
        pad = self.config.pad_ratio * (y1 - y0) + 0.5
        return (x0 - pad + start[0], y0 - pad + start[1], x1 + pad + start[0], y1 + pad + start[1])

    def _label(self, canvas: Canvas, labels: list[Label]) -> Sample:
        polygons, ignored, texts = [], [], []
        for text, polygon in labels:
            part, share = cut(polygon, canvas.size)
            if share < 0.02 or cv2.contourArea(part) < 4:
                continue
            readable = share >= LEAST_INSIDE and legible(polygon, canvas.picture, canvas.ink, canvas.hidden)
            polygons.append(part)
            ignored.append(not readable)
            texts.append(text)
        return Sample(canvas.picture, polygons, np.array(ignored, np.bool_), texts)

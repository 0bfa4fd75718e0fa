"""Large pictures: looked at in tiles that overlap, whose maps are blended into one and decoded once.

The resize rule fits every picture into the same input, so in a large one text is seen small and lost. A tile is seen at
the scale of a smaller picture: with `tile="auto"` at that of an ordinary one, for which the model's settings were
chosen. Tiles have a limit of their own: letters much larger than those of the training set fall to pieces in them. So
the whole picture is looked at first, then finer and finer tiles, and each map keeps the large text of the one before.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.config import Decode, Preprocess
from diffbin.decode import ProbMap, decode
from diffbin.detections import Detections
from diffbin.engines import Engine
from diffbin.errors import ConfigError
from diffbin.image import Resize
from diffbin.rgb import Picture

Tile: TypeAlias = Literal["off", "again", "auto"] | int
"""How pictures are looked at: once, again where their text is too small or too large, that or in tiles, or in tiles of
this side in pixels."""

WORDS: dict[str, Literal["off", "again", "auto"]] = {"off": "off", "again": "again", "auto": "auto"}
OVERLAP_RATIO = 1 / 6  # of a tile's side, shared with the next at least: a word cut by one tile is whole in the other
BATCH = 2  # tiles in one run: more take memory and no less time
STEP = 5.0  # how much finer one look is than the last at most: what is too large for it, the last one can still read
LARGE = (  # text kept of a coarser look: its thickness for the network in pixels, how much surer that look must be
    (7, 0.1),
    (5, 0.4),  # thinner text is better seen, and told apart, in the tiles, unless they hardly see it
)
MAX_SEEN_PIXELS = 100_000_000  # of a picture as the network sees it, a map of 0.4 GB; beyond, tiles are larger
BAND = 64  # rows of the coarser map that are enlarged at a time, to save memory
MIN_SIDE_PX = 64


def parse(tile: str | int) -> Tile:
    """`"off"`, `"again"`, `"auto"` or a side in pixels, also as text. Raises `ConfigError` for anything else."""
    if str(tile) in WORDS:
        return WORDS[str(tile)]
    if str(tile).isdecimal() and int(tile) >= MIN_SIDE_PX:
        return int(tile)
    raise ConfigError(f"tile is {tile}; it must be again, auto, off, or a side in pixels, {MIN_SIDE_PX} or more.")


def side(resize: Resize, tile: Tile, config: Preprocess, known: Preprocess) -> int:
    """Side in pixels of the tiles for a picture that the ordinary resize would be applied to; 0 if it shall be.

    `config` is the input that is asked for, `known` the model's own, for which it is known what it reads.
    """
    if isinstance(tile, str) and not (tile == "auto" and resize.loses_text(config, known)):
        return 0
    edge, pixels = _edge(config), math.prod(resize.original)
    wanted = round(edge / Resize.ordinary(config).ratio) if isinstance(tile, str) else tile
    found = max(wanted, math.ceil(edge * math.sqrt(pixels / MAX_SEEN_PIXELS)))
    return found if edge / found > resize.ratio else 0


def _edge(config: Preprocess) -> int:
    """Side of a tile as the network sees it."""
    return min(config.long_px, config.short_px)


def detect(picture: Picture, side_px: int, engine: Engine, preprocess: Preprocess, config: Decode) -> Detections:
    """The text of a `(h, w, 3)` uint8 RGB picture, looked at in tiles of this side; see `decode`."""
    prob, scale = look(picture, side_px, engine, preprocess, config.mask_threshold)
    own, size = engine.recipe, (picture.shape[0], picture.shape[1])
    return decode(prob, config, scale=scale, size=size, stride=own.model.map_stride, known=own.preprocess)


def look(
    picture: Picture, side_px: int, engine: Engine, config: Preprocess, threshold: float
) -> tuple[ProbMap, tuple[float, float]]:
    """`(h, w, 3)` uint8 RGB -> P of the whole picture, float32 in [0, 1], and its scale as in `Resize`.

    `threshold` is the map's value above which text begins.
    """
    whole = Resize.fit((picture.shape[0], picture.shape[1]), config)
    prob, scale = whole.crop(engine.run(whole.apply(picture, config))[0, 0]), whole.scale
    for each in sides(whole, side_px, config):
        tiles = Tiles.cover(whole.original, each, config)
        coarse, prob, scale = prob, blend(picture, tiles, engine, config), tiles.resize.scale
        add_large(prob, coarse, threshold, engine.recipe.model.map_stride)
    return prob, scale


def sides(whole: Resize, side_px: int, config: Preprocess) -> list[int]:
    """Sides in pixels of coarser and then finer tiles, in even steps of at most `STEP`; the last is the wanted one."""
    ratio = _edge(config) / side_px / whole.ratio
    steps = math.ceil(math.log(ratio, STEP))
    return [round(side_px * ratio ** (k / steps)) for k in reversed(range(steps))]


@dataclass(frozen=True)
class Tiles:
    """Windows of one size that cover a picture, evenly spread over it.

    resize  of every tile: `original` is the size of the windows, `resized` that of their maps
    tops    first rows of the windows in pixels of the picture; `lefts` are the first columns
    """

    resize: Resize
    tops: Sequence[int]
    lefts: Sequence[int]

    @classmethod
    def cover(cls, size: tuple[int, int], side_px: int, config: Preprocess) -> "Tiles":
        """Square windows of this side, or narrower ones where the picture `(h, w)` is narrower."""
        window = min(side_px, size[0]), min(side_px, size[1])
        resize = Resize.by(window, _edge(config) / side_px, config)
        return cls(resize, _spread(size[0], window[0]), _spread(size[1], window[1]))

    def apply(self, picture: Picture, corners: Sequence[tuple[int, int]], config: Preprocess) -> NDArray[np.float32]:
        """`(h, w, 3)` uint8 RGB -> the network's input `(len(corners), 3, padded h, padded w)` float32."""
        height, width = self.resize.original
        windows = (picture[top : top + height, left : left + width] for top, left in corners)
        return np.concatenate([self.resize.apply(window, config) for window in windows])


def _spread(length: int, window: int) -> list[int]:
    overlap = int(window * OVERLAP_RATIO)
    count = math.ceil((length - overlap) / (window - overlap))
    return [round(start) for start in np.linspace(0, length - window, count)]


def blend(picture: Picture, tiles: Tiles, engine: Engine, config: Preprocess) -> ProbMap:
    """The maps of all tiles as one, `(h, w)` float32; where tiles overlap, the nearer its edge the less one counts."""
    stride, (x_scale, y_scale) = engine.recipe.model.map_stride, tiles.resize.scale
    height, width = (-(-side // stride) for side in tiles.resize.resized)
    tops = [round(top * y_scale / stride) for top in tiles.tops]
    lefts = [round(left * x_scale / stride) for left in tiles.lefts]
    prob = np.zeros((tops[-1] + height, lefts[-1] + width), np.float32)
    corners, places = list(product(tiles.tops, tiles.lefts)), list(product(tops, lefts))
    tapers = list(product(taper(tops, height), taper(lefts, width)))
    for start in range(0, len(corners), BATCH):
        some = slice(start, start + BATCH)
        maps = engine.run(tiles.apply(picture, corners[some], config))[:, 0, :height, :width]
        for (top, left), (rows, columns), tile in zip(places[some], tapers[some], maps, strict=True):
            prob[top : top + height, left : left + width] += tile * rows[:, None] * columns
    return prob


def taper(starts: Sequence[int], length: int) -> list[NDArray[np.float32]]:
    """How much each tile counts along an axis, `(length,)` float32: less towards its edges, all together 1."""
    tent = np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1)).astype(np.float32)
    total = np.zeros(starts[-1] + length, np.float32)
    for start in starts:
        total[start : start + length] += tent
    return [tent / total[start : start + length] for start in starts]


def add_large(prob: ProbMap, coarse: ProbMap, threshold: float, stride: int) -> None:
    """Adds to a map, in place, the large text of a coarser map of the same picture: both are `(h, w)` float32."""
    large, ratio = large_text(coarse, prob, threshold, stride), len(prob) / len(coarse)
    for top in range(0, len(large), BAND):
        part = large[top : top + BAND]
        band = prob[round(top * ratio) : round((top + len(part)) * ratio)]
        np.maximum(band, cv2.resize(part, (band.shape[1], band.shape[0])), out=band)


def large_text(coarse: ProbMap, fine: ProbMap, threshold: float, stride: int) -> ProbMap:
    """What a coarser map has of thick text, in regions where it is surer than the finer one; elsewhere 0.

    `stride` is that of both maps. Where both see a text well, the finer map is kept as it is: the coarser would join
    neighbouring words.
    """
    seen = cv2.resize(fine, (coarse.shape[1], coarse.shape[0]), interpolation=cv2.INTER_AREA)
    large = np.zeros_like(coarse)
    for thick_px, surer in LARGE:
        side_px = -(-thick_px // stride) | 1  # a disc has a middle
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side_px, side_px))
        thick = np.asarray(cv2.morphologyEx(coarse, cv2.MORPH_OPEN, disc), np.float32)
        _, labels, boxes, _ = cv2.connectedComponentsWithStats((thick > np.float32(threshold)).view(np.uint8))
        for label, (left, top, width, height, _) in enumerate(boxes.tolist()[1:], 1):
            window = slice(top, top + height), slice(left, left + width)
            inside = labels[window] == label
            if np.mean((thick[window] - seen[window])[inside]) > surer:
                large[window][inside] = np.maximum(large[window], thick[window])[inside]
    return large

"""Text that is lost since it is seen too small, too large or not level: what tells it, and what is said."""

import math
import os
from contextlib import suppress
from dataclasses import replace
from itertools import compress
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.config import Preprocess
from diffbin.decode import lengths
from diffbin.detections import Detections
from diffbin.errors import InputError, SmallTextWarning, warn
from diffbin.geometry import area, clockwise, intersections
from diffbin.image import ImageSource, Resize, load_for
from diffbin.pages import MOST_PIXELS, Page
from diffbin.rgb import Picture

READABLE_PX = 11  # as seen by the network: of words of 10 to 12 a third is found, of lower ones nearly none
SMALL_PX = 15  # the median of what is found on pages whose print is lost is lower; in photographs of streets it is not
WELL_PX = 22  # where nearly all of it is found
SMALL_REGIONS = 8  # fewer tell nothing of a page
SHRUNK = 0.8  # seen at this share of its size, or of the largest input, a picture gains little by a larger one
MULTIPLE_PX = 128  # to which closer looks are padded: their sizes are many, and OpenVINO keeps something for each shape
FARTHER = (0.4, 0.16)  # of the first input: letters over a fifth of its short side want the one, over a half the other
LARGE_PX = 40  # in such a smaller input; what is lower there the first look would have read
KNOWN_RATIO = 0.3  # of its area that is covered, from where a text is one that was found nearer
INSIDE_RATIO, LETTER_RATIO = 0.9, 0.5  # of its area and of the word's height, from where a region is a letter of a word
UNSURE_RATIO = 0.8  # of the model's least score: what has more tells how text runs, if it is not answered
MOST_FRAME = 2.5  # times the pixels of a picture that a frame for it turned may have; 16 to 9 by 45 degrees has 2.2
GREY = (127, 127, 127)  # around a picture that is turned
AS_MUCH = 0.75  # of the lengths of the text found, from where the picture turned may be seen better
LARGEST_SIZE = 4096  # that --size takes


def wanted_ratio(found: Detections, resize: Resize) -> float:
    """Pixels of the input for one of the picture that its text wants: those of `resize`, unless most found is small.

    No more than the picture has, and not so many that the input has more than `MOST_PIXELS`.
    """
    most = min(1.0, math.sqrt(MOST_PIXELS / math.prod(resize.original)))
    if resize.ratio >= SHRUNK * most or len(found) < SMALL_REGIONS:
        return resize.ratio
    height = resize.ratio * median(_heights(found))
    wanted = min(most, resize.ratio * WELL_PX / max(height, 1.0)) if height < SMALL_PX else resize.ratio
    return max(wanted, resize.ratio)


def of_few_shapes(config: Preprocess) -> Preprocess:
    """The input of looks whose sizes are many."""
    return replace(config, multiple_px=max(config.multiple_px, MULTIPLE_PX))


def from_farther(batch: NDArray[np.float32], near: Resize, far: Resize) -> NDArray[np.float32]:
    """The network's input `(1, 3, padded h, padded w)` float32 of a smaller size, out of the larger one, as it is."""
    (height, width), (h, w) = near.resized, far.resized
    smaller = np.zeros((1, 3, *far.padded), np.float32)
    for plane, small in zip(batch[0], smaller[0], strict=True):
        small[:h, :w] = cv2.resize(plane[:height, :width], (w, h), interpolation=cv2.INTER_AREA)
    return smaller


class Look(NamedTuple):
    """A first look at a picture, as it is or turned by some degrees, against the clock; see `Detector.answer`."""

    batch: NDArray[np.float32]
    resize: Resize
    source: ImageSource
    picture: Picture | None  # not turned
    size: tuple[int, int]  # `(h, w)` of the picture, not turned
    degrees: float = 0.0

    def turned(self, degrees: float, config: Preprocess) -> "Look":
        """The one at the picture turned, in a frame that holds it all, out of the same input."""
        config = config if degrees == 90 else of_few_shapes(config)  # else sizes are as many as angles
        resize = Resize.by(_frame(self.size, degrees), self.resize.ratio, config)
        (height, width), (h, w) = self.resize.resized, resize.resized
        way = _turn((height, width), (h, w), degrees)
        batch = np.zeros((1, 3, *resize.padded), np.float32)
        for plane, side in zip(self.batch[0], batch[0], strict=True):
            side[:h, :w] = cv2.warpAffine(plane[:height, :width], way, (w, h))
        return self._replace(batch=batch, resize=resize, degrees=degrees)

    def whole(self) -> Picture | None:
        """The picture with all its pixels, turned as this look is; None with a warning where it can be read no more, as
        from a pipe, or has another size now."""
        picture = self.picture
        with suppress(InputError):
            if picture is None or picture.shape[:2] != self.size:
                picture = load_for(self.source, None).picture
            if picture.shape[:2] == self.size:
                return self._turn_whole(picture) if self.degrees else picture
        warn_of_change(self.source)
        return None

    def _turn_whole(self, picture: Picture) -> Picture:
        height, width = frame = self.resize.original
        way = _turn(self.size, frame, self.degrees)
        return np.asarray(cv2.warpAffine(picture, way, (width, height), borderValue=GREY), np.uint8)

    def upright(self, found: Detections) -> Detections:
        """What was found in the turned picture, in pixels of the picture as it is."""
        way = _turn(self.size, self.resize.original, self.degrees, pixel=1 / self.resize.ratio)
        back = cv2.invertAffineTransform(way)
        polygons = [clockwise(cv2.transform(polygon[None], back)[0]) for polygon in found.polygons]
        return Detections(polygons, found.scores, self.size).clip()


def may_turn(size: tuple[int, int], degrees: float) -> bool:
    """Whether a picture of this size `(h, w)` may be turned so: the frame of a long strip takes too much memory."""
    return math.prod(_frame(size, degrees)) <= MOST_FRAME * math.prod(size)


def _frame(size: tuple[int, int], degrees: float) -> tuple[int, int]:
    """`(h, w)` of what holds a picture of this size, turned."""
    (height, width), cos, sin = size, abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    return round(height * cos + width * sin), round(width * cos + height * sin)


def _turn(size: tuple[int, int], frame: tuple[int, int], degrees: float, *, pixel: float = 1.0) -> NDArray[np.float64]:
    """`(2, 3)`: from points of a picture to those of it turned, middle to middle; they lie in the middle of pixels."""
    (height, width), (h, w) = size, frame
    middle = (width - pixel) / 2, (height - pixel) / 2
    way = np.asarray(cv2.getRotationMatrix2D(middle, degrees, 1), np.float64)
    way[:, 2] += np.array([w - width, h - height]) / 2
    return way


def surer(side: Detections, first: Detections) -> bool:
    """Whether text is seen better in the first of two answers: by the mean of its scores, longer text counting more,
    unless it is much less text."""
    means, totals = [], []
    for found in (side, first):
        left, top, right, bottom = found.boxes().T
        longer = np.maximum(right - left, bottom - top)
        totals.append(longer.sum())
        means.append(found.scores @ longer / max(longer.sum(), 1.0))
    return bool(means[0] > means[1] and totals[0] >= AS_MUCH * totals[1])


def along(found: Detections) -> Detections:
    """The regions that are clearly wider than high."""
    return _those(found, lengths(found) > 0)


def large(found: Detections, resize: Resize) -> Detections:
    """Those that the first look was too near for; what is small to a farther one is no text."""
    return _those(found, np.array([height * resize.ratio >= LARGE_PX for height in _heights(found)], np.bool_))


def joined(near: Detections, far: Detections, sure: float) -> Detections:
    """`near`, and what `far` has more.

    Where both have the same text, what has the score `sure` stays and what has not goes, near comes before far. Of a
    word that is new the letters go that were found near; small print in it stays.
    """
    areas, covered = np.array([area(p) for p in far.polygons]), intersections(far.polygons, near.polygons)
    told = covered[:, near.scores >= sure].sum(axis=1)
    told = np.where(far.scores >= sure, told, covered.sum(axis=1))
    far = _those(far, told < KNOWN_RATIO * areas)
    new = _those(far, far.scores >= sure)
    areas, covered = np.array([area(p) for p in near.polygons]), intersections(near.polygons, new.polygons)
    tall = np.greater.outer(_heights(near), LETTER_RATIO * np.array(_heights(new)))
    letters = (tall & (covered > INSIDE_RATIO * areas[:, None])).any(axis=1)
    pieces = letters | ((near.scores < sure) & (covered.sum(axis=1) > areas / 2))
    near = _those(near, ~pieces)
    return Detections([*near.polygons, *far.polygons], np.concatenate([near.scores, far.scores]), near.size)


def _those(found: Detections, keep: NDArray[np.bool_]) -> Detections:
    return Detections(list(compress(found.polygons, keep)), found.scores[keep], found.size)


def _heights(found: Detections) -> list[float]:
    """Shorter sides in pixels of the picture."""
    return [min(cv2.minAreaRect(polygon)[1]) for polygon in found.polygons]


def warn_of_size(source: ImageSource, resize: Resize, size: tuple[int, int]) -> None:
    """Says of a very large picture which text is lost, whatever is in it."""
    (height, width), lost, name = size, READABLE_PX / resize.ratio, _name(source) or "The picture"
    told = f"{name} has {height} x {width} pixels and is seen at {resize.ratio:.2f} of its size"
    told += f", where text below some {lost:.0f} pixels is lost"
    warn(f'{told}; --tile auto finds it (in Python: tile="auto").', SmallTextWarning)


def warn_of_found(source: ImageSource, size: tuple[int, int], wanted: float, config: Preprocess) -> None:
    """Says that a part of small text is lost, as on a scan of a page, and which input like `config` sees it larger."""
    short, long = sorted(size)
    better = math.ceil(wanted * max(short, long * config.short_px / config.long_px) / 100) * 100
    option, way = (f", or --size {better}", f", or with_size({better})") if better <= LARGEST_SIZE else ("", "")
    told = f"Text in {_name(source) or 'the picture'} is seen so small that part of it is lost"
    warn(f'{told}; --tile auto finds more{option} (in Python: tile="auto"{way}).', SmallTextWarning)


def warn_of_change(source: ImageSource) -> None:
    """Says that a picture was not looked at a second time."""
    told = f"{_name(source) or 'The picture'} has changed, or can be read only once"
    warn(f"{told}, so it was not looked at again for its small text.", SmallTextWarning)


def _name(source: ImageSource) -> str:
    """A document has one, so that Python tells it once and not for each page."""
    source = source.path if isinstance(source, Page) else source
    return os.fsdecode(source) if isinstance(source, str | os.PathLike) else ""

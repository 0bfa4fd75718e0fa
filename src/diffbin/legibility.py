"""Text that is lost since it is seen too small, or too large: how that is told by what is found, and what is said."""

import math
from itertools import compress
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.config import Preprocess
from diffbin.detections import Detections
from diffbin.errors import SmallTextWarning, warn
from diffbin.geometry import area, intersections
from diffbin.image import ImageSource, Resize
from diffbin.pages import MOST_PIXELS, Page

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


def from_farther(batch: NDArray[np.float32], near: Resize, far: Resize) -> NDArray[np.float32]:
    """The network's input `(1, 3, padded h, padded w)` float32 of a smaller size, out of the larger one, as it is."""
    (height, width), (h, w) = near.resized, far.resized
    smaller = np.zeros((1, 3, *far.padded), np.float32)
    for plane, small in zip(batch[0], smaller[0], strict=True):
        small[:h, :w] = cv2.resize(plane[:height, :width], (w, h), interpolation=cv2.INTER_AREA)
    return smaller


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


def warn_of_size(source: ImageSource, resize: Resize) -> None:
    """Says of a very large picture which text is lost, whatever is in it."""
    (height, width), lost, name = resize.original, READABLE_PX / resize.ratio, _name(source) or "The picture"
    told = f"{name} has {height} x {width} pixels and is seen at {resize.ratio:.2f} of its size"
    told += f", where text below some {lost:.0f} pixels is lost"
    warn(f'{told}; --tile auto finds it (in Python: tile="auto").', SmallTextWarning)


def warn_of_found(source: ImageSource, resize: Resize, wanted: float, config: Preprocess) -> None:
    """Says that a part of small text is lost, as on a scan of a page, and which input like `config` sees it larger."""
    short, long = sorted(resize.original)
    size = math.ceil(wanted * max(short, long * config.short_px / config.long_px) / 100) * 100
    option, way = (f", or --size {size}", f", or with_size({size})") if size <= LARGEST_SIZE else ("", "")
    told = f"Text in {_name(source) or 'the picture'} is seen so small that part of it is lost"
    warn(f'{told}; --tile auto finds more{option} (in Python: tile="auto"{way}).', SmallTextWarning)


def warn_of_change(source: ImageSource) -> None:
    """Says that a picture was not looked at a second time."""
    told = f"{_name(source) or 'The picture'} has changed, or can be read only once"
    warn(f"{told}, so it was not looked at again for its small text.", SmallTextWarning)


def _name(source: ImageSource) -> str:
    """A document has one, so that Python tells it once and not for each page."""
    return str(source.path if isinstance(source, Page) else source) if isinstance(source, str | Path | Page) else ""

"""An annotated picture on its way from a source to a training crop: first a scene, then a sample."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffbin.detections import Points


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture and its regions.

    picture   `(h, w, 3)` uint8 RGB
    polygons  one `(n, 2)` float32 array a region, `(x, y)` in pixels of `picture`; (0, 0) is the top left corner of
              the top left pixel
    ignored   `(len(polygons),)` bool, True = do not care
    texts     transcriptions, "" where unknown
    """

    picture: NDArray[np.uint8]
    polygons: Sequence[Points]
    ignored: NDArray[np.bool_]
    texts: Sequence[str]


@dataclass(frozen=True, eq=False)
class Scene:
    """A labelled picture before its pixels are read, so that the place of a crop in it can be chosen first.

    size      (h, w) in pixels; polygons, ignored and texts are those of a `Sample` of this size
    read      gives the pixels, `(h, w, 3)` uint8 RGB, and how many times smaller than `size` they are, which is at most
              the number that it is called with
    """

    size: tuple[int, int]
    read: Callable[[float], tuple[NDArray[np.uint8], int]]
    polygons: Sequence[Points]
    ignored: NDArray[np.bool_]
    texts: Sequence[str]


def as_scene(sample: Sample) -> Scene:
    """Of pixels that are there already."""
    height, width = sample.picture.shape[:2]
    return Scene((height, width), lambda _: (sample.picture, 1), sample.polygons, sample.ignored, sample.texts)

"""An annotated picture on its way from a source to a training crop."""

from collections.abc import Sequence
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

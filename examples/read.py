"""Reads text: diffbin finds the words, the recogniser of rapidocr reads them (`pip install rapidocr`, Apache-2.0).

    python examples/read.py street.jpg photos/*.png

Printed is the name of each picture, and then each line of its text, in reading order.
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR

from diffbin import Detector
from diffbin.crop import crop
from diffbin.detections import Points
from diffbin.errors import InputError
from diffbin.image import load
from diffbin.lines import lines

TALL = 1.5  # of height to width, from which on text is taken to run up or down
THIN = 100  # times as long as wide: rapidocr refuses what is thinner still
SURE = 0.5  # least score of what is printed


class Word(NamedTuple):
    """What is read in a region; `upwards` where its text runs from the bottom to the top."""

    text: str
    score: float
    upwards: bool = False


class Reader:
    """Reads regions of pictures."""

    def __init__(self) -> None:
        self._recogniser = RapidOCR(params={"Global.log_level": "critical"})

    def read(self, picture: NDArray[np.uint8], polygon: Points) -> Word:
        """The text in an outline `(n, 2)`, in pixels of the `(h, w, 3)` uint8 RGB picture, whichever way it runs."""
        cut = crop(picture, polygon)
        if cut.shape[0] <= TALL * cut.shape[1]:
            return Word(*self._read(cut, or_upside_down=True))
        down, up = (self._read(np.rot90(cut, turns), or_upside_down=False) for turns in (1, 3))
        return Word(*up, upwards=True) if up[1] > down[1] else Word(*down)

    def _read(self, cut: NDArray[np.uint8], *, or_upside_down: bool) -> tuple[str, float]:
        if max(cut.shape[:2]) > THIN * min(cut.shape[:2]):
            return "", 0.0
        bgr = np.ascontiguousarray(cut[..., ::-1])
        found = self._recogniser(bgr, use_det=False, use_cls=or_upside_down, use_rec=True)
        return found.txts[0], float(found.scores[0])


def text(words: Sequence[Word]) -> str:
    """Those of one line, which come from the left or the top, as they are read."""
    sure = [word for word in words if word.score >= SURE and word.text]
    upwards = sum(word.upwards for word in sure) > len(sure) / 2
    return " ".join(word.text for word in (reversed(sure) if upwards else sure))


def main(*paths: str) -> int:
    """See above; the exit code."""
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    detector, reader, failed = Detector(), Reader(), False
    for path in paths:
        try:
            picture = load(path)
        except InputError as error:
            print(error, file=sys.stderr)
            failed = True
            continue
        print(path)
        for line in lines(detector(picture)):
            if told := text([reader.read(picture, polygon) for polygon in line.words.polygons]):
                print(" ", told)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

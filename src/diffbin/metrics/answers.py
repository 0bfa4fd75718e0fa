"""Answers that lie in files, diffbin's or another detector's, to be scored as a detector's are."""

import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffbin.data.instances import MALFORMED
from diffbin.data.labels import FAR_PX, filled_lines, is_near, may_be_coordinate, read_text
from diffbin.detections import Detections, Points
from diffbin.errors import InputError

NAMES = ("{0.stem}.json", "{0.name}.json", "{0.stem}.txt", "{0.name}.txt", "res_{0.stem}.txt")
Answer = tuple[Sequence[Points], NDArray[np.float32]]  # regions `(n, 2)` and their scores `(len,)`


def read_answer(folder: Path, picture: str, *, turned: bool = False) -> Answer:
    """The regions that were found in a picture, by its path below its set's folder, and their scores.

    A file is JSON as `diffbin detect --out` writes it, or text, `x1,y1,...,xn,yn[,score][,text]` a region with n >= 4,
    in which the number after the last point is the score if it is one from 0 to 1; without, it is 1. `turned` tells
    that EXIF turns the picture and its label is of the stored one. Raises `InputError` where there is no file, several,
    one of another format, or one of diffbin's, of the upright picture, where that is turned.
    """
    name = Path(picture)
    names = [folder / name.with_name(pattern.format(name)) for pattern in NAMES]
    found = [path for path in names if path.is_file()]
    if not found:
        sought = ", ".join(path.name for path in names)
        raise InputError(
            f"There is no answer for {picture} in {names[0].parent}: looked for {sought}; an empty .txt says: no text."
        )
    if len(found) > 1:
        raise InputError(
            f"{found[0]} and {found[1].name} both answer {picture}; remove the one that is not to be scored."
        )
    if turned and found[0].suffix == ".json":
        raise InputError(
            f"{found[0]} is of the upright picture, and the label of {picture} of the stored one, which EXIF turns; "
            "turn the pixels of such pictures themselves (mogrify -auto-orient), and their labels with them."
        )
    content = read_text(found[0])
    return _from_json(content, found[0]) if found[0].suffix == ".json" else _from_lines(content, found[0])


def _from_json(content: str, path: Path) -> Answer:
    try:
        found = Detections.from_dict(json.loads(content))
    except MALFORMED as error:
        raise InputError(f"{path} is no answer in diffbin's format json ({error}).") from None
    if not all((np.abs(polygon) < FAR_PX).all() for polygon in found.polygons):
        raise InputError(f"{path} has a region outside of any picture.")
    if not ((found.scores >= 0) & (found.scores <= 1)).all():
        raise InputError(f"{path} has a score that is not from 0 to 1.")
    return found.polygons, found.scores


def _from_lines(content: str, path: Path) -> Answer:
    lines = [_from_line(line, f"{path}, line {number}") for number, line in filled_lines(content)]
    return [points for points, _ in lines], np.array([score for _, score in lines], np.float32)


def _from_line(line: str, place: str) -> tuple[Points, float]:
    numbers = [float(field) for field in takewhile(may_be_coordinate, line.split(","))]
    if len(numbers) < 8:
        raise InputError(
            f'{place}: "{line[:60].strip()}" does not begin with 8 coordinates "x1,y1,...,x4,y4" at least.'
        )
    if len(numbers) % 2 == 0 and len(numbers) > 8 and 0 <= numbers[-2] <= 1:
        points = np.array(numbers, np.float32).reshape(-1, 2)
        if not is_near(points[-1], points[:-1], strictly=True):  # a score, and a text such as 2024
            numbers.pop()
    last = numbers.pop() if len(numbers) % 2 else 1.0
    return np.array(numbers, np.float32).reshape(-1, 2), last if 0 <= last <= 1 else 1.0  # else it is a text

"""Answers that lie in files, diffbin's or another detector's, to be scored as a detector's are."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffbin.data.instances import MALFORMED
from diffbin.data.labels import FAR_PX, may_be_coordinate, read_icdar, read_text
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
    return _from_json(found[0]) if found[0].suffix == ".json" else _from_lines(found[0])


def _from_json(path: Path) -> Answer:
    content = read_text(path)
    try:
        found = Detections.from_dict(json.loads(content))
    except MALFORMED as error:
        raise InputError(f"{path} is no answer in diffbin's format json ({error}).") from None
    if not all((np.abs(polygon) < FAR_PX).all() for polygon in found.polygons):
        raise InputError(f"{path} has a region outside of any picture.")
    if not ((found.scores >= 0) & (found.scores <= 1)).all():
        raise InputError(f"{path} has a score that is not from 0 to 1.")
    return found.polygons, found.scores


def _from_lines(path: Path) -> Answer:
    found = read_icdar(path)
    return found.polygons, np.array([_score(text) for text in found.texts], np.float32)


def _score(text: str) -> float:
    """What stands behind the points begins with the score, or is a text."""
    field = text.partition(",")[0]
    score = float(field) if may_be_coordinate(field) else 1.0
    return score if 0 <= score <= 1 else 1.0

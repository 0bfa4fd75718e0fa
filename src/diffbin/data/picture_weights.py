"""How often each picture of a set is drawn in training: a CSV file, made from a model's errors or by hand."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbin.errors import InputError
from diffbin.files import write_whole

LEAST = 0.2  # of a picture without errors; that of one where all is wrong is 1


class PictureWeight(NamedTuple):
    """A row: `weight` counts, relative to those of the other pictures; the counts say where it comes from."""

    picture: str  # path below the set's folder of pictures
    weight: float
    hits: float
    regions: int
    predictions: int


def weight_of(hmean: float) -> float:
    """`1 - hmean`, but so that no picture is forgotten."""
    return max(LEAST, 1 - hmean)


def write_weights(path: Path, rows: Iterable[PictureWeight]) -> None:
    """The file, hardest pictures first."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(PictureWeight._fields)
    for row in sorted(rows, key=lambda row: -row.weight):
        table.writerow((row.picture, f"{row.weight:.4f}", f"{row.hits:g}", row.regions, row.predictions))
    write_whole(path, text.getvalue().encode(errors="surrogateescape"))


def read_shares(path: Path, pictures: Sequence[str]) -> NDArray[np.float64]:
    """`(len(pictures),)` shares, sum 1, from a CSV with columns `picture` and `weight`; more of either do no harm.

    Raises `InputError` for a file that cannot be read, for a picture without a row, and for a weight that is no number
    from 0 up.
    """
    weights = _read(path)
    missing = next((name for name in pictures if name not in weights), None)
    if missing is not None:
        raise InputError(f"{path} has no weight for the picture {missing}; renew it: diffbin eval --hard {path}.")
    found = np.array([weights[name] for name in pictures], np.float64)
    if not found.sum() > 0:
        raise InputError(f"{path} gives every picture the weight 0; one at least must have more.")
    return np.asarray(found / found.sum(), np.float64)


def _read(path: Path) -> dict[str, float]:
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig", "surrogateescape"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The picture weights {path} cannot be read: {error}.") from None
    weights = {}
    for number, row in enumerate(rows, start=2):
        try:
            weights[row["picture"]] = float(row["weight"])
        except (KeyError, ValueError, TypeError):
            raise InputError(f'{path}, line {number}: expected columns "picture" and "weight", a number.') from None
        if not (math.isfinite(weights[row["picture"]]) and weights[row["picture"]] >= 0):
            raise InputError(f"{path}, line {number}: the weight {row['weight']} is not a number from 0 up.")
    return weights

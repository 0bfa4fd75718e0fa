"""Scoring by overlap, one to one: a prediction is right when its IoU with a region is over 0.5 (ICDAR 2015, task 1).

Precision, recall and hmean are counted over all pictures of a set. Regions marked do-not-care count for nothing, and
neither do predictions that lie in them by more than half. With the matching "deteval" regions and predictions count as
in `deteval` instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.detections import Points
from diffbin.geometry import intersections, region, region_area
from diffbin.metrics.deteval import credits

Matching = Literal["greedy", "maximum", "deteval"]
Pairs = list[tuple[int, int]]  # (region, prediction)
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # the reference's sweep
HEIGHTS_PX = (0, 8, 12, 16, 24, 40, 60, inf)  # bounds between which recall is told


@dataclass(frozen=True, eq=False)
class PictureMatch:
    """What one picture adds to the score, without do-not-care regions and without predictions inside of them.

    iou             `(regions, predictions)` float64
    scores          `(predictions,)` float32
    of_regions      `(regions, predictions)` float64, the area shared as a share of the region's
    of_predictions  the same, as a share of the prediction's
    heights         `(regions,)` float32, pixels: the shorter sides of the rectangles around the regions
    """

    iou: NDArray[np.float64]
    scores: NDArray[np.float32]
    of_regions: NDArray[np.float64]
    of_predictions: NDArray[np.float64]
    heights: NDArray[np.float32]


@dataclass(frozen=True)
class HeightRecall:
    """What is found of the regions of a height from one bound, in pixels, to below another, which may be infinite."""

    from_px: float
    below_px: float
    hits: int
    regions: int

    def __str__(self) -> str:
        place = f"from {self.from_px}" if self.below_px == inf else f"{self.from_px} to {self.below_px}"
        return f"{place}: {self.hits / self.regions:.2f} of {self.regions}"


@dataclass(frozen=True)
class Score:
    """Counts at one score threshold, and the shares that follow from them.

    `hits` is what of the regions is found, `right` what of the predictions is right: as many, but with "deteval", where
    some count in part, and one that two regions meet counts twice.
    """

    threshold: float
    hits: float
    regions: int
    predictions: int
    right: float

    @property
    def recall(self) -> float:
        """Share of the regions that were found; 1 where there are none."""
        return self.hits / self.regions if self.regions else 1.0

    @property
    def precision(self) -> float:
        """Share of the predictions that are right; without any: 0, or 1 where there is nothing to find."""
        return self.right / self.predictions if self.predictions else float(not self.regions)

    @property
    def hmean(self) -> float:
        """Harmonic mean of the two."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def compare(
    regions: Sequence[Points],
    ignored: NDArray[np.bool_],
    predictions: Sequence[Points],
    scores: NDArray[np.float32],
    *,
    ignore_precision: float = 0.5,
) -> PictureMatch:
    """Overlaps of one picture's labelled regions `(n, 2)` with its predictions `(m, 2)`, in the same pixels.

    A prediction is left out when more than `ignore_precision` of its area lies in one do-not-care region. Outlines that
    cross themselves are counted by the area they enclose.
    """
    wanted = [r for r, skip in zip(regions, ignored, strict=True) if not skip]
    unwanted = [r for r, skip in zip(regions, ignored, strict=True) if skip]
    areas = np.array([region_area(region(p)) for p in predictions])
    share = intersections(unwanted, predictions) / np.maximum(areas, 1e-9)
    kept = ~(share > ignore_precision).any(axis=0) if unwanted else np.ones(len(predictions), np.bool_)
    predictions = [p for p, keep in zip(predictions, kept, strict=True) if keep]
    shared = intersections(wanted, predictions)
    of_regions, of_predictions = np.array([region_area(region(r)) for r in wanted])[:, None], areas[kept]
    iou, region_shares, prediction_shares = (
        np.divide(shared, of, out=np.zeros_like(shared), where=of > 0)
        for of in (of_regions + of_predictions - shared, of_regions, of_predictions)
    )
    heights = np.array([min(cv2.minAreaRect(np.asarray(r, np.float32))[1]) for r in wanted], np.float32)
    return PictureMatch(iou, np.asarray(scores, np.float32)[kept], region_shares, prediction_shares, heights)


def score(
    pictures: Sequence[PictureMatch], threshold: float, *, iou: float = 0.5, matching: Matching = "greedy"
) -> Score:
    """The figures of a set with the predictions that score at least `threshold`; pairs match at an IoU over `iou`."""
    hits: float = 0
    right: float = 0
    regions = predictions = 0
    for picture in pictures:
        kept = picture.scores >= np.float32(threshold)
        if matching == "deteval":
            found, correct = credits(picture.of_regions[:, kept], picture.of_predictions[:, kept])
        else:
            found = correct = len(MATCHINGS[matching](picture.iou[:, kept] > iou))
        hits, right = hits + found, right + correct
        regions += len(picture.iou)
        predictions += int(kept.sum())
    return Score(threshold, hits, regions, predictions, right)


def sweep(
    pictures: Sequence[PictureMatch],
    thresholds: Sequence[float] = THRESHOLDS,
    *,
    iou: float = 0.5,
    matching: Matching = "greedy",
) -> list[Score]:
    """`score` at each threshold. The best is chosen on the very set it is told for: say so where it is shown."""
    return [score(pictures, threshold, iou=iou, matching=matching) for threshold in thresholds]


def best(scores: Sequence[Score]) -> Score:
    """The one of the highest hmean; of equals the first."""
    return max(scores, key=lambda s: s.hmean)


def recall_by_height(
    pictures: Sequence[PictureMatch], threshold: float, *, iou: float = 0.5, matching: Matching = "greedy"
) -> list[HeightRecall]:
    """The recall of `score` by the height of the regions, of those heights that there are; none with "deteval"."""
    if matching == "deteval" or not pictures:
        return []
    heights = np.concatenate([picture.heights for picture in pictures])
    met = np.concatenate([np.zeros(0, np.bool_), *(_met(picture, threshold, iou, matching) for picture in pictures)])
    told = []
    for low, high in pairwise(HEIGHTS_PX):
        inside = (heights >= low) & (heights < high)
        if inside.any():
            told.append(HeightRecall(low, high, int(met[inside].sum()), int(inside.sum())))
    return told


def _met(picture: PictureMatch, threshold: float, iou: float, matching: Matching) -> NDArray[np.bool_]:
    """`(regions,)` which of them are found."""
    pairs = MATCHINGS[matching](picture.iou[:, picture.scores >= np.float32(threshold)] > iou)
    return np.isin(np.arange(len(picture.iou)), [region for region, _ in pairs])


def interval(
    pictures: Sequence[PictureMatch], threshold: float, *, matching: Matching = "greedy", draws: int = 1000
) -> tuple[float, float]:
    """95 % bootstrap interval of the hmean: the set's pictures drawn anew, with a fixed seed."""
    return _interval(_drawn(pictures, threshold, matching, draws))


def gain_interval(
    before: tuple[Sequence[PictureMatch], float], after: tuple[Sequence[PictureMatch], float], *, draws: int = 1000
) -> tuple[float, float]:
    """95 % bootstrap interval of the gain in hmean: of both, matches and score threshold, the same pictures are drawn.

    Above zero, the gain is more than the choice of pictures explains, even where the intervals of the two overlap.
    """
    first, second = (_drawn(pictures, threshold, "greedy", draws) for pictures, threshold in (before, after))
    return _interval(second - first)


def _drawn(pictures: Sequence[PictureMatch], threshold: float, matching: Matching, draws: int) -> NDArray[np.float64]:
    single = [score([picture], threshold, matching=matching) for picture in pictures]
    counts = np.array([(s.hits, s.regions, s.predictions, s.right) for s in single]).reshape(-1, 4)
    if not len(counts):
        return np.zeros(draws)
    rng = np.random.default_rng(0)  # draw by draw: all at once would be gigabytes for a large set
    totals = (counts[rng.integers(len(counts), size=len(counts))].sum(axis=0) for _ in range(draws))
    return np.array([Score(threshold, *total.tolist()).hmean for total in totals])


def _interval(hmeans: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(hmeans, (0.025, 0.975))
    return float(low), float(high)


def greedy_pairs(matches: NDArray[np.bool_]) -> Pairs:
    """Those where each region, in order, takes the first match that is free, ICDAR's own rule; of `(regions,
    predictions)`."""
    free = np.ones(matches.shape[1], np.bool_)
    pairs = []
    for region_number, row in enumerate(matches):
        candidates = np.flatnonzero(row & free)
        if len(candidates):
            free[candidates[0]] = False
            pairs.append((region_number, int(candidates[0])))
    return pairs


def maximum_pairs(matches: NDArray[np.bool_]) -> Pairs:
    """As many as possible, by augmenting paths; no order of the regions or predictions gives more."""
    owner: dict[int, int] = {}
    for region_number in range(len(matches)):
        _augment(region_number, matches, owner, set())
    return [(region_number, prediction) for prediction, region_number in owner.items()]


def _augment(region: int, matches: NDArray[np.bool_], owner: dict[int, int], seen: set[int]) -> bool:
    for prediction in np.flatnonzero(matches[region]).tolist():
        if prediction in seen:
            continue
        seen.add(prediction)
        if prediction not in owner or _augment(owner[prediction], matches, owner, seen):
            owner[prediction] = region
            return True
    return False


MATCHINGS: dict[str, Callable[[NDArray[np.bool_]], Pairs]] = {"greedy": greedy_pairs, "maximum": maximum_pairs}

"""A detector against a labelled set of pictures."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from diffbin.config import Source
from diffbin.data.annotations import Labelled, list_pictures, read_annotation, warn_of_labels
from diffbin.data.picture import orientation
from diffbin.data.picture_weights import PictureWeight, weight_of
from diffbin.detector import Detector
from diffbin.errors import InputError
from diffbin.metrics.answers import Answer, read_answer
from diffbin.metrics.iou import (
    THRESHOLDS,
    HeightRecall,
    Matching,
    PictureMatch,
    Score,
    best,
    compare,
    interval,
    recall_by_height,
    score,
    sweep,
)

FEWEST = 10  # pictures that an interval is told for
Watch = Callable[[Labelled, Answer], object]  # is told of each picture and the answer to it


@dataclass(frozen=True, eq=False)
class Trial:
    """A detector's answer to one picture: its overlaps with the labels, and the seconds it took, decoding included."""

    picture: str  # path below the set's folder of pictures
    match: PictureMatch
    seconds: float | None  # None where the answer lay in a file


@dataclass(frozen=True)
class Report:
    """Figures of a set.

    `fixed` is the honest figure: at the detector's own score threshold. `best` is that of the best threshold of a
    sweep over the same set, as the reference prints it; it flatters.
    """

    pictures: int
    fixed: Score
    interval: tuple[float, float]  # 95 % of the fixed hmean, by drawing the pictures anew
    best: Score
    ms_per_picture: float | None  # median: decoded array in, regions out
    matching: Matching
    heights: tuple[HeightRecall, ...]  # at the detector's own threshold
    each: tuple[PictureWeight, ...]  # counts of each picture at the detector's own threshold, and its weight

    @property
    def interval_text(self) -> str:
        """For people; of few pictures an interval is narrow by chance alone, and is not told."""
        low, high = self.interval
        return f"{low:.3f} to {high:.3f}" if self.pictures >= FEWEST else f"no interval for {self.pictures}"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""

        def plain(s: Score) -> dict[str, Any]:
            shares = {name: round(getattr(s, name), 4) for name in ("precision", "recall", "hmean")}
            return {"score_threshold": s.threshold, **shares, **counts(s)}

        def counts(s: Score) -> dict[str, float]:
            return {name: round(getattr(s, name), 4) for name in ("hits", "regions", "predictions", "right")}

        bounds = [round(v, 4) for v in self.interval] if self.pictures >= FEWEST else None  # see `interval_text`
        return {
            "pictures": self.pictures,
            "fixed": {**plain(self.fixed), "hmean_interval": bounds},
            "best_over_sweep": plain(self.best),
            "recall_by_height": [
                {**vars(part), "below_px": None if part.below_px == inf else part.below_px} for part in self.heights
            ],
            "matching": self.matching,
            "ms_per_picture": self.ms_per_picture and round(self.ms_per_picture, 1),
        }


def evaluate(
    judged: Detector | Path,
    sources: Sequence[Source],
    root: str,
    *,
    matching: Matching = "greedy",
    watch: Watch = lambda *_: None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Report:
    """Runs the detector on every picture of the sources, or reads answers from a folder, and scores them at IoU 0.5, or
    as `matching` has it.

    Answers in files are in the pixels of the labels (`metrics.answers`), and all of them count, whatever their scores.
    `watch` is called with each picture and the answer to it, `progress` with the pictures done and their total. Raises
    `InputError` for missing or damaged pictures, labels and answers.
    """
    pictures = list_labelled(sources, root)
    trials = []
    for done, labelled in enumerate(pictures, 1):
        trials.append(try_out(judged, labelled, watch))
        progress(done, len(pictures))
    return report(trials, 0.0 if isinstance(judged, Path) else judged.decode.score_threshold, matching=matching)


def list_labelled(sources: Sequence[Source], root: str) -> list[Labelled]:
    """The pictures of all sources. Raises `InputError` where there is none."""
    pictures = [(source, picture) for source in sources for picture in list_pictures(source, root)]
    if not pictures:
        raise InputError(f"There is no picture to score in {', '.join(source.images for source in sources)}.")
    for source in sources:
        warn_of_labels(source, [picture for of, picture in pictures if of is source])
    return pictures


def try_out(judged: Detector | Path, labelled: Labelled, watch: Watch = lambda *_: None) -> Trial:
    """One picture, as its labels have it: stored or, of some formats, upright; see `evaluate`."""
    source, picture = labelled
    wanted = read_annotation(source, picture)
    if isinstance(judged, Path):
        turned = not picture.upright and orientation(picture.image) != 1
        answer, seconds = read_answer(judged, picture.name, turned=turned), None
    else:
        image, start = picture.read(), time.perf_counter()
        found = judged.detect(image)
        answer, seconds = (found.polygons, found.scores), time.perf_counter() - start
    watch(labelled, answer)
    return Trial(picture.name, compare(wanted.polygons, wanted.ignored, *answer), seconds)


def report(trials: Sequence[Trial], threshold: float, *, matching: Matching = "greedy") -> Report:
    """The figures of a set that was tried out, at this score threshold and over the sweep."""
    matches = [trial.match for trial in trials]
    seconds = sorted(trial.seconds for trial in trials if trial.seconds is not None)
    swept = sweep(matches, [threshold, *(t for t in THRESHOLDS if t > threshold)], matching=matching)
    return Report(
        pictures=len(matches),
        fixed=score(matches, threshold, matching=matching),
        interval=interval(matches, threshold, matching=matching),
        best=best(swept),
        ms_per_picture=seconds[len(seconds) // 2] * 1e3 if seconds else None,
        matching=matching,
        heights=tuple(recall_by_height(matches, threshold, matching=matching)),
        each=tuple(_weight(trial.picture, score([trial.match], threshold, matching=matching)) for trial in trials),
    )


def _weight(name: str, counts: Score) -> PictureWeight:
    return PictureWeight(name, weight_of(counts.hmean), counts.hits, counts.regions, counts.predictions)

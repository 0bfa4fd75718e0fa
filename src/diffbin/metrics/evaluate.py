"""A detector against a labelled set of pictures."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from diffbin.config import Source
from diffbin.data.annotations import list_pictures, read_picture
from diffbin.data.labels import READERS
from diffbin.detector import Detector
from diffbin.errors import InputError
from diffbin.metrics.iou import THRESHOLDS, Matching, PictureMatch, Score, best, compare, interval, score, sweep


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
    ms_per_picture: float  # median: decoded array in, regions out
    matching: Matching

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""

        def plain(s: Score) -> dict[str, Any]:
            shares = {name: round(getattr(s, name), 4) for name in ("precision", "recall", "hmean")}
            return {"score_threshold": s.threshold, **shares, **counts(s)}

        def counts(s: Score) -> dict[str, int]:
            return {"hits": s.hits, "regions": s.regions, "predictions": s.predictions}

        return {
            "pictures": self.pictures,
            "fixed": {**plain(self.fixed), "hmean_interval": [round(v, 4) for v in self.interval]},
            "best_over_sweep": plain(self.best),
            "matching": self.matching,
            "ms_per_picture": round(self.ms_per_picture, 1),
        }


def evaluate(
    detector: Detector,
    sources: Sequence[Source],
    root: str,
    *,
    matching: Matching = "greedy",
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Runs the detector on every picture of the sources and scores it at IoU 0.5.

    Pictures are read as they are stored, without regard to EXIF, because that is what the labels speak of. `progress`
    is called with the pictures done and their total. Raises `InputError` for missing or damaged pictures and labels.
    """
    pictures = [(source, picture) for source in sources for picture in list_pictures(source, root)]
    if not pictures:
        raise InputError(f"There is no picture to score in {', '.join(source.images for source in sources)}.")
    matches: list[PictureMatch] = []
    seconds: list[float] = []
    for done, (source, picture) in enumerate(pictures, 1):
        wanted, image = READERS[source.format](picture.label), read_picture(picture.image)
        start = time.perf_counter()
        found = detector.detect(image)
        seconds.append(time.perf_counter() - start)
        matches.append(compare(wanted.polygons, wanted.ignored, found.polygons, found.scores))
        if progress:
            progress(done, len(pictures))
    threshold = detector.decode.score_threshold
    swept = sweep(matches, [threshold, *(t for t in THRESHOLDS if t > threshold)], matching=matching)
    return Report(
        pictures=len(pictures),
        fixed=score(matches, threshold, matching=matching),
        interval=interval(matches, threshold, matching=matching),
        best=best(swept),
        ms_per_picture=sorted(seconds)[len(seconds) // 2] * 1e3 if seconds else 0.0,
        matching=matching,
    )

"""Which input size and which thresholds suit a model and a kind of pictures, tried out on labelled ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from diffbin.config import Decode, Preprocess
from diffbin.data.annotations import Labelled, read_annotation
from diffbin.decode import decode
from diffbin.detector import Detector
from diffbin.image import Resize
from diffbin.metrics.iou import PictureMatch, Score, compare, sweep

MASK_THRESHOLDS = (0.3, 0.4, 0.5, 0.6)
UNCLIP_RATIOS = (1.0, 1.2, 1.4, 1.6, 1.9, 2.2)  # those below 1.5 for networks whose labels were shrunk less than by 0.4
SCORE_THRESHOLDS = tuple(round(0.3 + 0.05 * i, 2) for i in range(12))
AROUND = (0.75, 1.25)  # of an input, tried unless others are asked for
AS_GOOD = 0.005  # hmean that a smaller, faster input may cost


@dataclass(frozen=True)
class Setting:
    """Settings of a model, and their score on the pictures that they were chosen on, which flatters."""

    preprocess: Preprocess
    decode: Decode
    score: Score

    def to_dict(self) -> dict[str, float]:
        """The settings by the names that `--set` takes, and the score."""
        sizes, chosen, score = self.preprocess, self.decode, self.score
        return {
            "preprocess.short_px": sizes.short_px,
            "preprocess.long_px": sizes.long_px,
            "preprocess.max_ratio": sizes.max_ratio,  # which grows with a size above the model's own
            "decode.mask_threshold": chosen.mask_threshold,
            "decode.unclip_ratio": chosen.unclip_ratio,
            "decode.score_threshold": chosen.score_threshold,
            "hmean": round(score.hmean, 4),
            "precision": round(score.precision, 4),
            "recall": round(score.recall, 4),
        }

    @property
    def options(self) -> str:
        """As `diffbin export` takes them."""
        return " ".join(f"--set {name}={value:g}" for name, value in self.to_dict().items() if "." in name)

    def __str__(self) -> str:
        figures = self.to_dict()
        return "  ".join(f"{name.rpartition('.')[2]} {value:g}" for name, value in figures.items())


def tune(
    detector: Detector,
    pictures: Sequence[Labelled],
    short_px: Sequence[int],
    *,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[Setting]:
    """The setting of the highest hmean for each input size, a short side in pixels, in the order given.

    The network sees each picture once a size; its map is decoded under 24 combinations of mask threshold and unclip
    ratio, and scored under 12 score thresholds, with the detector's own besides where these are others. `progress` is
    called with the pictures done and their total.
    """
    own = detector.engine.recipe
    stride, known = own.model.map_stride, own.preprocess
    trials = [Trials(detector, detector.preprocess.resized(size)) for size in short_px]
    for done, (source, picture) in enumerate(pictures, 1):
        wanted, image = read_annotation(source, picture), picture.read()
        for trial in trials:
            size = Resize.fit(image.shape[:2], trial.detector.preprocess)
            prob = trial.detector.prob(image)
            for settings, matches in trial.matches.items():
                found = decode(prob, settings, scale=size.scale, size=size.original, stride=stride, known=known).clip()
                matches.append(compare(wanted.polygons, wanted.ignored, found.polygons, found.scores))
        progress(done, len(pictures))
    return [trial.best() for trial in trials]


class Trials:
    """One input size under all ways to decode."""

    def __init__(self, detector: Detector, preprocess: Preprocess) -> None:
        self.detector = Detector(detector.engine, decode=detector.decode, preprocess=preprocess)
        own = detector.decode
        self.scores = sorted({*SCORE_THRESHOLDS, own.score_threshold})
        lowest = replace(own, score_threshold=self.scores[0])
        tried = product({*MASK_THRESHOLDS, own.mask_threshold}, {*UNCLIP_RATIOS, own.unclip_ratio})
        self.matches: dict[Decode, list[PictureMatch]] = {
            replace(lowest, mask_threshold=mask, unclip_ratio=unclip): [] for mask, unclip in sorted(tried)
        }

    def best(self) -> Setting:
        """Of equals, of which few pictures have many, the one nearest to the detector's own."""
        tried = [(config, score) for config, matches in self.matches.items() for score in sweep(matches, self.scores)]
        own = self.detector.decode

        def rank(config: Decode, score: Score) -> tuple[float, float]:
            away = abs(config.mask_threshold - own.mask_threshold) + abs(config.unclip_ratio - own.unclip_ratio)
            return score.hmean, -away - abs(score.threshold - own.score_threshold)

        chosen, score = max(tried, key=lambda pair: rank(*pair))
        return Setting(self.detector.preprocess, replace(chosen, score_threshold=score.threshold), score)


def sizes_around(short_px: int) -> list[int]:
    """Short sides to try for a model that was trained for this one: itself, and multiples of 32 around it."""
    return sorted({short_px, *(max(round(short_px * size / 32), 1) * 32 for size in AROUND)})


def choose(settings: Sequence[Setting]) -> Setting:
    """The smallest input that is as good as any, to 0.005 hmean."""
    highest = max(setting.score.hmean for setting in settings)
    good = [setting for setting in settings if setting.score.hmean >= highest - AS_GOOD]
    return min(good, key=lambda setting: setting.preprocess.short_px)

"""Whether engines, precisions and exports of a model answer alike: maps, regions and, with labels, hmean."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from diffbin import zoo
from diffbin.config import Source
from diffbin.data.annotations import read_annotation
from diffbin.data.labels import Annotation
from diffbin.data.synth import Renderer, Synth
from diffbin.decode import decode
from diffbin.detections import Detections
from diffbin.detector import Detector
from diffbin.engines import Runtime
from diffbin.errors import ConfigError, DependencyError, DiffbinError, ModelError
from diffbin.image import ImageSource, Resize, load
from diffbin.metrics.evaluate import list_labelled
from diffbin.metrics.iou import PictureMatch, compare, greedy_pairs, score

MAP_MAX = 1e-3  # largest error of P where both sides compute in fp32
MAP_MEAN = 0.01  # mean error of P where one side computes in less
AGREE, AGREE_LESS = 0.99, 0.9  # share of regions that both find, at an IoU over SAME; in fp32, and in less
SAME = 0.5
LOSS = 0.005  # of hmean
RENDERED = 4  # pictures, where none are given

Case = tuple[NDArray[np.uint8], Annotation | None]


@dataclass(frozen=True)
class Result:
    """One way to run a model, and how far it is from the reference."""

    model: str
    engine: str
    map_max: float  # of |P - P of the reference|; not a number where the models look at different sizes
    map_mean: float  # the largest mean over a picture
    agree: float  # 2 |both| / (|ours| + |theirs|) over all pictures
    hmean: float | None
    faults: list[str]  # what is beyond tolerance


@dataclass(frozen=True)
class Verdict:
    """The results, the reference's first, and the ways that could not be had here with the reason."""

    pictures: int
    results: list[Result]
    absent: list[str]

    @property
    def passed(self) -> bool:
        """Whether nothing differs beyond tolerance."""
        return not any(result.faults for result in self.results)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        results = [
            {**asdict(result), **{name: None for name in ("map_max", "map_mean") if math.isnan(getattr(result, name))}}
            for result in self.results  # JSON has no NaN
        ]
        return {**asdict(self), "results": results, "passed": self.passed}


def verify(models: Sequence[str], *, pictures: Sequence[ImageSource] = (), labelled: Source | None = None) -> Verdict:
    """Runs every model by every engine and precision of this machine, and compares with the first model, plainly run.

    `pictures` are compared on, or `labelled` ones, or a few rendered ones. The first model runs by ONNX Runtime in its
    own precision (a checkpoint by PyTorch in fp32) on the CPU. Raises the first error of a model that none of them
    runs: `ModelError`, `DependencyError`.
    """
    ways, absent = _open_all(models)
    count = 0
    for picture, annotation in _cases(pictures, labelled):
        reference = ways[0].answer(picture)
        for way in ways:
            way.compare(reference if way is ways[0] else way.answer(picture), reference, annotation)
        count += 1
    return Verdict(count, [way.result(ways[0]) for way in ways], absent)


Answer = tuple[NDArray[np.float32], Detections]


class _Way:
    """One way to run a model, and what adds up over pictures."""

    def __init__(self, model: str, detector: Detector) -> None:
        self.model, self.detector = model, detector
        self.map_max = self.map_mean = 0.0
        self.finite = True  # all of P
        self.both = self.all = 0
        self.matches: list[PictureMatch] = []

    def answer(self, picture: NDArray[np.uint8]) -> Answer:
        """The map, and the regions in it."""
        prob, settings = self.detector.prob(picture), self.detector.decode
        resize = Resize.fit((picture.shape[0], picture.shape[1]), self.detector.preprocess)
        own, size = self.detector.engine.recipe, resize.original
        stride, known = own.model.map_stride, own.preprocess
        return prob, decode(prob, settings, scale=resize.scale, size=size, stride=stride, known=known).clip()

    def compare(self, answer: Answer, reference: Answer, annotation: Annotation | None) -> None:
        """One picture's answers."""
        (prob, found), (their_prob, theirs) = answer, reference
        error = np.abs(prob - their_prob) if prob.shape == their_prob.shape else np.array(np.nan)
        self.finite &= bool(np.isfinite(prob).all())
        self.map_max = float(np.maximum(self.map_max, error.max()))
        self.map_mean = float(np.maximum(self.map_mean, error.mean()))
        pairs = compare(theirs.polygons, np.zeros(len(theirs), np.bool_), found.polygons, found.scores)
        self.both += len(greedy_pairs(pairs.iou > SAME))
        self.all += len(theirs) + len(found)
        if annotation:
            self.matches.append(compare(annotation.polygons, annotation.ignored, found.polygons, found.scores))

    @property
    def agree(self) -> float:
        """See `Result`."""
        return 2 * self.both / self.all if self.all else 1.0

    @property
    def hmean(self) -> float | None:
        """See `Result`."""
        return score(self.matches, self.detector.decode.score_threshold).hmean if self.matches else None

    def result(self, reference: "_Way") -> Result:
        """What came out."""
        faults = list(_faults(self, reference))
        return Result(self.model, self.detector.describe(), self.map_max, self.map_mean, self.agree, self.hmean, faults)


def _faults(way: _Way, reference: _Way) -> Iterator[str]:
    """What is beyond tolerance. In less than fp32 the score decides about the regions, where there are labels."""
    exact = way.detector.engine.precision == reference.detector.engine.precision == "fp32"
    if not way.finite:
        yield "maps hold what is not a number"
    if np.isnan(way.map_max) and not way.all:
        yield "nothing could be compared: their maps have other sizes, and neither finds a region"
    ours, theirs, least = way.hmean, reference.hmean, AGREE if exact else AGREE_LESS
    if exact and way.map_max > MAP_MAX:
        yield f"maps differ by up to {way.map_max:.2g}, more than {MAP_MAX}"
    if not exact and way.map_mean > MAP_MEAN:
        yield f"maps differ by {way.map_mean:.2g} on average, more than {MAP_MEAN}"
    if way.agree < least and (exact or ours is None):
        yield f"only {way.agree:.1%} of the regions agree, less than {least:.0%}"
    if ours is not None and theirs is not None and theirs - ours > LOSS:
        yield f"hmean is {ours:.4f} instead of {theirs:.4f}, a loss of more than {LOSS}"


def _open_all(models: Sequence[str]) -> tuple[list[_Way], list[str]]:
    ways: list[_Way] = []
    absent = []
    for model in models:
        errors: list[DiffbinError] = []
        opened = len(ways)
        for runtime in _runtimes(model):
            try:
                ways.append(_Way(model, Detector(zoo.load(model, runtime))))
            except (DependencyError, ConfigError, ModelError) as error:
                if not ways:  # without the reference there is nothing to compare with
                    raise
                errors.append(error)
                absent.append(f"{model} by {runtime.engine}, {runtime.device}, {runtime.precision}: {error}")
        if len(ways) == opened:  # else a broken model would pass
            raise errors[0]
    return ways, absent


def _runtimes(model: str) -> list[Runtime]:
    """The plainest first."""
    if zoo.find(model).suffix in zoo.CHECKPOINTS:
        devices: tuple[Literal["cpu", "cuda"], ...] = ("cpu", "cuda")
        precisions: tuple[Literal["fp32", "bf16"], ...] = ("fp32", "bf16")
        return [Runtime(engine="torch", device=d, precision=p) for d in devices for p in precisions]
    return [
        Runtime(engine="onnx", device="cpu"),
        Runtime(engine="openvino", device="cpu"),
        Runtime(engine="openvino", device="cpu", precision="bf16"),
        Runtime(engine="onnx", device="cuda"),
    ]


def _cases(pictures: Sequence[ImageSource], labelled: Source | None) -> Iterator[Case]:
    if labelled:
        for source, picture in list_labelled([labelled], ""):
            yield picture.read(), read_annotation(source, picture)
    elif pictures:
        yield from ((load(picture), None) for picture in pictures)
    else:
        renderer = Renderer(Synth(size_px=(720, 1280), empty_ratio=0, words_min=10))
        yield from ((renderer.render(seed).picture, None) for seed in range(RENDERED))


def table(verdict: Verdict) -> str:
    """For people."""
    names = [f"{result.model}, {result.engine}" for result in verdict.results]
    width = max(map(len, names))
    lines = [
        f"{verdict.pictures} pictures; all are compared with the first line",
        "",
        f"{'':{width}}  max |dP|  mean |dP|  regions agree   hmean",
    ]
    for name, r in zip(names, verdict.results, strict=True):
        hmean = "-" if r.hmean is None else f"{r.hmean:.4f}"
        told = "; ".join(r.faults) or "ok"
        lines.append(f"{name:{width}}  {r.map_max:8.1e}  {r.map_mean:9.1e}  {r.agree:13.1%}  {hmean:>6}  {told}")
    return "\n".join([*lines, *(f"not here: {reason}" for reason in verdict.absent)])

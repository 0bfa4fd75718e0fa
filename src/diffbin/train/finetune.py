"""`diffbin train --from MODEL --images DIR --gt DIR`: trained further on one's own pictures, compared, and written."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from diffbin import zoo
from diffbin.config import Recipe, Source
from diffbin.data.annotations import Labelled, take_part
from diffbin.detector import Detector
from diffbin.engines.torch import TorchEngine
from diffbin.errors import ConfigError, ModelError, TrainingError
from diffbin.export import export
from diffbin.files import make_folder, write_text
from diffbin.metrics.evaluate import FEWEST, Report, Trial, list_labelled, report, try_out
from diffbin.metrics.iou import gain_interval
from diffbin.metrics.tune import choose, sizes_around, tune
from diffbin.model import checkpoints
from diffbin.overrides import override
from diffbin.train import card, devices
from diffbin.train.loggers import read_csv
from diffbin.train.loop import train
from diffbin.train.settings import Text, measure, split, suit
from diffbin.train.start import Start
from diffbin.train.validate import overlap

TUNED_ON = 60  # pictures that settings are chosen on: of those trained on, for the score of the others to be honest
TRAINED_ON = "data.train.0."  # the path of settings of the source
LABELS = ("unit", "labels_as", "min_side_px", "skip_unlabelled")  # settings of a source that say what its labels are
HELD_BACK = "held_back.json"  # the names of these pictures
Progress = Callable[[str, int, int], None]  # what is done, pictures done, their total


@dataclass(frozen=True)
class Row:
    """A model on the held-back pictures."""

    name: str
    detector: Detector
    trials: Sequence[Trial]

    @cached_property
    def report(self) -> Report:
        """At its own score threshold."""
        return report(self.trials, self.detector.decode.score_threshold)

    @property
    def figures(self) -> str:
        """For people."""
        score = self.report.fixed
        return (
            f"short side {self.detector.preprocess.short_px:4}  H {score.hmean:.3f} ({self.report.interval_text})  "
            f"P {score.precision:.3f}  R {score.recall:.3f}"
        )

    def gain_over(self, other: "Row") -> tuple[float, float]:
        """95 % interval of the gain in hmean, over the same pictures drawn anew."""
        first, second = (
            ([trial.match for trial in row.trials], row.detector.decode.score_threshold) for row in (other, self)
        )
        return gain_interval(first, second)


@dataclass(frozen=True)
class Plan:
    """What will be run."""

    model: str  # trained further
    own: Recipe  # of the model as it came
    start: Start
    recipe: Recipe
    text: Text  # what the labels say
    learnt: int  # pictures to learn from
    held_back: list[str]  # paths of the others below their folder

    @property
    def pictures(self) -> tuple[int, int]:
        """How many to learn from, and held back."""
        return self.learnt, len(self.held_back)

    @property
    def sentence(self) -> str:
        """For people, before it begins."""
        r, (learnt, held_back) = self.recipe, self.pictures
        length = f"{r.train.epochs} epochs" if r.train.epochs else f"{r.train.steps} steps"
        return (
            f"{self.model}, trained further on {learnt} pictures; {held_back} held back to score it. The median "
            f"text is {self.text.height * self.text.short_px:.0f} px high in pictures of {self.text.short_px:.0f} px, "
            f"so the network sees them at {r.preprocess.short_px} px: {length} of {r.data.batch_size} "
            f"crops of {r.augment.crop_px} px, rate {r.optim.lr:g}, {r.train.precision}. Change any of it by --set."
        )


@dataclass(frozen=True)
class Outcome:
    """What came out of it; no `rows` where no picture was held back."""

    model: Path  # ONNX, with the chosen settings and its card inside
    card: Path
    rows: Sequence[Row]  # as it came; the same with settings chosen for these pictures; trained, with settings chosen

    @property
    def told(self) -> str:
        """For people, when it is done."""
        lines = [f"{row.name:45} {row.figures}" for row in self.rows]
        if self.rows:
            first, last = self.rows[0], self.rows[-1]
            low, high = last.gain_over(first)
            gain = last.report.fixed.hmean - first.report.fixed.hmean
            enough = last.report.pictures >= FEWEST
            told = f"95 % interval {low:+.3f} to {high:+.3f}" if enough else "of too few pictures for an interval"
            verdict = "" if enough and low > 0 else "; it may be chance: more pictures would tell"
            lines.append(f"gain {gain:+.3f}, {told}{verdict}")
        else:
            lines.append("No picture was held back, so nothing is known of how good it is.")
        return "\n".join([*lines, f"{self.model} is ready for `diffbin detect --model`; {self.card} tells all of it."])


def plan(model: str, source: Source, assignments: Sequence[str]) -> Plan:
    """Looks at model and pictures. Raises `ModelError`, `InputError`, `TrainingError`, `ConfigError`."""
    path = zoo.weights_of(model)
    if path.suffix not in zoo.CHECKPOINTS:
        raise ModelError(
            f"{model} cannot be trained further: give a model of `diffbin models`, an installed row of "
            "`diffbin zoo list`, a checkpoint .pt, or .safetensors."
        )
    stored, weights = checkpoints.read_weights(path)
    told = [text.strip().removeprefix(TRAINED_ON) for text in assignments]
    source = override(source, [text for text in told if text.partition("=")[0].strip() in LABELS])
    count = len(list_labelled([source], ""))
    text = measure(replace(source, part=split(count)[0]), "")  # those held back choose nothing
    suited = suit(stored, source, count, text)
    recipe = override(suited, [*(_for_held_back(assignments) if suited.data.validation else ()), *assignments])
    if suited.data.validation and not recipe.data.validation:  # what is not held back is trained on
        recipe = override(replace(suited, data=replace(suited.data, train=(source,))), assignments)
    learnt, held_back = (
        [picture for _, picture in list_labelled(sources, recipe.data.root)] if sources else []
        for sources in (recipe.data.train, recipe.data.validation)
    )
    if said := overlap(learnt, held_back):
        raise ConfigError(said)
    names = [picture.name for picture in held_back]
    return Plan(model, stored, Start(weights, str(path)), recipe, text, len(learnt), names)


def _for_held_back(assignments: Sequence[str]) -> list[str]:
    """What is said of the labels trained on, for those of the pictures held back, unless that is said after it."""
    names = {f"{TRAINED_ON}{name}" for name in LABELS}
    told = (text.strip() for text in assignments if text.partition("=")[0].strip() in names)
    return [text.replace("train", "validation", 1) for text in told]


def finetune(planned: Plan, *, out: Path, resume: bool, progress: Progress) -> Outcome | None:
    """Trains as planned, chooses settings on pictures trained on, scores on those held back, and exports.

    Writes checkpoints, `model.onnx`, `model.safetensors` and `MODEL_CARD.md` to `out`. None on any but the first of
    several processes. Raises `TrainingError` where a run goes on, and pictures are held back that it has learnt from.
    """
    _check_held_back(planned, out, resume=resume)
    last = train(planned.recipe, out=out, resume=resume, start=planned.start)
    if not devices.is_first():
        return None
    weights = checkpoints.read_weights(last)[1]
    detectors = choose_settings(planned, weights, progress)
    trained = detectors[-1][1]
    recipe = replace(planned.recipe, preprocess=trained.preprocess, decode=trained.decode)
    rows = score(detectors, recipe)
    end = read_csv(out)[-1]  # of all calls, where the run was broken off and resumed
    told = card.texts(
        planned.model, recipe, rows[-1].report if rows else None, steps=int(end["step"]), minutes=end["seconds"] / 60
    )
    export(last, out / "model.onnx", card=told, recipe=recipe)
    checkpoints.write_weights(out / "model.safetensors", recipe, weights)
    card.write(out / "MODEL_CARD.md", told, [(row.name, row.detector, row.report) for row in rows], recipe)
    return Outcome(out / "model.onnx", out / "MODEL_CARD.md", rows)


def _check_held_back(planned: Plan, out: Path, *, resume: bool) -> None:
    """Which pictures are held back depends on their number: with one more, they may be others than before."""
    record, now = out / HELD_BACK, planned.held_back
    if not checkpoints.checkpoints(out / "checkpoints"):
        make_folder(out)
        write_text(record, json.dumps(now, indent=0))
    elif resume and record.is_file() and (learnt := set(now) - set(json.loads(record.read_text("utf-8")))):
        raise TrainingError(
            f"The run in {out} has learnt from {len(learnt)} of the pictures that are held back now, {min(learnt)!r} "
            "among them: there are more pictures, or fewer, than when it began. Put them as they were, or begin anew."
        )


def choose_settings(planned: Plan, weights: checkpoints.Weights, progress: Progress) -> list[tuple[str, Detector]]:
    """The model as it came, with settings chosen on pictures trained on, and trained, with settings chosen alike."""
    recipe, own = planned.recipe, planned.own
    before = Detector(
        TorchEngine(checkpoints.build(own, planned.start.weights, source=planned.start.source), own), tile="off"
    )
    after = Detector(TorchEngine(checkpoints.build(recipe, weights, source="the last checkpoint"), recipe), tile="off")
    known = spread(list_labelled(recipe.data.train, recipe.data.root), TUNED_ON)
    sizes = sorted({*sizes_around(recipe.preprocess.short_px), own.preprocess.short_px})

    def chosen(name: str, detector: Detector) -> Detector:
        setting = choose(tune(detector, known, sizes, progress=partial(progress, name)))
        return Detector(detector.engine, decode=setting.decode, preprocess=setting.preprocess, tile="off")

    return [
        (f"{planned.model} as it came", before),
        (f"{planned.model}, settings chosen", chosen("choosing settings before", before)),
        ("trained, settings chosen", chosen("choosing settings after", after)),
    ]


def score(detectors: Sequence[tuple[str, Detector]], recipe: Recipe) -> list[Row]:
    """Each of them on the held-back pictures."""
    if not recipe.data.validation:
        return []
    held_back = list_labelled(recipe.data.validation, recipe.data.root)
    return [Row(name, detector, [try_out(detector, picture) for picture in held_back]) for name, detector in detectors]


def spread(pictures: Sequence[Labelled], count: int) -> list[Labelled]:
    """At most `count` of them, from all over the set."""
    return take_part(pictures, f"::{max(1, -(-len(pictures) // count))}")

"""The score of a network in training, by the very path that users run, and pictures of what it finds."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from diffbin.config import Recipe
from diffbin.data.annotations import Picture
from diffbin.detector import Detector
from diffbin.engines.torch import TorchEngine
from diffbin.metrics.evaluate import Report, list_labelled, report, try_out
from diffbin.model.dbnet import DBNet
from diffbin.train import devices
from diffbin.train.report import SAMPLES
from diffbin.train.report.sheets import sample_sheet, write_sheet

SHOWN = 4  # pictures of a validation set that are drawn, evenly spread


def validate(network: DBNet, recipe: Recipe) -> Report:
    """The score on `recipe.data.validation`, whose pictures the processes share; all of them get the same report.

    The network is left in the mode it came in.
    """
    training = network.training
    devices.align_buffers(network)
    detector = Detector(TorchEngine(network, recipe), tile="off")
    pictures = list_labelled(recipe.data.validation, recipe.data.root)
    trials = devices.gather([try_out(detector, picture) for picture in devices.mine(pictures)])
    network.train(training)
    return report(trials, detector.decode.score_threshold)


def overlap(learnt: Iterable[Picture], held_back: Sequence[Picture]) -> str:
    """A sentence on the pictures held back that are learned from, too, links followed; "" where there are none."""
    known = {picture.image.resolve() for picture in learnt}
    both = [picture.image for picture in held_back if picture.image.resolve() in known]
    if not both:
        return ""
    return (
        f"Of the {len(held_back)} pictures of data.validation {len(both)} are trained on as well, {both[0]} among "
        'them, so their score flatters; give each source a part without the other\'s, as "!9::10" and "9::10".'
    )


def figures(report: Report) -> dict[str, float]:
    """What the log tells of a validation: the score at the recipe's threshold, and the best over a sweep of them."""
    low, high = report.interval
    return {
        "precision": report.fixed.precision,
        "recall": report.fixed.recall,
        "hmean": report.fixed.hmean,
        "hmean_low": low,
        "hmean_high": high,
        "best_hmean": report.best.hmean,
    }


def write_samples(network: DBNet, recipe: Recipe, out: Path, *, step: int) -> Path:
    """Draws what the network finds in a few validation pictures, always the same, and returns the path of the sheet."""
    training = network.training
    pictures = list_labelled(recipe.data.validation, recipe.data.root)
    chosen = [pictures[i * len(pictures) // SHOWN] for i in range(min(SHOWN, len(pictures)))]
    path = out / SAMPLES / f"step_{step:08d}.jpg"
    write_sheet(sample_sheet(Detector(TorchEngine(network, recipe), tile="off"), chosen), path)
    network.train(training)
    return path

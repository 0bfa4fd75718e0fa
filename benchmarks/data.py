"""Speed of the training data: `python -m benchmarks.data [--images DIR --gt DIR] [--json]`.

Milliseconds of one core a sample of 640 x 640, stage by stage, beside the yardstick of `benchmarks.chain`, and samples
a second and core. Every way makes as many samples of the same pictures once a turn; told are medians over the turns.
Without a folder the pictures are those of `examples`, "large" ones three times as wide.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks import chain
from benchmarks.clock import Clock
from diffbin.config import Augment, Source, Targets
from diffbin.data.augment import distort, jitter_colour, place
from diffbin.data.dataset import Example, collate
from diffbin.data.pack import pack
from diffbin.data.sources import PictureSource, SampleSource, ShardSource
from diffbin.data.targets import make_targets
from diffbin.data.warp import FURTHER, warp

Way = Callable[[int, np.random.Generator, Clock], Example]
EXAMPLES = Path(__file__).parents[1] / "examples"
TEXT = Augment()
SCALE = Augment(crop="scale", scale_min=0.4, scale_max=2.0, contrast_delta=0.3, blur_p=0.3, noise_p=0.3)
BATCH, TURNS = 16, 5
LARGE = 3  # times as wide
FEW = 16  # pictures that are made large


def sample(
    index: int,
    rng: np.random.Generator,
    clock: Clock,
    *,
    source: SampleSource,
    config: Augment = TEXT,
    whole: bool = False,
) -> Example:
    """One sample as `TrainSet` makes it; `whole` decodes the picture at full size however small the crop makes it."""
    scene = clock.time("read", source.load, index)
    placement, regions = clock.time("place", place, scene, config, rng)
    pixels, reduction = clock.time("decode", scene.read, 1 if whole else 1 / placement.scale + FURTHER)
    crop = clock.time("warp", warp, pixels, placement.within(reduction), config.crop_px)
    crop = clock.time("colour", jitter_colour, crop, config, rng)
    crop = clock.time("distort", distort, crop, config, rng)
    ignored, size = np.array(regions.ignored, np.bool_), (config.crop_px, config.crop_px)
    return Example(crop, clock.time("targets", make_targets, regions.polygons, ignored, size, Targets()))


def yardstick(index: int, rng: np.random.Generator, clock: Clock, *, source: PictureSource) -> Example:
    """One sample of the chain."""
    return chain.sample(source.pictures[index].image, source.annotation(index), TEXT, rng, clock)


def measure(ways: Mapping[str, Way], pictures: int, count: int) -> dict[str, Any]:
    """By way: milliseconds a sample by stage, `total` among them, and samples a second."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, way in ways.items():
            clock = Clock()
            for first in range(0, count, BATCH):
                numbers = range(first, min(first + BATCH, count))
                examples = [way(number % pictures, np.random.default_rng(number), clock) for number in numbers]
                clock.time("batch", collate, examples)
            found[name].append(clock.ms)
    return {name: _summary(runs, count) for name, runs in found.items()}


def _summary(runs: Sequence[Mapping[str, float]], count: int) -> dict[str, float]:
    stages = {stage: round(median(run[stage] for run in runs) / count, 2) for stage in runs[0]}
    total = median(sum(run.values()) for run in runs) / count
    return {**stages, "total": round(total, 2), "samples_per_s": round(1000 / total, 1)}


def run(images: Path, labels: Path, count: int) -> dict[str, Any]:
    """All ways, on one core."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    origin = Source(images=str(images), labels=str(labels), part=f":{count}")
    files = PictureSource(origin, "")
    with tempfile.TemporaryDirectory() as folder:
        pack(origin, out=Path(folder) / "packed", shard_mb=256, decoded=True)
        packed = ShardSource(Source(images="packed"), folder)
        large = PictureSource(_enlarge(files, Path(folder) / "large"), "")
        ways: dict[str, Way] = {
            "chain": partial(yardstick, source=files),
            "text": partial(sample, source=files),
            "scale": partial(sample, source=files, config=SCALE),
            "packed": partial(sample, source=packed),
        }
        at_sizes: dict[str, Way] = {
            "whole": partial(sample, source=large, whole=True),
            "reduced": partial(sample, source=large),
        }
        return {**measure(ways, len(files), count), "large": measure(at_sizes, len(large), count)}


def _enlarge(source: PictureSource, folder: Path) -> Source:
    """A few pictures `LARGE` times as wide, with their labels."""
    folder.mkdir()
    for index, picture in enumerate(source.pictures[:FEW]):
        large = cv2.resize(picture.read(), None, fx=LARGE, fy=LARGE, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{index}.jpg"), large[:, :, ::-1])
        label = source.annotation(index)
        lines = [
            ",".join(map(str, [*(polygon * LARGE).ravel().tolist(), text]))
            for polygon, text in zip(label.polygons, label.texts, strict=True)
        ]
        (folder / f"{index}.txt").write_text("\n".join(lines))
    return Source(images=str(folder), labels=str(folder))


def main() -> None:
    """Prints a line a way, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=EXAMPLES, help="folder of pictures")
    parser.add_argument("--gt", type=Path, default=EXAMPLES / "gt", help="folder of ICDAR text files")
    parser.add_argument("--count", type=int, default=64, help="samples of each way and turn")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    found = run(options.images, options.gt, options.count)
    if options.json:
        print(json.dumps(found))
        return
    large = found.pop("large")
    for name, figures in {**found, **large}.items():
        print(f"{name}: " + ", ".join(f"{stage} {figure}" for stage, figure in figures.items()))


if __name__ == "__main__":
    main()

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
from diffbin.data.annotations import Picture, list_pictures
from diffbin.data.augment import distort, jitter_colour, place
from diffbin.data.dataset import Example, collate
from diffbin.data.labels import READERS, Annotation
from diffbin.data.picture import open_picture
from diffbin.data.sample import Scene
from diffbin.data.targets import make_targets
from diffbin.data.warp import FURTHER, warp

Way = Callable[[Path, Annotation, np.random.Generator, Clock], Example]
EXAMPLES = Path(__file__).parents[1] / "examples"
TEXT = Augment()
CROPS = {
    "text": TEXT,
    "scale": Augment(crop="scale", scale_min=0.4, scale_max=2.0, contrast_delta=0.3, blur_p=0.3, noise_p=0.3),
}
BATCH = 16
LARGE = 3  # times as wide


def sample(
    path: Path, label: Annotation, rng: np.random.Generator, clock: Clock, *, config: Augment, whole: bool = False
) -> Example:
    """One sample as `TrainSet` makes it; `whole` decodes the picture at full size however small the crop makes it."""
    picture = clock.time("read", open_picture, path)
    scene = Scene(picture.size, picture.read, label.polygons, label.ignored, label.texts)
    placement, regions = clock.time("place", place, scene, config, rng)
    pixels, reduction = clock.time("decode", scene.read, 1 if whole else 1 / placement.scale + FURTHER)
    crop = clock.time("warp", warp, pixels, placement.within(reduction), config.crop_px)
    crop = clock.time("colour", jitter_colour, crop, config, rng)
    crop = clock.time("distort", distort, crop, config, rng)
    ignored, size = np.array(regions.ignored, np.bool_), (config.crop_px, config.crop_px)
    return Example(crop, clock.time("targets", make_targets, regions.polygons, ignored, size, Targets()))


def yardstick(path: Path, label: Annotation, rng: np.random.Generator, clock: Clock) -> Example:
    """One sample of the chain."""
    return chain.sample(path, label, TEXT, rng, clock)


def measure(ways: Mapping[str, Way], pictures: Sequence[Picture], *, count: int, turns: int) -> dict[str, Any]:
    """By way: milliseconds a sample by stage, `total` among them, and samples a second."""
    labels = [READERS["icdar"](picture.label) for picture in pictures]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, way in ways.items():
            clock = Clock()
            for first in range(0, count, BATCH):
                numbers = range(first, min(first + BATCH, count))
                examples = [
                    way(pictures[i % len(pictures)].image, labels[i % len(labels)], np.random.default_rng(i), clock)
                    for i in numbers
                ]
                clock.time("batch", collate, examples)
            found[name].append(clock.ms)
    return {name: _summary(runs, count) for name, runs in found.items()}


def _summary(runs: Sequence[Mapping[str, float]], count: int) -> dict[str, float]:
    stages = {stage: round(median(run[stage] for run in runs) / count, 2) for stage in runs[0]}
    total = median(sum(run.values()) for run in runs) / count
    return {**stages, "total": round(total, 2), "samples_per_s": round(1000 / total, 1)}


def compare(pictures: Sequence[Picture], *, count: int, turns: int = 5) -> dict[str, Any]:
    """The ways to crop beside the yardstick, which has `crop="text"`."""
    ways: dict[str, Way] = {"chain": yardstick}
    ways |= {name: partial(sample, config=config) for name, config in CROPS.items()}
    found = measure(ways, pictures, count=count, turns=turns)
    return {**found, "times_faster": round(found["chain"]["total"] / found["text"]["total"], 1)}


def compare_large(pictures: Sequence[Picture], *, count: int, turns: int = 5) -> dict[str, Any]:
    """Large pictures, decoded at reduced size and whole."""
    ways: dict[str, Way] = {"whole": partial(sample, config=TEXT, whole=True), "reduced": partial(sample, config=TEXT)}
    with tempfile.TemporaryDirectory() as folder:
        return measure(ways, [_enlarge(picture, Path(folder)) for picture in pictures], count=count, turns=turns)


def _enlarge(picture: Picture, folder: Path) -> Picture:
    """`LARGE` times as wide, with its label."""
    pixels, label = open_picture(picture.image).read()[0], READERS["icdar"](picture.label)
    large = cv2.resize(pixels, None, fx=LARGE, fy=LARGE, interpolation=cv2.INTER_CUBIC)
    image = folder / picture.image.name
    cv2.imwrite(str(image), large[:, :, ::-1])
    lines = [
        ",".join([*map(str, (polygon * LARGE).ravel().tolist()), "###" if ignored else text])
        for polygon, ignored, text in zip(label.polygons, label.ignored, label.texts, strict=True)
    ]
    path = image.with_suffix(".txt")
    path.write_text("\n".join(lines))
    return picture._replace(image=image, label=picture.label._replace(path=path))


def run(images: str = "", labels: str = "", count: int = 64) -> dict[str, Any]:
    """All of it, on one core."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    source = Source(images=images or str(EXAMPLES), labels=labels or images or str(EXAMPLES / "gt"))
    pictures = list_pictures(source, "")
    return {**compare(pictures, count=count), "large": compare_large(pictures[:16], count=count)}


def main() -> None:
    """Prints lines or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", default="", help="folder of pictures")
    parser.add_argument("--gt", default="", help="folder of ICDAR text files")
    parser.add_argument("--count", type=int, default=64, help="samples of each way and turn")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    found = run(options.images, options.gt, options.count)
    print(json.dumps(found) if options.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

"""Speed of the training data: `python -m benchmarks.data [--images DIR --gt DIR] [--json]`.

CPU time of one core, in milliseconds a sample at 640x640, stage by stage, and samples a second and core. Without a
folder it makes its own pictures: 1280x720 JPEG, 10 words each.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import ParamSpec, TypeVar

import cv2
import numpy as np

from diffbin.config import Augment, Source, Targets
from diffbin.data.annotations import list_pictures, read_picture
from diffbin.data.augment import distort, jitter_colour, place, warp
from diffbin.data.labels import READERS
from diffbin.data.sample import Sample
from diffbin.data.targets import make_targets

T = TypeVar("T")
P = ParamSpec("P")
CROPS = {
    "text": Augment(),
    "scale": Augment(crop="scale", scale_min=0.4, scale_max=2.0, contrast_delta=0.3, blur_p=0.3, noise_p=0.3),
}


class Clock:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, stage: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `work` on account of `stage`."""
        start = process_time()
        result = work(*args, **kwargs)
        self.seconds[stage] = self.seconds.get(stage, 0.0) + process_time() - start
        return result


def measure(images: str, labels: str, config: Augment, count: int) -> dict[str, float]:
    """Mean milliseconds by stage, and rates a second and core."""
    pictures = list_pictures(Source(images=images, labels=labels), "")
    clock, size = Clock(), (config.crop_px, config.crop_px)
    for number in range(count):
        rng = np.random.default_rng(number)
        image, label = pictures[number % len(pictures)]
        encoded, found = image.read_bytes(), READERS["icdar"](label)
        picture = clock.time("decode", read_picture, image, encoded)
        sample = Sample(picture, found.polygons, found.ignored, found.texts)
        placement, regions = clock.time("place", place, sample, config, rng)
        crop = clock.time("warp", warp, picture, placement, config.crop_px)
        crop = clock.time("colour", jitter_colour, crop, config, rng)
        clock.time("distort", distort, crop, config, rng)
        ignored = np.array(regions.ignored, np.bool_)
        clock.time("targets", make_targets, regions.polygons, ignored, size, Targets())
    total = sum(clock.seconds.values())
    result = {f"{stage}_ms": round(1000 * seconds / count, 2) for stage, seconds in clock.seconds.items()}
    result["targets_per_s"] = round(count / clock.seconds["targets"], 1)
    result["samples_per_s"] = round(count / total, 1)
    return result


def make_pictures(folder: Path, count: int = 8) -> None:
    """Noise in soft patches, with ten turned white words each."""
    rng = np.random.default_rng(0)
    for number in range(count):
        soft = cv2.resize(rng.integers(0, 255, (45, 80, 3), np.uint8), (1280, 720), interpolation=cv2.INTER_CUBIC)
        lines = []
        for _ in range(10):
            centre, size = rng.uniform((100, 60), (1180, 660)), rng.uniform((40, 15), (180, 50))
            quad = cv2.boxPoints((centre.tolist(), size.tolist(), float(rng.uniform(-20, 20)))).astype(int)
            cv2.fillPoly(soft, [quad], (250, 250, 250))
            lines.append(",".join(map(str, quad.ravel().tolist())) + ",word")
        cv2.imwrite(str(folder / f"{number}.jpg"), soft)
        (folder / f"{number}.txt").write_text("\n".join(lines))


def main() -> None:
    """Prints a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", default="", help="folder of pictures")
    parser.add_argument("--gt", default="", help="folder of ICDAR text files")
    parser.add_argument("--count", type=int, default=100, help="samples measured for each way to crop")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        if not options.images:
            make_pictures(Path(folder))
        images, labels = options.images or folder, options.gt or options.images or folder
        results = {name: measure(images, labels, config, options.count) for name, config in CROPS.items()}
    if options.json:
        print(json.dumps(results))
        return
    for name, result in results.items():
        print(f'crop="{name}": ' + ", ".join(f"{key} {value}" for key, value in result.items()))


if __name__ == "__main__":
    main()

"""Memory over many pictures of random sizes: `python -m benchmarks.soak [--count 2000] [--engine onnx] [--json]`.

The embedded model looks through a stream of JPEG files of 16 to 1500 pixels a side, scaled to a short side of 320
pixels, so that thousands take minutes. They are written first, for their making not to count, and begin with some of
the largest: what grows later is not the pictures. Told are the most memory that the process ever held and what it
holds, after 200 pictures and at the end, and the growth of the first in between.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np

from diffbin import Detector
from diffbin.errors import SmallTextWarning

LONGEST_PX = 1500
LARGEST = 10  # pictures of that many pixels either way at the beginning
EARLY = 200  # pictures after which memory should have come to rest
UNIT_MB = 2**20 if sys.platform == "darwin" else 2**10  # of `ru_maxrss`


def write_pictures(folder: Path, count: int) -> list[Path]:
    """Pictures with dark bars on a light ground, for the decoder to have work."""
    rng, paths = np.random.default_rng(0), [folder / f"{i}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        height, width = (int(side) for side in rng.integers(16 if i >= LARGEST else LONGEST_PX, LONGEST_PX + 1, 2))
        picture = np.full((height, width, 3), rng.integers(150, 256), np.uint8)
        for top in range(8, height - 12, 40):
            picture[top : top + 12, 10 : rng.integers(10, width + 1)] = 30
        cv2.imwrite(str(path), picture)
    return paths


def memory() -> dict[str, float]:
    """The most memory held so far and, on Linux, the memory held now."""
    figures = {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT_MB}
    if (status := Path("/proc/self/statm")).exists():
        figures["now_mb"] = int(status.read_text("utf-8").split()[1]) * resource.getpagesize() / 2**20
    return {name: round(figure, 1) for name, figure in figures.items()}


def measure(paths: Sequence[Path], short_px: int, runs: int, engine: str) -> dict[str, object]:
    """Memory after `EARLY` pictures and after all."""
    count = len(paths)
    detector = Detector(engine=engine, tile="off")
    detector.preprocess = replace(detector.preprocess, short_px=short_px, long_px=short_px * 16 // 9)
    rows, start = {}, time.perf_counter()
    for done, result in enumerate(detector.stream(paths, runs=runs), 1):
        result.get()
        if done in (min(EARLY, count), count):
            rows[done] = memory()
    first, last = rows[min(EARLY, count)]["peak_mb"], rows[count]["peak_mb"]
    return {
        "engine": detector.describe(),
        "after": rows,
        "growth_percent": round(100 * (last / first - 1), 1),
        "pictures_per_s": round(count / (time.perf_counter() - start), 1),
    }


def main() -> None:
    """Prints lines or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="pictures")
    parser.add_argument("--short", type=int, default=320, help="short side that pictures are scaled to, pixels")
    parser.add_argument("--runs", type=int, default=2, help="pictures that the network computes at once")
    parser.add_argument("--engine", default="auto", help="onnx or openvino; auto = the fastest that is there")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore", SmallTextWarning)  # pictures are made small on purpose
    with tempfile.TemporaryDirectory() as folder:
        result = measure(write_pictures(Path(folder), options.count), options.short, options.runs, options.engine)
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {figure}" for name, figure in result.items()))


if __name__ == "__main__":
    main()

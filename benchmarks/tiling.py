"""Large pictures: `python -m benchmarks.tiling [--images DIR] [--json]`.

A picture of 8000 x 6000 is put together from the example pictures (or up to 48 of a folder), and every region that the
detector finds in the single pictures is looked for in it: with the ordinary resize, in tiles, and, to tell what tiles
cost from what any shift costs, in each cell of it alone: a single picture moved by some pixels in a grey frame. "Clear"
regions have a score well above the detector's threshold; the others may fall below it by the shift alone. A second
picture is one example enlarged to 8000 x 4500, whose words are too large for tiles. Each row is a process of its own;
peak memory is all that it held, libraries, model and the picture (0.14 GB) included.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin import Detector
from diffbin.decode import decode
from diffbin.detections import Detections, Points
from diffbin.geometry import area, intersections
from diffbin.image import Resize, load
from diffbin.rgb import Picture
from diffbin.tiling import Tiles, side

EXAMPLES = Path(__file__).parents[1] / "examples"
SIZE, CELL, MARGIN = (6000, 8000), (750, 1333), (13, 17)  # (h, w)
GREY = (124, 116, 104)  # near the mean, which is what the network's input is padded with
CLEAR = 0.05  # above the score threshold
ROWS = ("whole", "tiles", "moved", "whole, large words", "tiles, large words")


@dataclass(frozen=True)
class Found:
    """Regions of the single pictures, and what became of them at an IoU over 0.5."""

    regions: int
    again: int
    clear: int
    clear_again: int
    split: int  # into two or more that lie inside of it
    clear_split: int  # those of them that are clear
    split_at_seam: int  # those of them that reach into what two tiles share, clear or not
    others: int  # regions that are none of the single pictures'


@dataclass(frozen=True)
class Assembly:
    """A large picture and the regions, in its pixels, that are found in its parts alone."""

    picture: Picture
    corners: list[tuple[int, int]]  # (y, x) of the parts
    regions: Detections


def assemble(detector: Detector, parts: Sequence[Picture], size: tuple[int, int] = SIZE) -> Assembly:
    """Pictures of 720 x 1280 side by side, in turn, in a grey picture of this size."""
    picture = np.full((*size, 3), GREY, np.uint8)
    tops, lefts = (range(m, side - cell + m + 1, cell) for m, side, cell in zip(MARGIN, size, CELL, strict=True))
    corners = list(product(tops, lefts))
    single = [detector.detect(part) for part in parts]
    polygons: list[Points] = []
    for i, (y, x) in enumerate(corners):
        part = parts[i % len(parts)]
        picture[y : y + part.shape[0], x : x + part.shape[1]] = part
        polygons += [polygon + np.array((x, y), np.float32) for polygon in single[i % len(parts)].polygons]
    scores = [single[i % len(parts)].scores for i in range(len(corners))]
    return Assembly(picture, corners, Detections(polygons, np.concatenate(scores), size))


def enlarge(detector: Detector, part: Picture, size: tuple[int, int] = (4500, 8000)) -> Assembly:
    """One picture drawn large, of the same proportions."""
    single, ratio = detector.detect(part), np.float32(size[1] / part.shape[1])
    picture = np.asarray(cv2.resize(part, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
    return Assembly(picture, [(0, 0)], Detections([p * ratio for p in single.polygons], single.scores, size))


def moved(detector: Detector, large: Assembly) -> Detections:
    """What is found in each cell alone, at the scale of a single picture."""
    polygons: list[Points] = []
    scores: list[float] = []
    ratio = Resize.ordinary(detector.preprocess).ratio
    for y, x in large.corners:
        top, left = y - MARGIN[0], x - MARGIN[1]
        cell = large.picture[top : top + CELL[0], left : left + CELL[1]]
        resize = Resize.by((cell.shape[0], cell.shape[1]), ratio, detector.preprocess)
        prob = resize.crop(detector.engine.run(resize.apply(cell, detector.preprocess))[0, 0])
        stride = detector.engine.recipe.model.map_stride
        found = decode(prob, detector.decode, scale=resize.scale, stride=stride)
        polygons += [polygon + np.array((left, top), np.float32) for polygon in found.polygons]
        scores += found.scores.tolist()
    return Detections(polygons, np.array(scores, np.float32), large.regions.size)


def compare(detector: Detector, wanted: Detections, found: Detections) -> Found:
    """What became of the wanted regions."""
    shared = intersections(wanted.polygons, found.polygons)
    areas = np.array([area(polygon) for polygon in found.polygons])
    union = np.array([[area(polygon)] for polygon in wanted.polygons]) + areas - shared
    matches = shared / union > 0.5
    again, clear = matches.any(axis=1), wanted.scores >= detector.decode.score_threshold + CLEAR
    split = (shared > areas / 2).sum(axis=1) > 1
    seams = np.array([_at_seam(box, detector, wanted.size) for box in wanted.boxes()])
    return Found(
        regions=len(wanted),
        again=int(again.sum()),
        clear=int(clear.sum()),
        clear_again=int((clear & again).sum()),
        split=int(split.sum()),
        clear_split=int((clear & split).sum()),
        split_at_seam=int((split & seams).sum()),
        others=int((~matches.any(axis=0)).sum()),
    )


def _at_seam(box: NDArray[np.float32], detector: Detector, size: tuple[int, int]) -> bool:
    config = detector.preprocess
    side_px = side(Resize.fit(size, config), "auto", config, config)
    tiles = Tiles.cover(size, side_px, config)
    return any(
        box[low] < start + length and box[low + 2] > following
        for low, starts, length in (
            (0, tiles.lefts, tiles.resize.original[1]),
            (1, tiles.tops, tiles.resize.original[0]),
        )
        for start, following in pairwise(starts)
    )


def run_one(row: str, images: Path) -> dict[str, Any]:
    """Seconds, memory and regions of one row, in this process."""
    plain = Detector(tile="off")
    parts = list(_parts(images))
    large = enlarge(plain, load(EXAMPLES / "img_946.jpg")) if "large" in row else assemble(plain, parts)
    tiled = Detector(plain.engine, tile="auto" if "tiles" in row else "off")
    start, busy = time.perf_counter(), time.process_time()
    found = moved(plain, large) if row == "moved" else tiled.detect(large.picture)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    counts = asdict(compare(plain, large.regions, found))
    mib = round(int(peak[1]) / 1024) if peak else 0
    return {"seconds": round(seconds, 1), "cpu_seconds": round(busy, 1), "peak_mib": mib, **counts}


def _parts(images: Path) -> Iterator[Picture]:
    """Up to 48 pictures of 720 x 1280 of a folder, spread over it."""
    paths = sorted(images.glob("*.jpg"))
    for path in paths[:: max(1, len(paths) // 48)][:48]:
        picture = load(path)
        if picture.shape == (720, 1280, 3):
            yield picture


def measure(images: Path = EXAMPLES) -> dict[str, Any]:
    """All rows."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.tiling", "--images", str(images), "--one"]
    answer = {}
    for row in ROWS:
        done = subprocess.run([*command, row], check=True, capture_output=True, text=True, cwd=EXAMPLES.parent)
        answer[row] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Prints a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=EXAMPLES, help="folder of pictures of 1280 x 720")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--one", choices=ROWS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(options.one, options.images)))
        return
    rows = measure(options.images)
    if options.json:
        print(json.dumps(rows))
        return
    for row, figures in rows.items():
        print(f"{row}: " + ", ".join(f"{key} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()

"""Decoding of the reference's maps and drawn ones against a naive loop: `python -m benchmarks.decode [--json]`.

The naive loop is what a first implementation does: each contour is scored and unclipped over the whole map, one at a
time, before any is passed over. Both answer the same regions; medians by turns, one thread. Threshold and contours
alone, which no decoder is without, are timed beside them.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.config import Decode
from diffbin.decode import decode
from diffbin.geometry import clockwise, offset, perimeter, single_part

MAPS = Path(__file__).parents[1] / "tests" / "parity" / "data" / "decode_maps.npz"
Prob = NDArray[np.float32]
Contours = Sequence[NDArray[np.int32]]


def contours(prob: Prob, config: Decode) -> Contours:
    """The pass over the pixels that cannot be left out."""
    mask = (prob > np.float32(config.mask_threshold)).view(np.uint8)
    found, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    return [np.asarray(contour, np.int32) for contour in found]


def naive(prob: Prob, config: Decode) -> int:
    """Quads found the plain way, with masks of the size of the map; returns how many."""
    found = 0
    for contour in contours(prob, config):
        outline = np.asarray(cv2.approxPolyDP(contour, config.epsilon_ratio * cv2.arcLength(contour, True), True))
        if len(outline) < 4:
            continue
        inside = np.zeros(prob.shape, np.uint8)
        cv2.fillPoly(inside, [outline], (1,))
        score = float(prob[inside > 0].mean())
        found += grown_quad(outline[:, 0].astype(np.int32), config) is not None and score >= config.score_threshold
    return found


def grown_quad(outline: NDArray[np.int32], config: Decode) -> NDArray[np.float32] | None:
    """One outline unclipped; None when it is too narrow then."""
    distance = cv2.contourArea(outline) * config.unclip_ratio / perimeter(outline)
    grown = single_part(offset(outline, distance))
    if grown is None:
        return None
    rectangle = cv2.minAreaRect(grown)
    if min(rectangle[1]) < config.min_width_px:
        return None
    return clockwise(np.asarray(cv2.boxPoints(rectangle), np.float32))


def upright(words: int, size: tuple[int, int]) -> Prob:
    """A map with so many bars, each 8 high and 18 to 26 wide."""
    rng, prob = np.random.default_rng(0), np.zeros(size, np.float32)
    for i in range(words):
        y, x = divmod(i, 40)
        top, left = 14 * y + 3, 32 * x + 3
        prob[top : top + 8, left : left + int(rng.integers(18, 27))] = rng.uniform(0.5, 1)
    return prob


def tilted(words: int, size: tuple[int, int]) -> Prob:
    """A map with so many blurred bars at angles up to 20 degrees, as large as there is room for."""
    rng, prob = np.random.default_rng(0), np.zeros(size, np.float32)
    columns = round((words * size[1] / size[0] / 1.6) ** 0.5)
    width, height = size[1] / columns, size[0] / -(-words // columns)
    for i in range(words):
        y, x = divmod(i, columns)
        sides = (width * rng.uniform(0.5, 0.8), height * rng.uniform(0.25, 0.4))
        corners = cv2.boxPoints(((width * (x + 0.5), height * (y + 0.5)), sides, rng.uniform(-20, 20)))
        cv2.fillPoly(prob, [np.asarray(corners * 16, np.int32)], (rng.uniform(0.5, 1),), shift=4)
    return np.asarray(cv2.blur(prob, (3, 3)), np.float32)


def median_ms(turns: int, *tasks: Callable[[], object]) -> list[float]:
    """Median milliseconds of each task, run by turns."""
    seconds: list[list[float]] = [[] for _ in tasks]
    for _ in range(turns):
        for task, times in zip(tasks, seconds, strict=True):
            start = time.perf_counter()
            task()
            times.append(time.perf_counter() - start)
    return [1000 * statistics.median(times) for times in seconds]


def maps() -> dict[str, Prob]:
    """The reference's at 736 x 1312, by their names, and drawn ones."""
    large, usual = (1024, 1824), (736, 1280)
    with np.load(MAPS) as stored:
        taken = {name: stored[name].astype(np.float32) / np.float32(200) for name in ("gt_img_6", "tiny", "rotated")}
    return taken | {
        "7 tilted words, 736 x 1280": tilted(7, usual), "500 upright words, 1024 x 1824": upright(500, large),
        "500 tilted words, 1024 x 1824": tilted(500, large), "5 large words, 1024 x 1824": tilted(5, large),
    }  # fmt: skip


def measure(turns: int = 15) -> list[dict[str, object]]:
    """A row a map."""
    rows: list[dict[str, object]] = []
    for name, prob in maps().items():
        config = Decode()
        tasks = [lambda p=prob, c=config, run=run: run(p, c) for run in (decode, contours, naive)]
        ours, alone, plain = median_ms(turns, *tasks)
        assert len(decode(prob, config)) == naive(prob, config)
        rows.append({"map": name, "regions": len(decode(prob, config)), "ms": round(ours, 2),
                     "contours_ms": round(alone, 2), "naive_ms": round(plain, 2),
                     "times_faster": round(plain / ours, 1)})  # fmt: skip
    return rows


def main() -> None:
    """Prints a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rows = measure()
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("decoding: " + ", ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()

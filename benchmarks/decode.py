"""Decoding of the reference's maps against a naive loop: `python -m benchmarks.decode [--json]`.

The naive loop is what a first implementation does: each contour is scored and unclipped over the whole map, one at a
time, before any is passed over. Both answer the same regions; medians by turns, one thread.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.config import Decode
from diffbin.decode import decode, unclip

MAPS = Path(__file__).parents[1] / "tests" / "parity" / "data" / "decode_maps.npz"
Prob = NDArray[np.float32]


def naive(prob: Prob, config: Decode) -> int:
    """Regions found the plain way, with masks of the size of the map; returns how many."""
    mask = (prob > config.mask_threshold).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found = 0
    for contour in contours:
        outline = np.asarray(cv2.approxPolyDP(contour, config.epsilon_ratio * cv2.arcLength(contour, True), True))
        if len(outline) < 4:
            continue
        inside = np.zeros(prob.shape, np.uint8)
        cv2.fillPoly(inside, [outline], (1,))
        region = unclip(outline.astype(np.int32), config)
        found += float(prob[inside > 0].mean()) >= config.score_threshold and region is not None
    return found


def crowded(words: int, size: tuple[int, int] = (736, 1312)) -> Prob:
    """A map with so many bars, each 24 x 8 and more."""
    rng, prob = np.random.default_rng(0), np.zeros(size, np.float32)
    for i in range(words):
        y, x = divmod(i, 40)
        top, left = 14 * y + 3, 32 * x + 3
        prob[top : top + 8, left : left + int(rng.integers(18, 27))] = rng.uniform(0.5, 1)
    return prob


def median_ms(turns: int, *tasks: Callable[[], object]) -> list[float]:
    """Median milliseconds of each task, run by turns."""
    seconds: list[list[float]] = [[] for _ in tasks]
    for _ in range(turns):
        for task, times in zip(tasks, seconds, strict=True):
            start = time.perf_counter()
            task()
            times.append(time.perf_counter() - start)
    return [1000 * statistics.median(times) for times in seconds]


def measure(turns: int = 7) -> list[dict[str, object]]:
    """A row a map."""
    with np.load(MAPS) as stored:
        maps = {name: stored[name].astype(np.float32) / np.float32(200) for name in ("gt_img_6", "tiny", "rotated")}
    maps["500 words"] = crowded(500)
    rows: list[dict[str, object]] = []
    for name, prob in maps.items():
        config = Decode()
        ours, plain = median_ms(turns, lambda p=prob, c=config: decode(p, c), lambda p=prob, c=config: naive(p, c))  # type: ignore[misc]
        assert len(decode(prob, config)) == naive(prob, config)
        rows.append({"map": name, "regions": len(decode(prob, config)), "ms": round(ours, 2),
                     "naive_ms": round(plain, 2), "times_faster": round(plain / ours, 1)})  # fmt: skip
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

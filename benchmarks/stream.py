"""A folder by stream against a plain loop: `python -m benchmarks.stream [--repeat 4] [--turns 5] [--json]`.

The example pictures, each several times, with the embedded model at its own size. The loop calls the detector on one
path after the other; the streams differ in how many batches are computed at once and in their size. Medians by turns,
pictures a second, and how many times as many as the loop.
"""

import argparse
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.decode import median_ms
from diffbin import Detector

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.jpg"))


def _loop(detector: Detector, paths: list[Path]) -> int:
    return sum(len(detector.detect(path)) for path in paths)


def _stream(detector: Detector, paths: list[Path], *, batch_size: int, runs: int) -> int:
    return sum(len(result.get()) for result in detector.stream(paths, batch_size=batch_size, runs=runs))


def ways(paths: list[Path]) -> dict[str, Callable[[], int]]:
    """What is compared; the first is the measure of the others."""
    every, single, cores = Detector(), Detector(threads=1), os.cpu_count() or 1
    return {
        "loop": partial(_loop, every, paths),
        "loop, one thread a picture": partial(_loop, single, paths),
        "stream, runs=1": partial(_stream, every, paths, batch_size=1, runs=1),
        "stream, runs=1, batch_size=4": partial(_stream, every, paths, batch_size=4, runs=1),
        "stream": partial(_stream, every, paths, batch_size=1, runs=2),
        f"stream, one thread a picture, runs={cores}": partial(_stream, single, paths, batch_size=1, runs=cores),
    }


def measure(repeat: int, turns: int) -> dict[str, dict[str, float]]:
    """A row a way."""
    paths = EXAMPLES * repeat
    tasks = ways(paths)
    found = {task() for task in tasks.values()}  # warms up, too
    assert len(found) == 1, f"the ways answer differently: {found} regions"
    times = dict(zip(tasks, median_ms(turns, *tasks.values()), strict=True))
    return {
        name: {"pictures_per_s": round(1000 * len(paths) / ms, 2), "times_the_loop": round(times["loop"] / ms, 2)}
        for name, ms in times.items()
    }


def main() -> None:
    """Prints a line a way, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=4, help="how often each picture is in the folder")
    parser.add_argument("--turns", type=int, default=5, help="turns")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    result = measure(options.repeat, options.turns)
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {row}" for name, row in result.items()))


if __name__ == "__main__":
    main()

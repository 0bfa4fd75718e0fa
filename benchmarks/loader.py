"""Processes against threads for loading: `python -m benchmarks.loader [--images DIR --gt DIR] [--json]`.

Samples a second of wall time, on an otherwise idle machine, and how much longer small calls of PyTorch take in the
thread that trains, as they stand for the launches of a GPU, while one worker loads; medians over turns. Processes are
those of `train_loader`; threads share one `TrainSet`, each making whole batches.
"""

import argparse
import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import torch

from benchmarks.data import EXAMPLES
from diffbin.config import Data, Recipe, Source, Train
from diffbin.data.dataset import Batch, TrainSet, collate, train_loader
from diffbin.data.pack import pack

BATCH, BATCHES, TURNS = 16, 24, 3
AHEAD = 4  # batches a worker, as in `train_loader`
LAUNCHES = 3000  # small calls between batches


def by_processes(recipe: Recipe) -> Iterator[Batch]:
    """As in training."""
    return train_loader(recipe)


def by_threads(recipe: Recipe) -> Iterator[Batch]:
    """The same batches, made by threads of this process."""
    train_set, size, threads = TrainSet(recipe), recipe.data.batch_size, recipe.data.workers
    under_way: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for first in count(0, size):
                numbers = range(first, first + size)
                under_way.append(pool.submit(lambda numbers: collate([train_set[n] for n in numbers]), numbers))
                if len(under_way) == AHEAD * threads:
                    yield under_way.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


WAYS = {"processes": by_processes, "threads": by_threads}


def measure(batches: Iterator[Batch], workers: int) -> dict[str, float]:
    """Seconds until the first batch, samples a second, and milliseconds of the small calls between batches."""
    start = time.perf_counter()
    next(batches)
    first = time.perf_counter() - start
    _skip(batches, 2 * AHEAD * workers)  # those made meanwhile
    start = time.perf_counter()
    _skip(batches, BATCHES)
    rate = BATCHES * BATCH / (time.perf_counter() - start)
    return {"first_s": first, "samples_per_s": rate, "launches_ms": median(_launch() for _ in islice(batches, BATCHES))}


def _skip(batches: Iterator[Batch], number: int) -> None:
    deque(islice(batches, number), maxlen=0)


def _launch() -> float:
    start, value = time.perf_counter(), torch.ones(16)
    for _ in range(LAUNCHES):
        value = value + 1
    return 1000 * (time.perf_counter() - start)


def run(images: Path, labels: Path) -> dict[str, Any]:
    """The small calls alone, and a row a store, number of workers and kind of worker."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    cores = os.cpu_count() or 1
    origin = Source(images=str(images.absolute()), labels=str(labels.absolute()))
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "packed"
        pack(origin, out=packed, shard_mb=256, decoded=True)
        stores = {"files": origin, "packed": Source(format="shards", images=str(packed))}
        combinations = [(store, workers, by) for store in stores for workers in (1, cores) for by in WAYS]
        found: dict[tuple[str, int, str], list[dict[str, float]]] = {key: [] for key in combinations}
        alone = []
        for _ in range(TURNS):
            alone.append(median(_launch() for _ in range(BATCHES)))
            for store, workers, by in combinations:
                data = Data(root="", train=(stores[store],), batch_size=BATCH, workers=workers)
                recipe = Recipe(name="loader", data=data, train=Train(steps=1))
                with closing(WAYS[by](recipe)) as batches:  # type: ignore[type-var]
                    found[store, workers, by].append(measure(batches, workers))
    rows = [
        {"store": store, "workers": workers, "by": by}
        | {name: round(median(run[name] for run in runs), 2) for name in runs[0]}
        for (store, workers, by), runs in found.items()
    ]
    return {"launches_alone_ms": round(median(alone), 2), "rows": rows}


def main() -> None:
    """Prints a line a row, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=EXAMPLES, help="folder of pictures")
    parser.add_argument("--gt", type=Path, default=EXAMPLES / "gt", help="folder of ICDAR text files")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    found = run(options.images, options.gt)
    if options.json:
        print(json.dumps(found))
        return
    print(f"small calls alone: {found['launches_alone_ms']} ms")
    for row in found["rows"]:
        print(", ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()

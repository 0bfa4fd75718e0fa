"""A set of rendered pictures on disk, in the layout and label format of ICDAR 2015, written by many processes."""

import json
import multiprocessing
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path

import cv2

from diffbin.cores import cores
from diffbin.data import worker
from diffbin.data.labels import may_be_coordinate
from diffbin.data.sample import Sample
from diffbin.data.synth.scene import Renderer
from diffbin.data.synth.settings import Synth
from diffbin.errors import ConfigError, InputError
from diffbin.files import make_folder, write_whole
from diffbin.plain import to_dict

JPEG_QUALITY = 90


def render_set(
    config: Synth,
    *,
    out: Path,
    count: int,
    seed: int,
    workers: int,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> None:
    """Writes `out/images/000000.jpg` and `out/gt/gt_000000.txt` and so on; picture i is that of seed `seed + i`.

    The files depend on the config and the seed alone, not on `workers` (0 = as many as there are cores). Pictures
    whose label file is there already are kept, so that a run that was broken off goes on. Each label file has a line
    `x1,y1,...,xn,yn,text` a region, in pixels; the text is `###` where it cannot be read.
    `progress` is called with the number of pictures done, this one included, and their total.
    """
    if count < 0 or workers < 0:
        raise ConfigError(f"count and workers must not be negative; they are {count} and {workers}.")
    Renderer(config)  # finds a missing folder before processes are started
    for folder in ("images", "gt"):
        make_folder(out / folder)
    _note_origin(config, out, seed)
    jobs = [(config, out, i, seed + i) for i in range(count)]
    workers = min(workers or cores(), count)
    if sys.platform == "win32":
        workers = min(workers, 61)  # more processes Windows cannot wait for
    if workers <= 1:
        _report(map(_render_one, jobs), count, progress)
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, context, worker.begin) as pool:
            _report(pool.map(_render_one, jobs, chunksize=4), count, progress)
    except BrokenProcessPool:
        raise ConfigError(
            "A process that renders has ended by itself: too little memory for --workers, or a script that calls this "
            'outside of `if __name__ == "__main__":`. The pictures that are done stay; the same call goes on.'
        ) from None


def _note_origin(config: Synth, out: Path, seed: int) -> None:
    """Writes `out/synth.json`, from which the set can be made again; a folder with another origin is refused."""
    path, origin = out / "synth.json", json.dumps({"seed": seed, **to_dict(config)}, indent=1)
    if path.exists() and path.read_text("utf-8") != origin:
        raise InputError(f"{out} holds pictures of another seed or of other settings; choose another folder.")
    write_whole(path, origin.encode())


def _report(done: Iterable[None], count: int, progress: Callable[[int, int], None]) -> None:
    for number, _ in enumerate(done, 1):
        progress(number, count)


@cache
def _renderer(config: Synth) -> Renderer:
    return Renderer(config)


def _render_one(job: tuple[Synth, Path, int, int]) -> None:
    config, out, index, seed = job
    label = out / "gt" / f"gt_{index:06d}.txt"
    if label.exists():
        return
    sample = _renderer(config).render(seed)
    bgr = cv2.cvtColor(sample.picture, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    write_whole(out / "images" / f"{index:06d}.jpg", encoded.tobytes())
    write_whole(label, icdar_text(sample).encode("utf-8", "replace"))


def icdar_text(sample: Sample) -> str:
    """The sample's label file: one line a region, `###` for ignored ones."""
    lines = []
    for polygon, ignored, text in zip(sample.polygons, sample.ignored, sample.texts, strict=True):
        # The format has no triangles, and a fifth corner could be taken for a text.
        corners = polygon[[*range(len(polygon)), -1]] if len(polygon) in (3, 5) else polygon
        points = ",".join(f"{value:.1f}".removesuffix(".0") for value in corners.ravel().tolist())
        lines.append(f"{points},{'###' if ignored else _transcription(text)}\n")
    return "".join(lines)


def _transcription(text: str) -> str:
    """On one line, and none that `1,200` as it begins makes another corner."""
    text = " ".join(text.split())
    return text.replace(",", " ") if may_be_coordinate(text.partition(",")[0]) else text

"""Words that are found and read right: `python -m benchmarks.reading IMAGES GT [PART]`, labels in the format icdar.

What diffbin-words finds is read by rapidocr's recogniser, as `examples/read.py` does it, beside rapidocr as a whole,
whose lines it cuts into words itself. A word is found at an IoU over 0.5, and read where its letters and digits are
those of the label, whatever their case. Do-not-care words count for nothing. Wants `pip install rapidocr`.
"""

import runpy
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR

from diffbin import Detector
from diffbin.config import Source
from diffbin.data.annotations import read_annotation
from diffbin.data.labels import Annotation
from diffbin.detections import Points
from diffbin.metrics.evaluate import list_labelled
from diffbin.metrics.iou import PictureMatch, compare, score

EXAMPLE = Path(__file__).parents[1] / "examples" / "read.py"
Read = tuple[Sequence[Points], list[str]]
Way = Callable[[NDArray[np.uint8]], Read]


def ours() -> Way:
    """diffbin-words and the recogniser."""
    detector, reader = Detector(), runpy.run_path(str(EXAMPLE))["Reader"]()

    def read(picture: NDArray[np.uint8]) -> Read:
        polygons = detector(picture).polygons
        return polygons, [reader.read(picture, polygon).text for polygon in polygons]

    return read


def rapidocr() -> Way:
    """All of rapidocr."""
    engine = RapidOCR(params={"Global.log_level": "critical"})

    def read(picture: NDArray[np.uint8]) -> Read:
        found: Any = engine(np.ascontiguousarray(picture[..., ::-1]), return_word_box=True)
        lines = () if found.boxes is None else found.word_results
        words = [word for line in lines for word in line if word[2] is not None]
        return [np.asarray(box, np.float32) for _, _, box in words], [text for text, _, _ in words]

    return read


def matches(annotation: Annotation, read: Read) -> tuple[PictureMatch, PictureMatch]:
    """One picture's words, found, and found and read."""
    polygons, texts = read
    found = compare(annotation.polygons, annotation.ignored, polygons, np.arange(len(polygons), dtype=np.float32))
    wanted = [letters(text) for text, skip in zip(annotation.texts, annotation.ignored, strict=True) if not skip]
    given = [letters(texts[int(index)]) for index in found.scores]  # those that do not lie in do-not-care ones
    same = np.array([[text == word != "" for text in given] for word in wanted], np.bool_).reshape(found.iou.shape)
    return found, replace(found, iou=found.iou * same)


def letters(text: str) -> str:
    """What of a text counts."""
    return "".join(filter(str.isalnum, text.casefold()))


def main(images: str, gt: str, part: str = "") -> None:
    """Prints a table."""
    print("| | found: P, R, hmean | and read: P, R, hmean | ms a picture |\n|---|---|---|---|")
    for name, way in (("diffbin-words, read by rapidocr", ours()), ("rapidocr", rapidocr())):
        scored, seconds = list[tuple[PictureMatch, PictureMatch]](), 0.0
        for source, labelled in list_labelled([Source(images=images, labels=gt, part=part)], ""):
            picture, begun = labelled.read(), perf_counter()
            read = way(picture)
            seconds += perf_counter() - begun
            scored.append(matches(read_annotation(source, labelled), read))
        results = [score(pictures, 0) for pictures in zip(*scored, strict=True)]
        cells = [f"{result.precision:.3f}, {result.recall:.3f}, {result.hmean:.3f}" for result in results]
        print(f"| {name} | {' | '.join(cells)} | {1000 * seconds / len(scored):.0f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

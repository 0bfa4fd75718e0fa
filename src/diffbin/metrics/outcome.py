"""What is right and wrong in the answer to one labelled picture, drawn for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffbin.data.annotations import Labelled, read_annotation
from diffbin.data.labels import Annotation
from diffbin.detections import Points
from diffbin.draw import Colour, caption, encode, outline
from diffbin.files import make_folder, write_whole
from diffbin.metrics.answers import Answer
from diffbin.metrics.iou import compare, greedy_pairs

GREEN, RED, ORANGE, GREY = (0, 200, 83), (235, 30, 60), (255, 150, 0), (150, 150, 150)  # RGB
LEGEND = (("found", GREEN), ("missed", RED), ("false alarm", ORANGE), ("do not care", GREY))


@dataclass(frozen=True, eq=False)
class Outcome:
    """The regions `(n, 2)` of a picture, by greedy matching at an IoU over 0.5; answers that do not count are left out.

    found    as they were answered
    missed   as they are labelled
    false    answers that are no label's
    ignored  labels, do not care
    """

    found: Sequence[Points]
    missed: Sequence[Points]
    false: Sequence[Points]
    ignored: Sequence[Points]

    @classmethod
    def of(cls, wanted: Annotation, answer: Answer) -> "Outcome":
        """That of an answer to the picture of a label."""
        polygons, _ = answer
        labels = [p for p, skip in zip(wanted.polygons, wanted.ignored, strict=True) if not skip]
        numbers = np.arange(len(polygons), dtype=np.float32)  # in the place of scores: they say which answers count
        match = compare(wanted.polygons, wanted.ignored, polygons, numbers)
        counted = [polygons[int(number)] for number in match.scores]
        pairs = greedy_pairs(match.iou > 0.5)
        met, hits = {label for label, _ in pairs}, {prediction for _, prediction in pairs}
        return cls(
            found=[polygon for i, polygon in enumerate(counted) if i in hits],
            missed=[polygon for i, polygon in enumerate(labels) if i not in met],
            false=[polygon for i, polygon in enumerate(counted) if i not in hits],
            ignored=[p for p, skip in zip(wanted.polygons, wanted.ignored, strict=True) if skip],
        )

    def draw(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A copy of the `(h, w, 3)` uint8 RGB picture with all of them outlined, each kind in its colour."""
        for polygons, (_, colour) in zip((self.found, self.missed, self.false, self.ignored), LEGEND, strict=True):
            picture = outline(picture, polygons, colour)
        return picture

    @property
    def counts(self) -> list[tuple[str, Colour]]:
        """How many there are of each kind that counts, as texts with their colours."""
        kinds = ((self.found, "found", GREEN), (self.missed, "missed", RED), (self.false, "false", ORANGE))
        return [(f"{len(polygons)} {kind}", colour) for polygons, kind, colour in kinds]


class OutcomeFolder:
    """Draws the answers to labelled pictures into a folder, and knows which pictures have the most errors.

    Raises `InputError` where it cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder, self._errors = folder, list[tuple[int, str]]()

    def add(self, labelled: Labelled, answer: Answer) -> None:
        """Writes `NAME.overlay.jpg`, NAME being that of the picture's file, in the frame of its label."""
        source, picture = labelled
        outcome, pixels = Outcome.of(read_annotation(source, picture), answer), picture.read()
        drawn = np.vstack([outcome.draw(pixels), caption(pixels.shape[1], *outcome.counts)])
        path = self._folder / f"{picture.name}.overlay.jpg"
        make_folder(path.parent)
        write_whole(path, encode(drawn, picture.name))
        self._errors.append((len(outcome.missed) + len(outcome.false), picture.name))

    def worst(self, count: int) -> list[tuple[int, str]]:
        """Number of errors and name of the pictures with the most, of those that have any."""
        return sorted((pair for pair in self._errors if pair[0]), key=lambda pair: -pair[0])[:count]

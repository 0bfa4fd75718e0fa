"""Where samples come from: labelled pictures on disk, or rendered text without end."""

from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diffbin.config import Source
from diffbin.data.annotations import list_pictures, read_annotation
from diffbin.data.labels import Annotation
from diffbin.data.picture import open_picture
from diffbin.data.picture_weights import read_shares
from diffbin.data.sample import Scene, as_scene
from diffbin.data.synth import Renderer, Synth
from diffbin.errors import InputError

SEEDS = 1 << 31  # of rendered samples


class SampleSource(Protocol):
    """Numbered samples; the same number gives the same sample in every process.

    `shares`, `(len,)` with sum 1, say how often each is drawn; None = all alike.
    """

    shares: NDArray[np.float64] | None

    def __len__(self) -> int:
        """How many there are; 0 = endless."""

    def load(self, index: int) -> Scene:
        """The one of this number."""

    def name_of(self, index: int) -> str:
        """What it is called in errors."""


class PictureSource:
    """The labelled pictures of a `Source`. Labels are parsed when the source is made, so that errors come early."""

    def __init__(self, source: Source, root: str) -> None:
        self.name = f"{Path(root) / source.images}"
        self.pictures = list_pictures(source, root)
        if not self.pictures:
            leaves = " and skip_unlabelled leave" if source.skip_unlabelled else " leaves"
            raise InputError(f'part "{source.part}"{leaves} no picture of {self.name}.')
        self.source = source
        lazy = source.format == "synthtext"  # hundreds of thousands, all in one file that is loaded already
        self._annotations = None if lazy else [read_annotation(source, picture) for picture in self.pictures]
        self.shares: NDArray[np.float64] | None = None
        if source.picture_weights:
            names = [picture.name for picture in self.pictures]
            self.shares = read_shares(Path(root) / source.picture_weights, names)

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def has_text(self) -> bool:
        """Whether any region is not ignored; a set that is read lazily is taken to have some."""
        return self._annotations is None or any(not bool(a.ignored.all()) for a in self._annotations)

    def annotation(self, index: int) -> Annotation:
        """The label of one picture."""
        return self._annotations[index] if self._annotations else read_annotation(self.source, self.pictures[index])

    def name_of(self, index: int) -> str:
        """The path of the picture."""
        return str(self.pictures[index].image)

    def load(self, index: int) -> Scene:
        """Reads one file."""
        picture, annotation = open_picture(self.pictures[index].image), self.annotation(index)
        return Scene(picture.size, picture.read, annotation.polygons, annotation.ignored, annotation.texts)


class SynthSource:
    """Rendered text; the number of a sample is the seed it is rendered from."""

    has_text = True
    shares: NDArray[np.float64] | None = None

    def __init__(self, source: Source, root: str) -> None:
        self.source, self.root = source, root

    def __len__(self) -> int:
        return 0

    def __getstate__(self) -> dict[str, object]:
        return {"source": self.source, "root": self.root}

    @cached_property
    def _renderer(self) -> Renderer:  # made anew in each worker
        backgrounds = str(Path(self.root) / self.source.images) if self.source.images else ""
        return Renderer(Synth(unit=self.source.labels_as or self.source.unit, backgrounds=backgrounds))

    def name_of(self, index: int) -> str:
        """The seed."""
        return f"rendered picture {index}"

    def load(self, index: int) -> Scene:
        """Renders one."""
        return as_scene(self._renderer.render(index))


def open_source(source: Source, root: str) -> PictureSource | SynthSource:
    """By `source.format`."""
    return SynthSource(source, root) if source.format == "synth" else PictureSource(source, root)


def draw_index(source: SampleSource, rng: np.random.Generator) -> int:
    """Any of its samples, by their shares."""
    if source.shares is not None:
        return int(rng.choice(len(source.shares), p=source.shares))
    return int(rng.integers(len(source) or SEEDS))

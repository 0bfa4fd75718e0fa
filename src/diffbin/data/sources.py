"""Where samples come from: labelled pictures in folders or shards, or rendered text without end."""

import re
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diffbin.config import Source
from diffbin.data.annotations import (
    apply_rules,
    list_pictures,
    natural_key,
    part_indices,
    read_annotation,
    warn_of_labels,
)
from diffbin.data.instances import parse_instances
from diffbin.data.labels import Annotation, parse_icdar
from diffbin.data.picture import PictureFile
from diffbin.data.picture_weights import read_shares
from diffbin.data.sample import Scene, as_scene
from diffbin.data.shards import read_index, read_sample
from diffbin.data.synth import Renderer, Synth
from diffbin.errors import InputError

SEEDS = 1 << 31  # of rendered samples
OPENED = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")  # how JSON of an object begins, and no line of coordinates


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
        if not lazy:
            warn_of_labels(source, self.pictures)
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
        picture, annotation = self.pictures[index].open(), self.annotation(index)
        return Scene(picture.size, picture.read, annotation.polygons, annotation.ignored, annotation.texts)


class ShardSource:
    """The samples of the shards in a folder, in natural name order and the order of each file.

    Labels are parsed with their picture, so that a set may have millions: 40 bytes of each are kept in memory.
    """

    has_text = True
    shares: NDArray[np.float64] | None = None

    def __init__(self, source: Source, root: str) -> None:
        folder = Path(root) / source.images
        self.source, self.shards = source, sorted(folder.glob("*.tar"), key=natural_key)
        if not self.shards:
            raise InputError(f"There is no shard in {folder}; expected files ending in .tar, as `diffbin pack` makes.")
        indices = [read_index(shard) for shard in self.shards]
        self._ends, self._index = np.cumsum([len(index) for index in indices]), np.concatenate(indices)
        labelled = self._index[:, 2] != 0
        taken = np.flatnonzero(labelled | (not source.skip_unlabelled))
        self._chosen = taken[part_indices(len(taken), source.part)]
        if not (whole := labelled[self._chosen]).all():
            name = self.name_of(int(whole.argmin()))
            raise InputError(f"There is no label beside {name}; skip_unlabelled leaves such pictures out.")
        if not len(self._chosen):
            raise InputError(f'part "{source.part}" leaves no labelled picture of {folder}.')

    def __len__(self) -> int:
        return len(self._chosen)

    def name_of(self, index: int) -> str:
        """The shard and the picture in it."""
        return read_sample(*self._place(index))[0].name

    def load(self, index: int) -> Scene:
        """Reads two places of a file."""
        image, label = read_sample(*self._place(index))
        is_json = label.name.lower().endswith(".json") or OPENED.match(label.content)  # long names lose their end
        parse = parse_instances if is_json else parse_icdar
        annotation = apply_rules(self.source, parse(label.content, label.name))
        picture = PictureFile(image.content, image.name)
        return Scene(picture.size, picture.read, annotation.polygons, annotation.ignored, annotation.texts)

    def _place(self, index: int) -> tuple[Path, NDArray[np.int64]]:
        number = self._chosen[index]
        return self.shards[int(np.searchsorted(self._ends, number, side="right"))], self._index[number]


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


def open_source(source: Source, root: str) -> PictureSource | ShardSource | SynthSource:
    """By `source.format`."""
    if source.format == "synth":
        return SynthSource(source, root)
    return ShardSource(source, root) if source.format == "shards" else PictureSource(source, root)


def draw_index(source: SampleSource, rng: np.random.Generator) -> int:
    """Any of its samples, by their shares."""
    if source.shares is not None:
        return int(rng.choice(len(source.shares), p=source.shares))
    return int(rng.integers(len(source) or SEEDS))

"""The pictures of a `Source`, each with the place of its label."""

import io
import os
import re
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffbin.config import Source
from diffbin.data import plausible
from diffbin.data.json_labels import UPRIGHT, read_labelme
from diffbin.data.label_tables import SETS, read_entry, table_of
from diffbin.data.labels import (
    Annotation,
    Label,
    read_ctw1500,
    read_icdar,
    read_icdar2013,
    read_mlt,
    read_synthtext,
    read_td500,
    read_totaltext,
    synthtext_names,
)
from diffbin.data.lines import join_words
from diffbin.data.picture import QUARTER_TURNS, PictureFile, Pixels, open_picture, orientation
from diffbin.data.targets import is_too_small
from diffbin.detections import Points
from diffbin.errors import ConfigError, InputError, warn
from diffbin.files import as_compared
from diffbin.image import SUFFIXES, header_size, read_bytes

T = TypeVar("T")

READERS: dict[str, Callable[[Label | Path], Annotation]] = {  # by `reader_of` a source
    "icdar": read_icdar,
    "icdar2013": read_icdar2013,
    "mlt": read_mlt,
    "td500": read_td500,
    "totaltext": read_totaltext,
    "ctw1500": read_ctw1500,
    "synthtext": read_synthtext,
    "labelme": read_labelme,
    **{name: partial(read_entry, name) for name in SETS},
}
LABEL_NAMES = {  # of the formats that have a file a picture
    "icdar": ("{}.txt", "gt_{}.txt"),
    "icdar2013": ("gt_{}.txt", "{}.txt"),
    "mlt": ("gt_{}.txt", "{}.txt"),
    "td500": ("{}.gt",),
    "totaltext": ("{}.txt", "gt_{}.txt", "poly_gt_{}.txt"),
    "ctw1500": ("{}.txt", "{}.xml", "000{}.txt"),
    "labelme": ("{}.json",),
}
PAGED = (".tif", ".tiff")  # of pictures that may have several pages


class Picture(NamedTuple):
    """A picture file, its label, which `read_annotation` reads, its path below the folder of pictures, and whether the
    label is of the upright picture, or else of the one stored."""

    image: Path
    label: Label
    name: str
    upright: bool = False

    def open(self) -> PictureFile:
        """The file in the frame of its label. Raises `InputError`."""
        return open_picture(self.image, upright=self.upright)

    def read(self) -> Pixels:
        """The whole picture in the frame of its label, `(h, w, 3)` uint8 RGB. Raises `InputError`."""
        return self.open().read()[0]


Labelled = tuple[Source, Picture]


def reader_of(source: Source) -> str:
    """The one of `READERS`: that of the format, or of the lines of HierText, whose files have words and lines."""
    return "hiertext_lines" if source.format == "hiertext" and source.unit == "line" else source.format


def list_pictures(source: Source, root: str) -> list[Picture]:
    """The pictures of a source in natural name order (`img_2` before `img_10`), cut down to `source.part`; of those
    with a label where `source.skip_unlabelled`."""
    images, labels = Path(root) / source.images, Path(root) / source.labels
    if source.format not in READERS:
        raise ConfigError(f'Format "{source.format}" is for training alone; elsewhere name a folder of pictures.')
    if not images.is_dir():
        raise InputError(
            f"There is no folder of pictures {images}; give another, in a recipe by data.root and the source's images."
        )
    if source.format not in LABEL_NAMES:
        return take_part(_list_set(reader_of(source), images, labels), source.part)
    if not labels.is_dir():
        raise InputError(
            f"There is no folder of labels {labels}; give another, in a recipe by data.root and the source's labels."
        )
    pictures = pictures_in(images)
    check_stems(pictures)
    stems = {path.stem for path in pictures}
    found = [(path, _label_file(path, labels, source.format, stems)) for path in pictures]
    _check_labels(found)
    found = [
        (path, label)
        for path, label in found
        if label or not (source.skip_unlabelled or _is_in_pages(path, labels, source.format))
    ]
    found = take_part(found, source.part)
    if missing := next((path for path, label in found if label is None), None):
        names = " and ".join(name.format(missing.stem) for name in LABEL_NAMES[source.format])
        raise InputError(
            f"There is no label for {missing}: looked in {labels} for {names}; an empty file says: no text, and "
            "in a recipe skip_unlabelled=True leaves such pictures out."
        )
    upright = source.format in UPRIGHT
    return [Picture(path, Label(label), path.name, upright) for path, label in found if label]


def warn_of_labels(source: Source, pictures: Sequence[Picture]) -> None:
    """Tells of labels that do not fit their pictures, and of turned ones; of many pictures it looks at some."""
    warn_of_turned(pictures)
    some = pictures[:: -(-len(pictures) // plausible.LOOKED_AT) or 1]
    plausible.warn_of_faults(_sized(source, some))


def _sized(source: Source, pictures: Sequence[Picture]) -> Iterator[tuple[str, tuple[int, int], list[Points]]]:
    """Label file, size and regions of those that can be read; the others are told of in their turn."""
    for picture in pictures:
        with suppress(InputError):
            found = read_annotation(source, picture)
            kept = [polygon for polygon, skip in zip(found.polygons, found.ignored, strict=True) if not skip]
            height, width = header_size(content := read_bytes(picture.image), str(picture.image))
            turned = picture.upright and orientation(io.BytesIO(content)) in QUARTER_TURNS
            yield str(picture.label.path), (width, height) if turned else (height, width), kept


def warn_of_turned(pictures: Sequence[Picture]) -> None:
    """Tells of photographs that viewers turn by their EXIF: labels drawn on what a viewer shows would lie elsewhere."""
    turned = [picture.image for picture in pictures if not picture.upright and orientation(picture.image) != 1]
    if turned:
        warn(
            f"{len(turned)} of {len(pictures)} labelled pictures are turned by their EXIF orientation, as {turned[0]}; "
            "labels are taken in pixels of the picture as stored, and so are answers to score. If yours are of the "
            "upright ones, turn the pixels themselves: mogrify -auto-orient."
        )


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder, none below it, in natural name order. `InputError` where there is none."""
    if not folder.is_dir():
        raise InputError(f"There is no folder of pictures {folder}.")
    files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    if not files:
        raise InputError(f"There is no picture in {folder}; expected files ending in {', '.join(sorted(SUFFIXES))}.")
    return sorted(files, key=natural_key)


def check_stems(pictures: Sequence[Path]) -> None:
    """`InputError` where two pictures have one name but for the suffix, and would share a label."""
    stem, times = Counter(as_compared(path.stem) for path in pictures).most_common(1)[0]
    if times > 1:
        raise InputError(f"{times} pictures of {pictures[0].parent} are called {stem} and share a label; rename them.")


def _check_labels(found: Sequence[tuple[Path, Path | None]]) -> None:
    """`InputError` where a label would be that of two pictures, as `gt_a.txt` of `a.jpg` and of `gt_a.jpg`."""
    owners: dict[Path, Path] = {}
    for picture, label in found:
        if label and (other := owners.setdefault(label, picture)) != picture:
            raise InputError(f"{other} and {picture.name} share the label {label}; rename one of the pictures.")


def read_annotation(source: Source, picture: Picture) -> Annotation:
    """The label of a picture by the rules of its source."""
    return apply_rules(source, READERS[reader_of(source)](picture.label))


def apply_rules(source: Source, annotation: Annotation) -> Annotation:
    """A label by the rules of its source: words joined to lines, narrow regions ignored."""
    if source.labels_as == "line" and source.stored_unit == "word":
        annotation = join_words(annotation)
    if not source.min_side_px:
        return annotation
    narrow = [is_too_small(polygon, source.min_side_px) for polygon in annotation.polygons]
    return replace(annotation, ignored=annotation.ignored | np.array(narrow, np.bool_))


def natural_key(path: PurePath) -> list[tuple[bool, int, str]]:
    """Sorts digits by value, `img_2.jpg` before `img_10.jpg`, and folders alike on every system."""
    parts = re.split(r"(\d+)", path.as_posix())
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def take_part(items: Sequence[T], part: str) -> list[T]:
    """The slice `part`, "0:900" or "9::10"; a leading "!" takes all others, "" takes everything."""
    return [items[i] for i in part_indices(len(items), part).tolist()]


def part_indices(count: int, part: str) -> NDArray[np.int64]:
    """The indices, out of `count`, that are in the slice `part`."""
    match = re.fullmatch(r"(!?)(-?\d*):(-?\d*)(?::(-?\d*))?", part)
    if part and (match is None or match[4] in ("0", "-0")):
        raise ConfigError(f'part is "{part}"; it must be a slice like "0:900" or "9::10", or "!9::10" for the others.')
    indices = np.arange(count)
    if match is None:
        return indices
    some = slice(*(int(text) if text else None for text in match.group(2, 3, 4)))
    return np.delete(indices, some) if match[1] else indices[some]


def _is_in_pages(picture: Path, labels: Path, format_: str) -> bool:
    """Whether it is a document whose pages are beside it, with labels, as `detect --format labelme` leaves them."""
    page = picture.with_name(f"{picture.stem}-001.page.png")
    return picture.suffix.lower() in PAGED and page.is_file() and _label_file(page, labels, format_) is not None


def _label_file(image: Path, folder: Path, format_: str, stems: Container[str] = ()) -> Path | None:
    """The label of a picture. `InputError` where there are two of one suffix, as `a.txt`, which may be an answer, and
    `gt_a.txt`, unless the second is that of another picture, of `stems`."""
    names = (folder / name.format(image.stem) for name in LABEL_NAMES[format_])
    found = [path for path in names if os.path.isfile(path)]  # noqa: PTH113  # False where pathlib raises
    others = (path for path in found[1:] if path.suffix == found[0].suffix and path.stem not in stems)
    if other := next(others, None):
        raise InputError(f"{found[0]} and {other.name} both label {image.name}; remove the one that is not meant.")
    return found[0] if found else None


def _list_set(reader: str, images: Path, labels: Path) -> list[Picture]:
    """The pictures that the label file of a set names; those of SynthText are too many to look for."""
    if reader == "synthtext":
        found = [Picture(images / name, Label(labels, i), name) for i, name in enumerate(synthtext_names(labels))]
    else:
        places = {name: _place(images, name, labels) for name in table_of(reader, labels)}
        place, times = Counter(places.values()).most_common(1)[0]
        if times > 1:
            raise InputError(f"{labels} has {times} labels for {images / place}, by several paths; leave one of them.")
        upright = reader in UPRIGHT
        found = [Picture(images / place, Label(labels, name), place, upright) for name, place in places.items()]
    return sorted(found, key=lambda picture: natural_key(picture.image))


def _place(images: Path, name: str, labels: Path) -> str:
    """The path below the folder of a picture that a label file names, perhaps with this folder, or others, in front."""
    path = PurePosixPath(name.replace("\\", "/"))
    ends = [PurePosixPath(*path.parts[i:]) for i in range(path.is_absolute(), len(path.parts))]
    places = [place for place in [*ends, path] if ".." not in place.parts]
    place = next((place for place in places if os.path.isfile(images / place)), None)  # noqa: PTH113
    if place is None:
        raise InputError(f"{labels} has a label for {name}, and {images} no such picture; add it, or remove the label.")
    return str(place)

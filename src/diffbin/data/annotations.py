"""Label files: one reader a format, and the list of pictures of a `Source`.

Coordinates are pixels `(x, y)` of the picture as it is stored, EXIF orientation not applied, as the published sets and
the reference have them; (0, 0) is the top left corner of the top left pixel.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.config import Source
from diffbin.detections import Points
from diffbin.errors import ConfigError, DependencyError, InputError

T = TypeVar("T")

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
ICDAR_IGNORED, TOTALTEXT_IGNORED = "###", "#"
LABEL_NAMES = {"icdar": ("{}.txt", "gt_{}.txt"), "totaltext": ("{}.txt", "gt_{}.txt", "poly_gt_{}.txt")}


@dataclass(frozen=True, eq=False)
class Annotation:
    """The regions of one picture.

    polygons  one `(n, 2)` float32 array a region, n >= 3, pixels of the stored picture
    ignored   `(len(polygons),)` bool, True = do not care
    texts     transcriptions, "" where there is none
    """

    polygons: list[Points]
    ignored: NDArray[np.bool_]
    texts: list[str]


class Label(NamedTuple):
    """Where the regions of a picture stand: a file, and the picture's place in it where one file serves them all."""

    path: Path
    entry: int = 0


class Picture(NamedTuple):
    """A picture file and its label; `READERS[source.format](picture.label)` reads the latter."""

    image: Path
    label: Label


def list_pictures(source: Source, root: str) -> list[Picture]:
    """The pictures of a source in natural name order (`img_2` before `img_10`), cut down to `source.part`."""
    images, labels = Path(root) / source.images, Path(root) / source.labels
    if source.format not in READERS:
        raise ConfigError(f'Pictures of format "{source.format}" are not listed from files.')
    if not images.is_dir():
        raise InputError(f"There is no folder of pictures {images}; set data.root and the source's images.")
    if source.format == "synthtext":
        return take_part(_list_synthtext(images, labels), source.part)
    if not labels.is_dir():
        raise InputError(f"There is no folder of labels {labels}; set data.root and the source's labels.")
    files = [path for path in images.iterdir() if path.suffix.lower() in SUFFIXES]
    if not files:
        raise InputError(f"There is no picture in {images}; expected files ending in {', '.join(sorted(SUFFIXES))}.")
    chosen = take_part(sorted(files, key=natural_key), source.part)
    return [Picture(path, Label(_label_file(path, labels, source.format))) for path in chosen]


def natural_key(path: Path) -> list[tuple[bool, int, str]]:
    """Sorts digits by value: `img_2.jpg` before `img_10.jpg`."""
    return [
        (not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", str(path))
    ]


def take_part(items: Sequence[T], part: str) -> list[T]:
    """The slice `part`, "0:900" or "9::10"; a leading "!" takes all others, "" takes everything."""
    match = re.fullmatch(r"(!?)(-?\d*):(-?\d*)(?::(-?\d*))?", part)
    if part and (match is None or match[4] in ("0", "-0")):
        raise ConfigError(f'part is "{part}"; it must be a slice like "0:900" or "9::10", or "!9::10" for the others.')
    if match is None:
        return list(items)
    inside = range(len(items))[slice(*(int(text) if text else None for text in match.group(2, 3, 4)))]
    return [items[i] for i in range(len(items)) if i not in inside] if match[1] else [items[i] for i in inside]


def _label_file(image: Path, folder: Path, format_: str) -> Path:
    names = [name.format(image.stem) for name in LABEL_NAMES[format_]]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"There is no label for {image}: looked in {folder} for {' and '.join(names)}; an empty file says: no text."
    )


def read_picture(path: Path, encoded: bytes | None = None) -> NDArray[np.uint8]:
    """`(h, w, 3)` uint8 RGB, EXIF orientation ignored: the frame of the labels. `encoded` saves reading the file."""
    try:
        buffer = np.frombuffer(path.read_bytes() if encoded is None else encoded, np.uint8)
    except OSError as error:
        raise InputError(f"The picture {path} cannot be read: {error.strerror}.") from None
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    picture = cv2.imdecode(buffer, flags) if buffer.size else None
    if picture is None:
        raise InputError(f"The picture {path} is damaged or of an unknown format; remove or replace it.")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=picture), np.uint8)


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"The label file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"The label file {path} is not UTF-8 (byte {error.start}); convert it.") from None


def _annotation(regions: Sequence[tuple[Points, str]], mark: str | None) -> Annotation:
    texts = [text for _, text in regions]
    return Annotation([points for points, _ in regions], np.array([text == mark for text in texts], np.bool_), texts)


def read_icdar(label: Label | Path) -> Annotation:
    """Lines of `x1,y1,...,xn,yn[,transcription]`, n >= 4; `###` is ignored, a transcription may hold commas."""
    path = label.path if isinstance(label, Label) else label
    lines = enumerate(_read_text(path).splitlines(), start=1)
    return _annotation([_icdar_line(line, path, i) for i, line in lines if line.strip()], ICDAR_IGNORED)


def _icdar_line(line: str, path: Path, number: int) -> tuple[Points, str]:
    fields = line.split(",")
    values = [_number(field) for field in fields[:8]]
    if len(values) < 8 or None in values:
        bad = next((field for field, value in zip(fields, values, strict=False) if value is None), line)
        raise InputError(
            f'{path}, line {number}: "{bad.strip()}" stands where at least 8 coordinates "x1,y1,...,x4,y4" are due.'
        )
    points = np.array(values, np.float32).reshape(4, 2)
    while (point := _further_point(fields[2 * len(points) : 2 * len(points) + 2], points)) is not None:
        points = np.vstack([points, point])
    return points, ",".join(fields[2 * len(points) :]).strip()


def _further_point(fields: Sequence[str], points: Points) -> Points | None:
    """The next vertex, told from a transcription like `1,250`: a vertex lies near the ones before it."""
    values = [_number(field) for field in fields]
    if len(values) < 2 or None in values or any(re.match(r"\s*0\d", field) for field in fields):
        return None
    point = np.array(values, np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    reach = 2 * float(np.linalg.norm(high - low))
    return point if bool(((point >= low - reach) & (point <= high + reach)).all()) else None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", text) else None


TOTALTEXT = re.compile(
    r"x:\s*\[\[(?P<x>[^\]]*)\]\],\s*y:\s*\[\[(?P<y>[^\]]*)\]\],\s*ornt:\s*\[[^\]]*\],\s*"
    r"transcriptions:\s*\[\s*(?:u?(?P<quote>['\"])(?P<text>.*?)(?P=quote))?\s*\][ \t]*(?:\n|$)",
    re.DOTALL,
)


def read_totaltext(label: Label | Path) -> Annotation:
    """Records of `x: [[..]], y: [[..]], ornt: [u'c'], transcriptions: [u'..']`, wrapped or not; `#` is ignored."""
    path = label.path if isinstance(label, Label) else label
    content, position, regions = _read_text(path), 0, []
    while content[position:].strip():
        position += len(content[position:]) - len(content[position:].lstrip())
        number = content.count("\n", 0, position) + 1
        match = TOTALTEXT.match(content, position)
        if match is None:
            line = content[position:].splitlines()[0]
            raise InputError(f'{path}, line {number}: "{line[:60]}" is not of the form "x: [[..]], y: [[..]], ...".')
        regions.append((_totaltext_points(match, path, number), match["text"] or ""))
        position = match.end()
    return _annotation(regions, TOTALTEXT_IGNORED)


def _totaltext_points(match: re.Match[str], path: Path, number: int) -> Points:
    x, y = (match[axis].replace(",", " ").split() for axis in "xy")
    bad = next((value for value in x + y if _number(value) is None), None)
    if bad is not None:
        raise InputError(f'{path}, line {number}: "{bad}" stands where a coordinate is due.')
    if len(x) != len(y) or len(x) < 3:
        raise InputError(f"{path}, line {number}: {len(x)} x and {len(y)} y coordinates; give as many, at least 3.")
    return np.array([x, y], np.float32).T.copy()


@lru_cache(maxsize=1)
def _load_synthtext(path: Path) -> dict[str, Any]:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise DependencyError("SynthText's gt.mat needs scipy; install it with: pip install diffbin[train]") from None
    try:
        return dict(loadmat(str(path), variable_names=["imnames", "wordBB", "txt"]))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"The label file {path} cannot be read as a MATLAB file ({error}).") from None


def _list_synthtext(images: Path, labels: Path) -> list[Picture]:
    names = [str(np.ravel(name)[0]) for name in np.ravel(_load_synthtext(labels)["imnames"])]
    found = [Picture(images / name, Label(labels, i)) for i, name in enumerate(names)]
    return sorted(found, key=lambda picture: natural_key(picture.image))


def read_synthtext(label: Label | Path) -> Annotation:
    """One entry of `gt.mat`: word boxes `(2, 4, n)` and their words; nothing is ignored."""
    path, entry = label if isinstance(label, Label) else Label(label)
    table = _load_synthtext(path)
    boxes = np.asarray(np.ravel(table["wordBB"])[entry], np.float32).reshape(2, 4, -1)
    words = " ".join(str(text) for text in np.ravel(np.ravel(table["txt"])[entry])).split()
    if len(words) != boxes.shape[2]:
        raise InputError(
            f"{path}, entry {entry + 1}: {boxes.shape[2]} boxes but {len(words)} words; get the file anew."
        )
    return _annotation([(box.T.copy(), word) for box, word in zip(boxes.transpose(2, 0, 1), words, strict=True)], None)


READERS: dict[str, Callable[[Label | Path], Annotation]] = {
    "icdar": read_icdar,
    "totaltext": read_totaltext,
    "synthtext": read_synthtext,
}

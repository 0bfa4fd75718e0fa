"""Label files of the published sets: one reader a format.

Coordinates are pixels `(x, y)` of the picture as it is stored, EXIF orientation not applied, as the published sets and
the reference have them; (0, 0) is the top left corner of the top left pixel.
"""

import gzip
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise, takewhile
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from diffbin.detections import Points
from diffbin.errors import DependencyError, InputError

ICDAR_IGNORED, TOTALTEXT_IGNORED = "###", "#"
FAR_PX = 1e6  # further out there is no picture


@dataclass(frozen=True, eq=False)
class Annotation:
    """The regions of one picture.

    polygons  one `(n, 2)` float32 array a region, n >= 3, pixels of the picture: as stored, or upright where the
              format has it so
    ignored   `(len(polygons),)` bool, True = do not care
    texts     transcriptions, "" where there is none
    """

    polygons: list[Points]
    ignored: NDArray[np.bool_]
    texts: list[str]

    def __reduce__(self) -> tuple[Any, ...]:
        """To the loaders' processes all points go as one array: a million arrays take half a minute, each time."""
        points = np.concatenate([np.empty((0, 2), np.float32), *self.polygons])
        return _unpacked, (points, [len(polygon) for polygon in self.polygons], self.ignored, self.texts)


def _unpacked(points: Points, counts: list[int], ignored: NDArray[np.bool_], texts: list[str]) -> Annotation:
    return Annotation(split_points(points, counts), ignored, texts)


def split_points(points: Points, counts: Sequence[int]) -> list[Points]:
    """The polygons of so many points each that follow each other in `points` `(sum(counts), 2)`; they share it."""
    return [points[start:end] for start, end in pairwise([0, *accumulate(counts)])]


class Label(NamedTuple):
    """Where the regions of a picture stand: a file, and the picture's place or name in it where one serves them all."""

    path: Path
    entry: int | str = 0


def read_text(path: Path) -> str:
    """A label file, UTF-8 with or without a byte order mark, and gzipped if it is called `.gz`. Raises `InputError`."""
    try:
        content = path.read_bytes()
        return _decode(gzip.decompress(content) if path.suffix == ".gz" else content, path)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise InputError(f"The label file {path} is no whole gzip file; get it anew.") from None
    except OSError as error:
        raise InputError(f"The label file {path} cannot be read: {error.strerror}.") from None


def _decode(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The label file {path} is not UTF-8 (byte {error.start}); convert it.") from None


def _annotation(regions: Sequence[tuple[Points, str]], mark: str | None) -> Annotation:
    texts = [text for _, text in regions]
    return Annotation([points for points, _ in regions], np.array([text == mark for text in texts], np.bool_), texts)


def read_icdar(label: Label | Path) -> Annotation:
    """Lines of `x1,y1,...,xn,yn[,transcription]`, n >= 4; `###` is ignored, a transcription may hold commas."""
    return _annotation([_icdar_line(line, path, i) for path, i, line in _lines(label)], ICDAR_IGNORED)


def parse_icdar(content: bytes, name: str) -> Annotation:
    """The same of a file's content, which errors call `name`."""
    path = Path(name)
    return _annotation([_icdar_line(line, path, i) for i, line in filled_lines(_decode(content, path))], ICDAR_IGNORED)


def _icdar_line(line: str, path: Path, number: int) -> tuple[Points, str]:
    fields = line.split(",")
    values = [_number(field) for field in fields[:8]]
    if len(values) < 8 or None in values:
        bad = next((field for field, value in zip(fields, values, strict=False) if value is None), line)
        raise InputError(
            f'{path}, line {number}: "{bad.strip()}" stands where at least 8 coordinates "x1,y1,...,x4,y4" are due.'
        )
    coordinates = [*fields[:8], *takewhile(may_be_coordinate, fields[8:])]
    points = np.array(coordinates[: len(coordinates) // 2 * 2], np.float32).reshape(-1, 2)
    alone = all(re.fullmatch(r"\s*\d*\s*", field) for field in fields[2 * len(points) :])
    if len(points) > 4 and not _is_near(points[-1], points[:-1], strictly=alone):
        points = points[:-1]
    return points, ",".join(fields[2 * len(points) :]).strip()


def may_be_coordinate(field: str) -> bool:
    """Whether what stands between two commas is a number that a point may have; `007` is a text."""
    return _number(field) is not None and not re.match(r"\s*0\d", field)


def _is_near(point: Points, points: Points, *, strictly: bool) -> bool:
    """Whether the last pair of numbers is a vertex like those before it, and no transcription like `1,250`.

    After four corners, and with no text of its own behind it, it hardly ever is one; a polygon of more may turn
    anywhere.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    strictly = strictly and len(points) == 4
    reach = float((high - low).min()) if strictly else 2 * float(np.linalg.norm(high - low))
    return bool(((point >= low - reach) & (point <= high + reach)).all())


def _number(text: str) -> float | None:
    """Of a text that may be a coordinate."""
    found = float(text) if re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", text) else None
    return None if found is not None and abs(found) >= FAR_PX else found


def read_icdar2013(label: Label | Path) -> Annotation:
    """Lines of `left top right bottom "transcription"` (ICDAR 2013), also with commas; `"###"` is ignored."""
    return _annotation([_icdar2013_line(line, path, i) for path, i, line in _lines(label)], ICDAR_IGNORED)


def _icdar2013_line(line: str, path: Path, number: int) -> tuple[Points, str]:
    match = re.fullmatch(r'([^\s,]+)[\s,]+([^\s,]+)[\s,]+([^\s,]+)[\s,]+([^\s,]+)[\s,]+"(.*)"', line.strip())
    values = [_number(field) for field in match.groups()[:4]] if match else [None]
    if match is None or None in values:
        raise InputError(f'{path}, line {number}: "{line[:60]}" is not left top right bottom "transcription".')
    left, top, right, bottom = values
    points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    return points, re.sub(r'\\(["\\])', r"\1", match[5])


def read_mlt(label: Label | Path) -> Annotation:
    """Lines of `x1,y1,...,x4,y4,script,transcription` (ICDAR MLT of 2017 and 2019); `###` is ignored."""
    return _annotation([_corners_and_text(line, path, i, 4, 1) for path, i, line in _lines(label)], ICDAR_IGNORED)


def read_td500(label: Label | Path) -> Annotation:
    """Lines of `index difficult x y width height angle` (MSRA-TD500): a box turned about its centre, in radians.

    Lines marked difficult are ignored, as in the set's own protocol.
    """
    regions = []
    for path, i, line in _lines(label):
        values = [_number(field) for field in line.split()]
        if len(values) != 7 or None in values:
            raise InputError(f'{path}, line {i}: "{line[:60]}" is not "index difficult x y width height angle".')
        _, difficult, x, y, width, height, angle = (float(value or 0) for value in values)
        corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
        cos, sin = math.cos(angle), math.sin(angle)
        points = corners @ np.array([[cos, sin], [-sin, cos]]) + [x + width / 2, y + height / 2]
        regions.append((points.astype(np.float32), ICDAR_IGNORED if difficult else ""))
    return _annotation(regions, ICDAR_IGNORED)


def read_ctw1500(label: Label | Path) -> Annotation:
    """SCUT-CTW1500 in each form it is given out: 14 points a region, `###` is ignored.

    `.xml` with `<segs>` (training set); lines of `x1,y1,...,x14,y14,####text` (test set); lines of 32 numbers, a box
    and 14 shifts from its corner (first edition).
    """
    path = label.path if isinstance(label, Label) else label
    if path.suffix == ".xml":
        return _annotation(_ctw_boxes(path), ICDAR_IGNORED)
    return _annotation([_ctw_line(line, path, i) for path, i, line in _lines(label)], ICDAR_IGNORED)


def _ctw_line(line: str, path: Path, number: int) -> tuple[Points, str]:
    values = [_number(field) for field in line.split(",")]
    if len(values) == 32 and None not in values:
        shifts = np.array(values[4:], np.float32).reshape(14, 2)
        return shifts + np.array(values[:2], np.float32), ""
    points, text = _corners_and_text(line, path, number, 14, 0)
    return points, text.removeprefix("####")


def _ctw_boxes(path: Path) -> list[tuple[Points, str]]:
    text = read_text(path)
    if "<!ENTITY" in text:
        raise InputError(f"The label file {path} defines entities, which no label needs; it is not read.")
    try:
        boxes = list(ElementTree.fromstring(text).iter("box"))
    except ElementTree.ParseError as error:
        raise InputError(f"The label file {path} is not XML ({error}).") from None
    return [
        (_corners_and_text(box.findtext("segs", ""), path, i, 14, 0)[0], box.findtext("label", "").strip())
        for i, box in enumerate(boxes, start=1)
    ]


def _lines(label: Label | Path) -> list[tuple[Path, int, str]]:
    """The lines with something in them, each with the file and its number."""
    path = label.path if isinstance(label, Label) else label
    return [(path, i, line) for i, line in filled_lines(read_text(path))]


def filled_lines(text: str) -> list[tuple[int, str]]:
    """The lines with something in them, each with its number."""
    lines = re.split(r"\r\n|\n|\r", text)  # str.splitlines takes U+2028 and more, which transcriptions may hold
    return [(i, line) for i, line in enumerate(lines, start=1) if line.strip()]


def _corners_and_text(line: str, path: Path, number: int, count: int, skipped: int) -> tuple[Points, str]:
    """`count` points, then `skipped` fields, then the transcription, which may hold commas."""
    fields = line.split(",", 2 * count + skipped)
    values = [_number(field) for field in fields[: 2 * count]]
    if len(values) < 2 * count or None in values:
        raise InputError(f'{path}, number {number}: "{line[:60]}" does not begin with {2 * count} coordinates.')
    points = np.array(values, np.float32).reshape(count, 2)
    return points, ",".join(fields[2 * count + skipped :]).strip()


TOTALTEXT = re.compile(
    r"x:\s*\[\[(?P<x>[^\]]*)\]\],\s*y:\s*\[\[(?P<y>[^\]]*)\]\],\s*ornt:\s*\[[^\]]*\],\s*"
    r"transcriptions:\s*\[\s*(?:u?(?P<quote>['\"])(?P<text>.*?)(?P=quote))?\s*\][ \t]*(?:\n|$)",
    re.DOTALL,
)


def read_totaltext(label: Label | Path) -> Annotation:
    """Records of `x: [[..]], y: [[..]], ornt: [u'c'], transcriptions: [u'..']`, wrapped or not; `#` is ignored."""
    path = label.path if isinstance(label, Label) else label
    content, position, regions = re.sub(r"\r\n?", "\n", read_text(path)), 0, []
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
        raise DependencyError("SynthText's gt.mat needs scipy: pip install scipy.") from None
    try:
        return dict(loadmat(str(path), variable_names=["imnames", "wordBB", "txt"]))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"The label file {path} cannot be read as a MATLAB file ({error}).") from None


def synthtext_names(path: Path) -> list[str]:
    """The pictures of `gt.mat`, in its order, as paths below the folder of pictures."""
    return [str(np.ravel(name)[0]) for name in np.ravel(_load_synthtext(path)["imnames"])]


def read_synthtext(label: Label | Path) -> Annotation:
    """One entry of `gt.mat`: word boxes `(2, 4, n)` and their words; nothing is ignored."""
    path, entry = label if isinstance(label, Label) else Label(label)
    table, entry = _load_synthtext(path), int(entry)
    boxes = np.asarray(np.ravel(table["wordBB"])[entry], np.float32).reshape(2, 4, -1)
    words = " ".join(str(text) for text in np.ravel(np.ravel(table["txt"])[entry])).split()
    if len(words) != boxes.shape[2]:
        raise InputError(
            f"{path}, entry {entry + 1}: {boxes.shape[2]} boxes but {len(words)} words; get the file anew."
        )
    return _annotation([(box.T.copy(), word) for box, word in zip(boxes.transpose(2, 0, 1), words, strict=True)], None)

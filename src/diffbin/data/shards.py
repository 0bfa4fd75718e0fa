"""Shards: tar files of samples, `KEY.jpg` beside `KEY.json` or `KEY.txt` as WebDataset has them, read where they lie.

Nothing is unpacked. Where each member begins is found once and kept beside the shard, `NAME.tar.index`: reading any
sample is then one file opened, and two places of it read.
"""

import re
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbin.errors import InputError, warn
from diffbin.files import write_whole

Index = NDArray[np.int64]
"""`(n, 4)`: where the picture of each sample begins and its bytes, and the same of its label, 0 where it has none."""

PICTURES = ("jpg", "jpeg", "png", "ppm", "webp", "bmp", "tif", "tiff", "gif", "heic", "heif")
LABELS = ("json", "txt")
KEY = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)")  # the key of a sample ends at the first dot of a member's last part
HEADER_BYTES = 512  # before each member
END = bytes(1024)  # of every whole tar file
MAX_BYTES = 256 << 20  # of a member; larger ones are no samples
MAGIC = int.from_bytes(b"diffbin1", "little")  # of the index: its first row is this, the shard's bytes, the samples, 0


class Member(NamedTuple):
    """A file in a shard; `name` is what errors call it.

    Of more than 100 characters it may be cut off, for the whole of it then stands in a header before the one read here.
    """

    name: str
    content: bytes


def read_index(shard: Path) -> Index:
    """The index of a shard; found anew, and stored if it can be, where none is stored or it is older than the shard.

    Raises `InputError` when the shard is no whole tar file.
    """
    stored = shard.with_name(shard.name + ".index")
    try:
        size = shard.stat().st_size
        index = _load(stored, size) if stored.is_file() and stored.stat().st_mtime >= shard.stat().st_mtime else None
        if index is None:
            index = _scan(shard, size)
            head = np.array([[MAGIC, size, len(index), 0]], np.int64)
            with suppress(InputError):  # a place that cannot be written to
                write_whole(stored, np.concatenate((head, index)).astype("<i8").tobytes())
        return index
    except OSError as error:
        raise InputError(f"The shard {shard} cannot be read: {error.strerror}.") from None


def read_sample(shard: Path, entry: NDArray[np.int64]) -> tuple[Member, Member]:
    """The picture and the label, if it has one, of a row of the shard's index. Raises `InputError`."""
    picture, size, label, label_size = entry.tolist()
    try:
        with shard.open("rb", buffering=0) as file:
            found = _read_member(file, picture, size, shard)
            return found, _read_member(file, label, label_size, shard) if label else Member("", b"")
    except OSError as error:
        raise InputError(f"The shard {shard} cannot be read: {error.strerror}.") from None


def _read_member(file: BinaryIO, start: int, size: int, shard: Path) -> Member:
    """Looks at the header again, for the shard may have changed since it was indexed."""
    file.seek(start - HEADER_BYTES)
    header, content = file.read(HEADER_BYTES), file.read(size)
    try:
        member = tarfile.TarInfo.frombuf(header, "utf-8", "backslashreplace")
    except tarfile.HeaderError:
        member = None
    if member is None or member.size != size or len(content) != size:
        raise InputError(f"The shard {shard} is not what it was when it was indexed; start again, or get it anew.")
    return Member(f"{shard}/{member.name}", content)


def _load(stored: Path, shard_bytes: int) -> Index | None:
    content = stored.read_bytes()
    if not content or len(content) % 32:
        return None
    table = np.frombuffer(content, "<i8").reshape(-1, 4).astype(np.int64)
    places = table[1:].reshape(-1, 2)
    sound = ((places >= 0) & (places <= shard_bytes)).all()
    return table[1:] if table[0].tolist() == [MAGIC, shard_bytes, len(table) - 1, 0] and sound else None


def _scan(shard: Path, shard_bytes: int) -> Index:
    """Reads all headers."""
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(shard, "r:", errors="backslashreplace") as tar:
            last = -1
            for member in tar:
                if member.size < 0 or not last < member.offset_data <= shard_bytes - member.size:
                    raise tarfile.ReadError("a member that goes beyond the file")
                last = member.offset_data
                match = KEY.fullmatch(member.name)
                if match and member.isreg() and not member.issparse() and member.size <= MAX_BYTES:
                    samples.setdefault(match[1], {})[match[2].lower()] = (member.offset_data, member.size)
        with shard.open("rb") as file:
            file.seek(max(0, shard_bytes - len(END)))
            if file.read() != END:
                raise tarfile.ReadError("its end is missing")
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise InputError(f"The shard {shard} is not a whole, uncompressed tar file ({error}); get it anew.") from None
    without = ((key, files) for key, files in samples.items() if files.keys().isdisjoint(PICTURES))
    lost = [f"{key}.{kind}" for key, files in without for kind in files if kind.rpartition(".")[2] in PICTURES]
    if lost:
        told = f"{len(lost)} pictures of the shard {shard} are left out, as {lost[0]}"
        warn(f"{told}: a key ends at the first dot, and what follows is no kind of picture; rename them.")
    pairs = ((_first(files, PICTURES), _first(files, LABELS)) for files in samples.values())
    return np.array([(*picture, *label) for picture, label in pairs if picture[0]], np.int64).reshape(-1, 4)


def _first(files: dict[str, tuple[int, int]], kinds: tuple[str, ...]) -> tuple[int, int]:
    return next((files[kind] for kind in kinds if kind in files), (0, 0))

"""The directories of a TIFF, one for each of its pictures, and of EXIF, which is written alike."""

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the latter two of BigTIFF
MAX_DIRECTORIES = 20_000
MAX_ENTRIES = 500_000  # of a directory; but in BigTIFF it can have no more than 65,535
SUBFILE_TYPE, ORIENTATION, TILE_WIDTH, TILE_LENGTH = 254, 274, 322, 323  # tags
SHORT = 3  # of the types of values; LONG is usual
OF_BYTES = (1, 2, 6, 7)
NO_PAGE = 1 | 4  # bits of `SUBFILE_TYPE`: a smaller copy, a mask
CUT_OFF = (struct.error, EOFError, OSError, OverflowError, ValueError)  # the file ends before, or leads to nowhere
Entries = NDArray[Any]  # `(n,)` of the fields tag, type, count, and the value as a short and as a long


def frames(file: BinaryIO, most: int = MAX_DIRECTORIES) -> tuple[list[int], bool]:
    """The places, from 0, of the pages among its first `most` pictures, and whether all directories could be followed.

    `file` begins with one of `MAGIC`. Nothing else of it is read, so a page may be damaged nevertheless.
    """
    found = list[int]()
    try:
        for place, entries in enumerate(_directories(file)):
            if place == most:
                return found, False
            if not _value(entries, SUBFILE_TYPE, 0) & NO_PAGE:
                found.append(place)
    except CUT_OFF:
        return found, False
    return found, True


def numbers(file: BinaryIO, most: int) -> int:
    """The most numbers that the tags of a picture have, of its first `most` pictures: each strip has two, say."""
    length, found = file.seek(0, io.SEEK_END), 0
    with suppress(*CUT_OFF):
        for entries in islice(_directories(file), most):
            counts = entries["count"][~np.isin(entries["type"], OF_BYTES)]
            found = max(found, int(counts[counts < length].sum()))  # what has more is damaged, and not read
    return found


def orientation(exif: bytes) -> int:
    """What EXIF, without the name before it, says of how a picture is turned; 1 where it says nothing."""
    with suppress(*CUT_OFF):
        for entries in _directories(io.BytesIO(exif)) if exif.startswith(MAGIC) else ():
            return _value(entries, ORIENTATION, 1)
    return 1


def _value(entries: Entries, tag: int, default: int) -> int:
    for entry in entries[entries["tag"] == tag][:1]:
        return int(entry["short" if entry["type"] == SHORT else "long"])
    return default


def _directories(file: BinaryIO) -> Iterator[Entries]:
    """Each directory, as they follow each other. Raises `struct.error`."""
    file.seek(0)
    magic = file.read(4)
    order, big = ("<" if magic[:1] == b"I" else ">"), b"+" in magic
    count, offset = (f"{order}{code}" for code in ("QQ" if big else "HI"))
    value_at, entry_bytes = (12, 20) if big else (8, 12)
    entry = np.dtype(
        {
            "names": ["tag", "type", "count", "short", "long"],
            "formats": [f"{order}{code}" for code in ("u2", "u2", f"u{value_at - 4}", "u2", "u4")],
            "offsets": [0, 2, 4, value_at, value_at],
            "itemsize": entry_bytes,
        }
    )
    file.seek(8 if big else 4)
    seen = set[int]()
    while (place := _unpack(offset, file)[0]) and place not in seen:
        seen.add(place)
        file.seek(place)
        entries = _unpack(count, file)[0]
        first = file.tell()
        content = file.read(min(entries, MAX_ENTRIES) * entry_bytes)
        if entries and len(content) < entry_bytes:
            raise EOFError
        yield np.frombuffer(content, entry, len(content) // entry_bytes)
        file.seek(first + entries * entry_bytes)


def _unpack(form: str, file: BinaryIO) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))

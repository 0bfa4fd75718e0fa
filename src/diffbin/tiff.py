"""The directories of a TIFF, one for each of its pictures: which of them are pages."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the latter two of BigTIFF
MAX_DIRECTORIES = 20_000
SUBFILE_TYPE = 254  # the tag with the least number in use, so it comes first
SHORT = 3  # of the types of values; LONG is usual
NO_PAGE = 1 | 4  # bits of its value: a smaller copy, a mask


def frames(file: BinaryIO, most: int = MAX_DIRECTORIES) -> tuple[list[int], bool]:
    """The places, from 0, of the pages among its first `most` pictures, and whether all directories could be followed.

    `file` begins with one of `MAGIC`. Nothing else of it is read, so a page may be damaged nevertheless.
    """
    found = list[int]()
    try:
        for place, kind in enumerate(_kinds(file)):
            if place == most:
                return found, False
            if not kind & NO_PAGE:
                found.append(place)
    except (struct.error, OSError, OverflowError, ValueError):  # the file ends before, or leads to nowhere
        return found, False
    return found, True


def _kinds(file: BinaryIO) -> Iterator[int]:
    """The value of `SUBFILE_TYPE` of each directory, as they follow each other. Raises `struct.error`."""
    file.seek(0)
    magic = file.read(4)
    order, big = ("<" if magic[:1] == b"I" else ">"), b"+" in magic
    count, entry, offset = (f"{order}{code}" for code in (("Q", "HHQ", "Q") if big else ("H", "HHI", "I")))
    value_at, entry_bytes = (12, 20) if big else (8, 12)
    file.seek(8 if big else 4)
    seen = set[int]()
    while (place := _unpack(offset, file)[0]) and place not in seen:
        seen.add(place)
        file.seek(place)
        entries = _unpack(count, file)[0]
        first = file.tell()
        tag, type_, _ = _unpack(entry, file) if entries else (0, 0, 0)
        file.seek(first + value_at)
        yield _unpack(f"{order}{'H' if type_ == SHORT else 'I'}", file)[0] if tag == SUBFILE_TYPE else 0
        file.seek(first + entries * entry_bytes)


def _unpack(form: str, file: BinaryIO) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))

"""What the bytes of a JPEG tell without being decoded (ITU T.81, B)."""

from collections.abc import Iterator

import cv2

BEGINS, END = b"\xff\xd8", b"\xff\xd9"
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15 of table B.1
SCAN = 0xDA
REDUCED = {  # bits of OpenCV, without that of colours: the decoder shrinks by itself, by areas, in less time
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def size(content: bytes) -> tuple[int, int] | None:
    """(h, w) by the frame header, before which segments tell their lengths (B.2.2); None if it has none."""
    for marker, at in _segments(content):
        if marker in FRAMES:
            height, width = int.from_bytes(content[at + 5 : at + 7]), int.from_bytes(content[at + 7 : at + 9])
            return (height, width) if height and width else None
    return None


def ends(content: bytes) -> bool:
    """Whether its end is there, whatever follows: telephones append films and more, and decoders make up what lacks.

    The end of a thumbnail in the header does not count, and among coded pixels there can be none.
    """
    return any(marker == SCAN and content.find(END, at) > 0 for marker, at in _segments(content))


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """The markers before the pixels, that of the first scan too, and where they stand."""
    at = len(BEGINS) if content.startswith(BEGINS) else len(content)
    while content[at : at + 1] == b"\xff" and at + 9 <= len(content):
        marker = content[at + 1]
        if marker == 0xFF:  # as many as one likes may stand before a marker (B.1.1.2)
            at += 1
            continue
        yield marker, at
        if marker == SCAN:
            return
        at += 2 + int.from_bytes(content[at + 2 : at + 4])

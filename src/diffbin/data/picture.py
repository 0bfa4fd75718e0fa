"""A picture file in the frame of its label, as stored or upright: its size at once, its pixels when needed."""

import io
import re
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from diffbin import jpeg, rgb
from diffbin.errors import InputError, LimitError, PackageError
from diffbin.image import OPENED, check_bytes, check_size, from_pillow, header_size, opened, read_bytes

Pixels = NDArray[np.uint8]

FAST = re.compile(rb"\x89PNG.{20}[\x01-\x08]|RIFF.{4}WEBP", re.DOTALL)  # OpenCV reads them as `load` does, in less time
TO_RGB = {(): cv2.COLOR_GRAY2RGB, (3,): cv2.COLOR_BGR2RGB, (4,): cv2.COLOR_BGRA2RGBA}  # by what follows (h, w)
QUARTER_TURNS = (5, 6, 7, 8)  # of EXIF's orientations
RAW = re.compile(rb"P6\n(\d{1,5}) (\d{1,5})\n255\n")  # width and height before the pixels of a plain PPM file


class PictureFile:
    """The content of a picture file. `size` is its (h, w) in pixels, `name` what errors call it.

    Its pixels are as stored, EXIF orientation not applied, or `upright`; `turned` says that this makes a difference.
    Raises `LimitError` where it is larger than the limits of `image.load`, before anything of it is decoded.
    """

    def __init__(self, content: bytes, name: str, *, upright: bool = False) -> None:
        self.name, self.content = name, content
        self._whole = raw_pixels(content)
        size = jpeg.size(content)
        self._check_limits(size)
        self._turn = orientation(io.BytesIO(content)) if upright else 1
        self.turned = upright and self._turn != 1
        if size is None:  # of other formats it is known with the pixels
            if self._whole is None:
                self._whole = self._load() if self.turned else self._decode(1)
            size = self._whole.shape[0], self._whole.shape[1]
        elif self._turn in QUARTER_TURNS:
            size = size[::-1]
        self.size = size

    def read(self, reduction: float = 1.0) -> tuple[Pixels, int]:
        """The pixels `(h, w, 3)` uint8 RGB, and how many times smaller than the file they are: at most `reduction`.

        JPEG comes at 1, 1/2, 1/4 or 1/8 of its size, rounded up; other formats always at 1, and so do turned ones that
        would be rounded. PPM is not even copied, and its pixels cannot be written to. Raises `InputError` when the file
        is damaged.
        """
        if self._whole is not None:
            return self._whole, 1
        factor = max(factor for factor in jpeg.REDUCED if factor <= max(reduction, 1))
        if self.turned and any(side % factor for side in self.size):  # what is rounded up would not come last
            factor = 1
        pixels = self._decode(factor)
        if pixels.shape[:2] != (-(-self.size[0] // factor), -(-self.size[1] // factor)):
            raise self._damaged()
        return pixels, factor

    def _check_limits(self, size: tuple[int, int] | None) -> None:
        name = f"The picture {self.name}"
        check_bytes(self.content, name)
        if self._whole is not None:  # it has no more pixels than bytes
            return
        try:
            check_size(size or header_size(self.content, name), name)
        except (LimitError, PackageError):
            raise
        except InputError:
            raise self._damaged() from None

    def _decode(self, factor: int) -> Pixels:
        if self.content.startswith(jpeg.BEGINS):
            as_stored = 0 if self.turned else cv2.IMREAD_IGNORE_ORIENTATION
            pixels = self._decode_as(jpeg.REDUCED[factor] | cv2.IMREAD_COLOR | as_stored)
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels), np.uint8)
        if FAST.match(self.content):
            pixels = self._decode_as(cv2.IMREAD_UNCHANGED)
            pixels = np.asarray(cv2.cvtColor(pixels, TO_RGB[pixels.shape[2:]]), np.uint8)
            return rgb.opaque(pixels) if pixels.shape[2] == 4 else pixels  # seen as users' pictures are
        return rgb.as_stored(self._load(), orientation(io.BytesIO(self.content)))

    def _load(self) -> Pixels:
        name = f"The picture {self.name}"
        with opened(io.BytesIO(self.content), name) as image:
            return from_pillow(image, name)

    def _decode_as(self, flags: int) -> NDArray[Any]:
        """By OpenCV: BGR, BGRA or grey."""
        try:
            found = cv2.imdecode(np.frombuffer(self.content, np.uint8), flags)
        except cv2.error:  # nothing in it, or more pixels than OpenCV cares to read
            found = None
        if found is None:
            raise self._damaged()
        return np.asarray(found)

    def _damaged(self) -> InputError:
        return InputError(f"The picture {self.name} is damaged or of an unknown format; remove or replace it.")


def open_picture(path: Path, *, upright: bool = False) -> PictureFile:
    """Reads the file, but decodes no more of it than its size. Raises `InputError`."""
    return PictureFile(read_bytes(path), str(path), upright=upright)


def read_picture(path: Path) -> Pixels:
    """The whole picture as stored, `(h, w, 3)` uint8 RGB. Raises `InputError`."""
    return open_picture(path).read()[0]


def orientation(file: Path | BinaryIO) -> int:
    """How viewers turn or mirror the picture of a file, by its EXIF: 1 = as it is stored, 5 to 8 by a quarter."""
    try:
        with Image.open(file, formats=OPENED) as image:
            return rgb.orientation(image)
    except Exception:  # of another format, or damaged, which is told of where it is decoded
        return 1


def raw_pixels(content: bytes) -> Pixels | None:
    """The pixels of a PPM file without comments, `(h, w, 3)`; None of anything else."""
    match = RAW.match(content)
    if match is None:
        return None
    width, height = int(match[1]), int(match[2])
    whole = 0 < height * width * 3 == len(content) - match.end()
    return np.frombuffer(content, np.uint8, offset=match.end()).reshape(height, width, 3) if whole else None


def dump_raw(pixels: Pixels) -> bytes:
    """Pixels `(h, w, 3)` as a PPM file, which needs no decoding."""
    height, width = pixels.shape[:2]
    return b"P6\n%d %d\n255\n%s" % (width, height, pixels.tobytes())

"""Documents as pictures: the pages of a PDF, by the package pypdfium2, and those of a TIFF."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image

from diffbin.errors import DiffbinWarning, InputError, LimitError
from diffbin.image import check_size, load_frame
from diffbin.rgb import Picture

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

DPI = 150  # that a PDF is drawn at: letters of ten points are some 20 pixels high
MAX_PAGES = 10_000
PDF = ".pdf"
DOCUMENTS = frozenset({PDF, ".tif", ".tiff"})
SOUGHT = frozenset({PDF} if find_spec("pypdfium2") else ())  # in folders, besides pictures
_ONE_AT_A_TIME = Lock()  # PDFium is not made for threads
SCALE = DPI / 72 * (1 - 1e-6)  # sizes are rounded up, and a scan of 96 pixels, in points, comes to a trifle more
NEW_SUBFILE_TYPE = 254  # a tag of TIFF
NO_PAGE = 1 | 4  # bits of it: a smaller copy, a mask


@dataclass(frozen=True)
class Page:
    """One page of a document, for `Detector` wherever it takes a picture; `number` counts from 1.

    A PDF's page is drawn at `DPI`, turned as viewers show it, so a point of 1/72 inch is `DPI / 72` pixels.
    """

    path: Path
    number: int

    def __str__(self) -> str:
        return f"{self.path}{self.fragment}"

    @property
    def fragment(self) -> str:
        """What follows the name of its file in an address (RFC 8118)."""
        return f"#page={self.number}"

    def load(self) -> Picture:
        """`(h, w, 3)` uint8 RGB. Raises `InputError` where it cannot be read, `LimitError` where it is too large."""
        if self.path.suffix.lower() != PDF:
            return load_frame(self.path, self.number - 1)
        with _ONE_AT_A_TIME:
            return self._draw()

    def _draw(self) -> Picture:
        from pypdfium2 import PdfiumError

        document = _opened(self.path)
        try:
            page = document[self.number - 1]
            width, height = page.get_size()
            check_size((math.ceil(height * SCALE), math.ceil(width * SCALE)), str(self))
            pixels = page.render(scale=SCALE, rev_byteorder=True).to_numpy()
            return np.repeat(pixels[:, :, :1], 3, axis=2) if pixels.shape[2] == 1 else pixels[:, :, :3].copy()
        except (PdfiumError, IndexError) as error:
            raise InputError(f"{self} cannot be drawn: {str(error).rstrip('.')}.") from None
        finally:
            document.close()


@dataclass(frozen=True)
class Unreadable:
    """What stands for the pages of a document that cannot be opened: its turn tells why."""

    path: Path
    error: InputError

    def load(self) -> Picture:
        """Raises the error."""
        raise self.error


Source: TypeAlias = Path | Page | Unreadable
"""What a detector is given for a file, or for a part of it."""


def pages(path: Path) -> list[Page]:
    """Those of a PDF or a TIFF, in their order; of a TIFF no smaller copies and no masks.

    A file that is no TIFF has none. Raises `InputError` where a PDF cannot be read or has none, `LimitError` where
    there are more than `MAX_PAGES`.
    """
    numbers = _numbers(path) if path.suffix.lower() == PDF else _frames(path)
    if len(numbers) > MAX_PAGES:
        raise LimitError(f"{path} has more than {MAX_PAGES} pages; split it.")
    return [Page(path, number) for number in numbers]


def pictures(path: Path) -> list[Source]:
    """A file's pages where it has several or is a PDF, else the file itself."""
    try:
        found = pages(path)
    except InputError as error:
        return [Unreadable(path, error)]
    return [*found] if len(found) > 1 or path.suffix.lower() == PDF else [path]


def _numbers(path: Path) -> Sequence[int]:
    with _ONE_AT_A_TIME:
        document = _opened(path)
        try:
            count = len(document)
        finally:
            document.close()
    if not count:
        raise InputError(f"{path} has no pages.")
    return range(1, count + 1)


def _opened(path: Path) -> "PdfDocument":
    if not find_spec("pypdfium2"):
        raise InputError(f"{path} is a PDF, which takes a package: pip install '.[pdf]'; or draw its pages: pdftoppm.")
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        with path.open("rb"):  # the package has no reason where this fails
            return PdfDocument(path)
    except PdfiumError as error:
        told = f"{path} cannot be read as PDF, it is damaged or has a password"
        raise InputError(f"{told}: {str(error).rstrip('.')}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None


def _frames(path: Path) -> Sequence[int]:
    """The numbers of a TIFF's pages, as far as they can be read, one by one: a file may have countless."""
    numbers: list[int] = []
    try:
        with Image.open(path, formats=("TIFF",)) as image:
            for frame in range(MAX_PAGES + 1):
                image.seek(frame)
                if not image.tag_v2.get(NEW_SUBFILE_TYPE, 0) & NO_PAGE:  # type: ignore[attr-defined]
                    numbers.append(frame + 1)
    except EOFError:  # behind the last one
        return numbers
    except Exception as error:  # damaged files bring up any of them; of one without a page reading it tells why
        if numbers:
            told = f"{path} is damaged after page {numbers[-1]}, and what follows is passed over: {error}."
            warnings.warn(told, DiffbinWarning, stacklevel=2)
    return numbers

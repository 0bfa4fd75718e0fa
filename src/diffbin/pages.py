"""Documents as pictures: the pages of a PDF, by the package pypdfium2, and those of a TIFF."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np

from diffbin import tiff
from diffbin.config import Preprocess
from diffbin.errors import InputError, LimitError, PackageError, warn
from diffbin.image import Resize, check_size, from_pillow, opened
from diffbin.rgb import Picture

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

DPI = 150  # that a PDF is drawn at: letters of ten points are some 20 pixels high
SCALE = DPI / 72 * (1 - 1e-6)  # sizes are rounded up, and a scan of 96 pixels, in points, comes to a trifle more
MAX_PAGES = 10_000
PDF = ".pdf"
DOCUMENTS = frozenset({PDF, ".tif", ".tiff"})
SOUGHT = frozenset({PDF} if find_spec("pypdfium2") else ())  # in folders, besides pictures
MOST_PIXELS = 4_400_000  # of the input that a page is given unless a size is asked for: A3 as it is drawn
WRONG_PASSWORD = 4  # of PDFium's errors
_ONE_AT_A_TIME = Lock()  # PDFium is not made for threads


@dataclass(frozen=True)
class Page:
    """One page of a document, for `Detector` wherever it takes a picture; `number` counts from 1.

    A PDF's page is drawn turned as viewers show it, with `DPI / 72` pixels for a unit of the page, mostly 1/72 inch.
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
        if self.path.suffix.lower() == PDF:
            with _document(self.path) as document:
                return self._drawn(document)
        with _file(self.path) as file, opened(file, str(self), self.number - 1) as image:
            return from_pillow(image, str(self))

    def _drawn(self, document: "PdfDocument") -> Picture:
        from pypdfium2 import PdfiumError

        try:
            document.init_forms()  # else what was typed into them is left out
            page = document[self.number - 1]
            width, height = page.get_size()
            check_size((math.ceil(height * SCALE), math.ceil(width * SCALE)), str(self))
            pixels = page.render(scale=SCALE, rev_byteorder=True).to_numpy()
            return np.array(pixels[:, :, :3], np.uint8)  # a copy: the document takes its own along
        except (PdfiumError, IndexError) as error:
            raise InputError(f"{self} cannot be drawn: {str(error).rstrip('.')}.") from None


@dataclass(frozen=True)
class Unreadable:
    """What stands for pages that a document does not give, all of them or the last: its turn tells why."""

    path: Path
    error: InputError

    def load(self) -> Picture:
        """Raises the error."""
        raise self.error


Source: TypeAlias = Path | Page | Unreadable
"""What a detector is given for a file, or for a part of it."""


def pages(path: str | Path) -> list[Page]:
    """Those of a PDF or a TIFF, in their order; of a TIFF no smaller copies and no masks.

    Raises `InputError` where it cannot be read or has none, `LimitError` where there are more than `MAX_PAGES`; warns
    where a TIFF is cut off.
    """
    found, error = _pages(Path(path))
    if error:
        warn(str(error))
    return found


def fit(size: tuple[int, int], config: Preprocess) -> Resize:
    """The resize of a page of this `(h, w)`, for its print: none, up to `MOST_PIXELS`; the ordinary one where that
    enlarges it, or shrinks it less."""
    strip = MOST_PIXELS / config.multiple_px / max(size)  # of one a pixel wide nearly all is padding
    ordinary, ratio = Resize.fit(size, config), min(1.0, math.sqrt(MOST_PIXELS / math.prod(size)), strip)
    return ordinary if ordinary.ratio >= ratio else Resize.by(size, ratio, config)


def pictures(path: Path) -> list[Source]:
    """A file's pages where it has several or is a PDF, else the file itself."""
    if path.suffix.lower() != PDF and not _begins_as_tiff(path):
        return [path]  # reading it tells what is wrong with it
    try:
        found, error = _pages(path)
    except InputError as reason:  # reading a damaged TIFF tells more
        return [Unreadable(path, reason) if path.suffix.lower() == PDF or isinstance(reason, LimitError) else path]
    rest = [Unreadable(path, error)] if error else []
    return [*found, *rest] if path.suffix.lower() == PDF or found[1:] or found[0].number > 1 else [path]


def _begins_as_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in tiff.MAGIC
    except (OSError, ValueError):
        return False


def _pages(path: Path) -> tuple[list[Page], InputError | None]:
    """Those that can be told, and why it is not all of them."""
    numbers: Sequence[int]
    whole = True
    if path.suffix.lower() == PDF:
        with _document(path) as document:
            numbers = range(1, len(document) + 1)
    else:
        with _file(path) as file:
            if file.read(4) not in tiff.MAGIC:
                raise InputError(f"{path} is neither a PDF nor a TIFF, whose names end in .pdf, .tif and .tiff.")
            frames, whole = tiff.frames(file)
        numbers = [frame + 1 for frame in frames]
    if not numbers:
        raise InputError(f"{path} has no pages.")
    if len(numbers) > MAX_PAGES:
        raise LimitError(f"{path} has more than {MAX_PAGES} pages; split it.")
    cut_off = None if whole else InputError(f"{path} is cut off after page {numbers[-1]}; the others are lost.")
    return [Page(path, number) for number in numbers], cut_off


@contextmanager
def _document(path: Path) -> Iterator["PdfDocument"]:
    if not find_spec("pypdfium2"):
        raise PackageError(f"{path} is a PDF, which takes a package: pip install '.[pdf]'; or draw its pages.")
    from pypdfium2 import PdfDocument, PdfiumError

    with _file(path), _ONE_AT_A_TIME:  # the package has no reason where a file cannot be opened
        try:
            document = PdfDocument(path.absolute())  # it would take ~ for the user's folder
        except PdfiumError as error:
            told = f"{path} cannot be read as PDF: {str(error).rstrip('.')}."
            if error.err_code == WRONG_PASSWORD:
                told = f"{path} has a password; take it away first: qpdf --password=... --decrypt {path.name} open.pdf"
            raise InputError(told) from None
        try:
            yield document
        finally:
            document.close()


@contextmanager
def _file(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:  # the second of a name with a zero in it
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', error)}.") from None
    with file:
        yield file

"""What is wanted of each picture, and where its answer lies."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from diffbin.errors import InputError
from diffbin.formats import FORMATS, Format
from diffbin.pages import Page, Source

OVERLAY, CROPS = ".overlay.jpg", ".crops"
OF_PAGE = re.compile(r"(.+)-\d{3,}(\.page)?", re.DOTALL)  # the names of its files, without their endings
PAGE = re.compile(r".+-\d{3,}\.page\.png", re.DOTALL)  # of its picture, which is called as the answer that leads to it
CROP = re.compile(r"[1-9]\d*\.png")
ANSWERS = frozenset(way.suffix for way in FORMATS.values())


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is wanted of each picture. Raises `InputError` where the wishes do not go together.

    folder  of the files; None = answers are printed
    format  a name of `FORMATS`
    draw    also the picture with its regions drawn
    crop    also each region, cut out
    resume  no answer is replaced or removed, also none that has come meanwhile
    """

    folder: Path | None = None
    format: str = "json"
    draw: bool = False
    crop: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InputError(f"--format is {self.format}; it must be one of {', '.join(FORMATS)}.")
        if self.folder is None:
            reasons = {"draw": "writes pictures", "crop": "writes pictures", "resume": "looks for answers"}
            if option := next((name for name in reasons if getattr(self, name)), None):
                raise InputError(f"--{option} {reasons[option]}; say where with --out DIR.")
        elif self.way.together:
            told = f"--format {self.format} is one answer to all pictures, and printed"
            raise InputError(f"{told}: diffbin detect ... --format {self.format} > {self.format}.json")

    @property
    def way(self) -> Format:
        """The format itself."""
        return FORMATS[self.format]


@dataclass(frozen=True)
class Files:
    """What one picture's answer may consist of."""

    text: Path
    overlay: Path
    crops: Path  # a folder, of 1.png for the first region and so on
    page: Path | None  # of a document, as a picture, for formats that lead to one

    @classmethod
    def called(cls, name: Path, way: Format, *, of_page: bool) -> "Files":
        """Those whose names begin so."""
        text, overlay, crops, page = (name.parent / (name.name + end) for end in (way.suffix, OVERLAY, CROPS, ".png"))
        return cls(text, overlay, crops, page if of_page and way.links else None)


@dataclass(frozen=True)
class Job:
    """One picture.

    name   what the answer calls it: its path below the folder that was given, or where several pictures have the
           same, the path as given
    files  None where the answer is printed
    """

    picture: Source
    name: str
    files: Files | None

    @property
    def path(self) -> Path:
        """The file that it is, or is a page of."""
        return self.picture if isinstance(self.picture, Path) else self.picture.path


def is_there(path: Path) -> bool:
    """Whether there is something of this name; False where pathlib raises."""
    return os.path.exists(path)  # noqa: PTH110


def fragment(source: Source) -> str:
    """What follows the name of its file where it is a page."""
    return source.fragment if isinstance(source, Page) else ""


def mark(number: int, way: Format) -> str:
    """What tells the files of a page from those of the others."""
    return f"-{number:03}.page" if way.links else f"-{number:03}"

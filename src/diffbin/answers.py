"""The answer of one picture, brought where it belongs: printed, or in files of one name."""

import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.crop import crops
from diffbin.detections import Detections
from diffbin.draw import draw, encode
from diffbin.errors import InputError, OutputError
from diffbin.files import write_whole
from diffbin.formats import FORMATS, Format
from diffbin.image import load
from diffbin.pages import Page, Source, Unreadable

OVERLAY, CROPS, PAGE = ".overlay.jpg", ".crops", ".page.png"
PAGE_DIGITS = 3  # at least, so that names sort
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
    page: Path  # of a document, as a picture, for formats that lead to one

    @classmethod
    def called(cls, name: Path, way: Format) -> "Files":
        """Those whose names begin so."""
        return cls(*(name.parent / (name.name + ending) for ending in (way.suffix, OVERLAY, CROPS, PAGE)))


@dataclass(frozen=True)
class Job:
    """One picture.

    name      what the answer calls it: its path below the folder that was given, or where several pictures have the
              same, the path as given
    fragment  of a page, what follows the name of its file
    files     None where the answer is printed
    """

    picture: Source
    name: str
    fragment: str
    files: Files | None

    @property
    def path(self) -> Path:
        """The file that it is, or is a page of."""
        return self.picture if isinstance(self.picture, Path) else self.picture.path


def is_there(path: Path) -> bool:
    """Whether there is something of this name; False where pathlib raises."""
    return os.path.exists(path)  # noqa: PTH110


def is_ours(path: Path, way: Format) -> bool:
    """Whether a file begins as an answer does; one without any text found may be empty."""
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 20).rstrip(b"\r\n")
    except OSError:
        return True  # writing will tell why it cannot be replaced, in its turn
    return not first or any(ours.begins.match(first) for ours in FORMATS.values() if ours.suffix == way.suffix)


def write(job: Job, found: Detections, output: Output) -> None:
    """Writes or prints it. Raises `InputError` where a file cannot be written, `OutputError` where printing fails."""
    way, files = output.way, job.files
    if files is None:
        show(way.write(found, job.name))
        return
    if is_there(files.text):
        if output.resume:
            return  # it has come meanwhile
        _forget_pictures(files)  # of that answer
    elif output.crop:
        _forget_crops(files.crops)  # of a call that was broken off
    text = way.head + way.write(found, _link(job, files) if way.links else job.name)
    pictures, failed = _pictures(job, files, found, output)
    for path, content in pictures:
        write_whole(path, content)
    # Last, so that where one is found, the pictures are there too; a file may have a name that is no UTF-8.
    write_whole(files.text, text.encode("utf-8", "backslashreplace"))
    if failed:
        raise failed


def _pictures(
    job: Job, files: Files, found: Detections, output: Output
) -> tuple[list[tuple[Path, bytes]], InputError | None]:
    """Pictures to write besides, and why one of them cannot be made; there is an answer all the same."""
    page = output.way.links and isinstance(job.picture, Page)
    made, failed = list[tuple[Path, bytes]](), None
    if not (page or output.draw or output.crop):
        return made, failed
    try:
        picture = _again(job, found.size)
    except InputError as error:
        return made, error
    if output.draw:
        try:
            made.append((files.overlay, encode(draw(picture, found), str(job.picture))))
        except InputError as error:
            failed = error
    if output.crop:
        made += [(files.crops / f"{number}.png", _png(cut)) for number, cut in enumerate(crops(picture, found), 1)]
    if page:
        made.append((files.page, _png(picture)))
    return made, failed


def _png(picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()


def _again(job: Job, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture for drawing; keeping it until then would fill the memory with pictures that wait their turn."""
    picture = load(job.picture)
    if picture.shape[:2] != size:
        told = f"{job.picture} was changed while its text was looked for"
        raise InputError(f"{told}; there is an answer, but no picture of it.")
    return picture


def forget(job: Job, way: Format) -> None:
    """Removes what an earlier call has answered of a picture, or of a document, that cannot be read now."""
    if job.files is None:
        return
    of_pages = _of_pages(job.files, way) if isinstance(job.picture, Unreadable) else []
    for files in [job.files, *of_pages]:
        if is_there(files.text) and is_ours(files.text, way):
            _forget_pictures(files)
            with suppress(OSError):
                files.text.unlink()


def _of_pages(document: Files, way: Format) -> list[Files]:
    stem = document.text.name.removesuffix(way.suffix)
    named = re.compile(rf"{re.escape(stem)}-\d{{{PAGE_DIGITS},}}{re.escape(way.suffix)}")
    with suppress(OSError):
        found = [path for path in document.text.parent.iterdir() if named.fullmatch(path.name)]
        return [Files.called(path.with_name(path.name.removesuffix(way.suffix)), way) for path in found]
    return []


def _forget_pictures(files: Files) -> None:
    _forget_crops(files.crops)
    for path in (files.overlay, files.page):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _forget_crops(folder: Path) -> None:
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if CROP.fullmatch(path.name):
                path.unlink(missing_ok=True)
        folder.rmdir()  # where nothing else lies in it


def _link(job: Job, files: Files) -> str:
    """The way from the folder of an answer to its picture; where there is none, as to another drive, its whole path."""
    if isinstance(job.picture, Page):
        return files.page.name
    place = Path(os.path.realpath(job.path.parent), job.path.name)
    with suppress(ValueError):
        place = Path(os.path.relpath(place, os.path.realpath(files.text.parent)))
    return place.as_posix()


def show(text: str) -> None:
    """Prints it at once. Raises `OutputError` where that is not possible."""
    encoding = sys.stdout.encoding or "utf-8"
    try:  # a file may have a name that the terminal cannot show
        print(text.encode(encoding, "backslashreplace").decode(encoding), end="", flush=True)
    except BrokenPipeError:  # as of `| head`
        raise
    except OSError as error:
        with suppress(OSError):  # what is still in its buffer would fail again at the program's end
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise OutputError(f"The answers cannot be printed: {error.strerror}.") from None

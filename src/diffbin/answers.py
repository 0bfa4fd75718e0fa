"""The answer of one picture, brought where it belongs: printed, or in files of one name."""

import os
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.crop import crops
from diffbin.detections import Detections
from diffbin.draw import draw, encode
from diffbin.errors import InputError, OutputError, PackageError
from diffbin.files import write_whole
from diffbin.formats import FORMATS, Format
from diffbin.image import load
from diffbin.pages import DOCUMENTS, Page, Source, Unreadable

OVERLAY, CROPS, PAGE = ".overlay.jpg", ".crops", ".page.png"
OF_PAGE = re.compile(r"(.+)-\d{3,}", re.DOTALL)  # the names of its files, without their endings
EMPTY = ".txt"  # of files that may be
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
    """Whether a file begins as an answer does; one of the format icdar without any text found is empty."""
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 20)
    except OSError:
        return True  # writing will tell why it cannot be replaced, in its turn
    if not first:
        return way.suffix == EMPTY
    begins = (ours.begins for ours in FORMATS.values() if ours.suffix == way.suffix)
    return any(begin.match(first.rstrip(b"\r\n")) for begin in begins)


def write(job: Job, found: Detections, output: Output) -> None:
    """Writes or prints it. Raises `InputError` where a file cannot be written, `OutputError` where printing fails."""
    way, files = output.way, job.files
    if files is None:
        show(way.write(found, job.name))
        return
    if is_there(files.text):
        if output.resume:
            return  # it has come meanwhile
        _forget_pictures(files, way)  # of that answer
    elif output.crop:
        _forget_crops(files.crops)  # of a call that was broken off
    text = way.head + way.write(found, _link(job, files) if way.links else job.name)
    pictures, failed = _pictures(job, files, found, output)
    for path, content in pictures:
        write_whole(path, content)
    try:  # last, so that where one is found, the pictures are there too; a file may have a name that is no UTF-8
        write_whole(files.text, text.encode("utf-8", "backslashreplace"))
    except InputError:
        _forget_pictures(files, way)
        raise
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
    """Removes what an earlier call has answered of a picture that cannot be read now."""
    if job.files and is_there(job.files.text) and is_ours(job.files.text, way):
        _forget(job.files, way)


def forget_lost_pages(jobs: Sequence[Job], way: Format) -> None:
    """Removes what an earlier call has answered of pages that the documents among these jobs do not have any more."""
    planned = {job.files.text for job in jobs if job.files}
    documents = defaultdict[Path, set[str]](set)
    for job in jobs:
        missing = isinstance(job.picture, Unreadable) and isinstance(job.picture.error, PackageError)
        if job.files and job.path.suffix.lower() in DOCUMENTS and not missing:
            name = job.files.text.name.removesuffix(way.suffix)
            number = job.picture.number if isinstance(job.picture, Page) else None
            documents[job.files.text.parent].add(name if number is None else name.removesuffix(mark(number)))
    for folder, names in documents.items():
        for path in _listed(folder):
            page = OF_PAGE.fullmatch(path.name.removesuffix(way.suffix))
            ours = page and page[1] in names and path.name.endswith(way.suffix) and path not in planned
            if page and ours and _is_of_page(path) and is_ours(path, way):
                _forget(Files.called(path.with_name(page[0]), way), way)


def _is_of_page(answer: Path) -> bool:
    """Whether it tells of a page, and not of a picture that is called like one."""
    try:
        with answer.open("rb") as file:
            begins = file.read(1 << 12)
    except OSError:
        return False
    return b"#page=" in begins or PAGE.encode() in begins


def mark(number: int) -> str:
    """What tells the files of a page from those of the others."""
    return f"-{number:03}"


def _forget(files: Files, way: Format) -> None:
    _forget_pictures(files, way)
    with suppress(OSError):
        files.text.unlink()


def _forget_pictures(files: Files, way: Format) -> None:
    """Unless the answer of another format has them, too."""
    name = files.text.name.removesuffix(way.suffix)
    if any(is_there(files.text.with_name(name + other)) for other in ANSWERS - {way.suffix}):
        return
    _forget_crops(files.crops)
    for path in [files.overlay, *([files.page] if OF_PAGE.fullmatch(name) else [])]:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _listed(folder: Path) -> list[Path]:
    with suppress(OSError):
        return list(folder.iterdir())
    return []


def _forget_crops(folder: Path) -> None:
    with suppress(OSError):
        for path in _listed(folder):
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

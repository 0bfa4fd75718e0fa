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
from diffbin.pages import Source

OVERLAY, CROPS = ".overlay.jpg", ".crops"
CROP = re.compile(r"[1-9]\d*\.png")
ANSWERS = frozenset(way.suffix for way in FORMATS.values())


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is wanted of each picture. Raises `InputError` where the wishes do not go together.

    folder  of the files; None = answers are printed
    format  a name of `FORMATS`
    draw    also the picture with its regions drawn
    crop    also each region, cut out
    resume  no file is replaced or removed, also none that has come meanwhile
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
            raise InputError(
                f"--format {self.format} is one answer to all pictures, and printed: diffbin detect ... "
                f"--format {self.format} > {self.folder.name}.json"
            )

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

    @classmethod
    def called(cls, name: Path, way: Format) -> "Files":
        """Those whose names begin so."""
        return cls(*(name.parent / (name.name + ending) for ending in (way.suffix, OVERLAY, CROPS)))


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


def write(job: Job, found: Detections, output: Output) -> None:
    """Writes or prints it. Raises `InputError` where a file cannot be written, `OutputError` where printing fails."""
    way = output.way
    if job.files is None:
        show(way.write(found, job.name))
        return
    text = way.head + way.write(found, _link(job, job.files.text) if way.links else job.name)
    failed = None
    try:
        _write_pictures(job, job.files, found, output)
    except InputError as error:  # there is an answer all the same
        failed = error
    # Last, so that where one is found, the pictures are there too; a file may have a name that is no UTF-8.
    _write(job.files.text, text.encode("utf-8", "backslashreplace"), output)
    if failed:
        raise failed


def _write_pictures(job: Job, files: Files, found: Detections, output: Output) -> None:
    overlay_too = output.draw and not (output.resume and is_there(files.overlay))
    if output.crop and not output.resume:
        _forget_crops(files.crops)  # there may have been more
    if not overlay_too and not output.crop:
        return
    picture = _again(job, found.size)
    if overlay_too:
        write_whole(files.overlay, encode(draw(picture, found), job.path))
    if output.crop:
        for number, pixels in enumerate(crops(picture, found), 1):
            _, encoded = cv2.imencode(".png", pixels[:, :, ::-1])
            _write(files.crops / f"{number}.png", encoded.tobytes(), output)


def _again(job: Job, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture for drawing; keeping it until then would fill the memory with pictures that wait their turn."""
    picture = load(job.picture)
    if picture.shape[:2] != size:
        raise InputError(
            f"{job.path} was changed while its text was looked for; there is an answer, but no picture of it."
        )
    return picture


def _write(path: Path, content: bytes, output: Output) -> None:
    if not (output.resume and is_there(path)):
        write_whole(path, content)


def forget(files: Files | None) -> None:
    """Removes what an earlier call has answered, so that it does not pass for an answer of this one."""
    if files is None:
        return
    _forget_crops(files.crops)
    for path in (files.text, files.overlay):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _forget_crops(folder: Path) -> None:
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if CROP.fullmatch(path.name):
                path.unlink(missing_ok=True)
        folder.rmdir()  # where nothing else lies in it


def _link(job: Job, answer: Path) -> str:
    """The way from the folder of an answer to its picture; where there is none, as to another drive, its whole path."""
    place = Path(os.path.realpath(job.path.parent), job.path.name)
    with suppress(ValueError):
        place = Path(os.path.relpath(place, os.path.realpath(answer.parent)))
    return place.as_posix() + job.fragment


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

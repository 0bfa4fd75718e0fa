"""The answer of one picture, brought where it belongs: printed, or in files of one name."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.answers import Files, Job, Output, is_there
from diffbin.crop import crops
from diffbin.detections import Detections
from diffbin.draw import draw, encode
from diffbin.errors import InputError, OutputError
from diffbin.files import write_whole
from diffbin.image import load
from diffbin.leftovers import forget_crops, forget_pictures


def write(job: Job, found: Detections, output: Output) -> None:
    """Writes or prints it. Raises `InputError` where a file cannot be written, `OutputError` where printing fails."""
    way, files = output.way, job.files
    if files is None:
        show(way.write(found, job.name))
        return
    if is_there(files.text):
        if output.resume:
            return  # it has come meanwhile
        forget_pictures(files, way)  # of that answer
    if output.crop:
        forget_crops(files.crops)  # of an answer in another format, or of a call that was broken off
    text = way.head + way.write(found, _link(job, files) if way.links else job.name)
    pictures, failed = _pictures(job, files, found, output)
    for path, content in pictures:
        write_whole(path, content)
    try:  # last, so that where one is found, the pictures are there too; a file may have a name that is no UTF-8
        write_whole(files.text, text.encode("utf-8", "backslashreplace"))
    except InputError:
        forget_pictures(files, way)
        raise
    if failed:
        raise failed


def _pictures(
    job: Job, files: Files, found: Detections, output: Output
) -> tuple[list[tuple[Path, bytes]], InputError | None]:
    """Pictures to write besides, and why one of them cannot be made; there is an answer all the same."""
    made, failed = list[tuple[Path, bytes]](), None
    if not (files.page or output.draw or output.crop):
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
    if files.page:
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


def _link(job: Job, files: Files) -> str:
    """The way from the folder of an answer to its picture; where there is none, as to another drive, its whole path."""
    if files.page:
        return files.page.name
    place = Path(os.path.realpath(job.path.parent), job.path.name)
    with suppress(ValueError):
        place = Path(os.path.relpath(place, os.path.realpath(files.text.parent)))
    return place.as_posix()


def show(text: str) -> None:
    """Prints it at once. Raises `OutputError` where that is not possible."""
    if sys.stdout is None:
        raise OutputError("The answers cannot be printed: the standard output is closed; write them to --out DIR.")
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:  # as of `| head`
        raise
    except OSError as error:
        with suppress(OSError):  # what is still in its buffer would fail again at the program's end
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise OutputError(f"The answers cannot be printed: {error.strerror}.") from None

"""Detection over many pictures: what is meant by the arguments, and where each answer goes."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from glob import glob, has_magic
from itertools import chain, count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from diffbin.detections import Detections
from diffbin.detector import Detector
from diffbin.draw import draw, encode
from diffbin.errors import DiffbinError, DiffbinWarning, InputError, OutputError
from diffbin.files import write_whole
from diffbin.formats import FORMATS, Format
from diffbin.image import SUFFIXES, load

CONVERTED_FIRST = (".heic", ".heif", ".pdf")  # what people take for pictures, and no decoder here opens
OVERLAY = ".overlay.jpg"
ANSWERS = frozenset(way.suffix for way in FORMATS.values())


@dataclass(frozen=True)
class Job:
    """One picture; `name` is what the answer calls it, its path below the folder that was given, or where several
    pictures have the same, the path as given; `answer` and `overlay` are files to write, None when it is printed."""

    picture: Path
    name: str
    answer: Path | None
    overlay: Path | None


def check_format(format_: str) -> None:
    """`InputError` if there is no such format."""
    if format_ not in FORMATS:
        raise InputError(f"--format is {format_}; it must be one of {', '.join(FORMATS)}.")


def plan(sources: Sequence[str], out: Path | None, format_: str, *, resume: bool = False) -> list[Job]:
    """A job for each picture of the sources: files, folders (searched below, in name order) and globs.

    Answers are named after the picture, `<stem>.txt`, in the folders they were found in; where two pictures would share
    a name, the second keeps its suffix, as in `a.png.txt`. What an earlier call has written is no picture of a folder:
    nothing below an `out` that lies in it, and no overlay of a picture that has its answer beside it. Raises
    `InputError` for a source without a picture, for several pictures whose answers would be printed without their
    names, and for an answer in the place of a file that is none of ours, or may be the picture's label: not with
    `resume`, for what is `unanswered` replaces no file, but then for two pictures whose answers would share a name.
    """
    way, taken, jobs = FORMATS[format_], set[Path](), []
    for picture, below in _pictures(sources, out):
        called = (below / picture.name).as_posix()
        if out is None:
            jobs.append(Job(picture, called, None, None))
            continue
        base = out / below
        names = chain((base / picture.stem, base / picture.name), (base / f"{picture.name}-{i}" for i in count(2)))
        name = next(name for name in names if name not in taken)
        if resume and name != base / picture.stem:
            told = (
                f"The answers of {picture} and another picture would both be called {base / picture.stem}{way.suffix}"
            )
            raise InputError(f"{told}; --resume cannot tell whose one is: rename a picture.")
        taken.add(name)
        jobs.append(Job(picture, called, _with(name, way.suffix), _with(name, OVERLAY)))
    if out is None and len(jobs) > 1 and format_ != "json":
        raise InputError(f"--format {format_} does not tell the pictures apart; give --out DIR, or take --format json.")
    if any(job.picture.name.endswith(OVERLAY) for job in jobs):
        overlays = {_real(job.overlay) for job in jobs if job.overlay}
        jobs = [job for job in jobs if _real(job.picture) not in overlays]
    times = Counter(job.name for job in jobs)
    jobs = [replace(job, name=job.picture.as_posix()) if times[job.name] > 1 else job for job in jobs]
    if not resume:
        for job in jobs:
            if job.answer and _is_there(job.answer):
                _check_replaceable(job.answer, job.picture, way)
    return jobs


def unanswered(jobs: Iterable[Job]) -> list[Job]:
    """Those with nothing yet in the place of their answer."""
    return [job for job in jobs if not (job.answer and _is_there(job.answer))]


def _is_there(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110  # False where pathlib raises


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _check_replaceable(answer: Path, picture: Path, way: Format) -> None:
    """`InputError` where the file that an answer would replace may be somebody's work."""
    if way.suffix == ".txt" and _real(answer.parent) == _real(picture.parent):
        raise InputError(f"{answer} lies beside its picture and may be its label; give another folder as --out.")
    if not _is_ours(answer, way):
        told = f"{answer} is no answer of diffbin, and would be replaced"
        raise InputError(f"{told}; give another folder as --out, or keep it by --resume.")


def _is_ours(path: Path, way: Format) -> bool:
    """Whether a file begins as an answer does; one without any text found may be empty."""
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 20).rstrip(b"\r\n")
    except OSError:
        return True  # writing will tell why it cannot be replaced, in its turn
    return not first or any(ours.begins.match(first) for ours in FORMATS.values() if ours.suffix == way.suffix)


def _with(name: Path, ending: str) -> Path:
    return name.parent / (name.name + ending)


def _pictures(sources: Iterable[str], out: Path | None) -> Iterable[tuple[Path, Path]]:
    """Each picture once, with the folder of its answer below the output folder."""
    seen = set()
    for source in sources:
        for picture, below in _expand(source, out):
            if picture.absolute() not in seen:
                seen.add(picture.absolute())
                yield picture, below


def _expand(source: str, out: Path | None) -> list[tuple[Path, Path]]:
    if not source:
        raise InputError("One of the pictures is an empty text; is a variable of the shell not set?")
    if source == "-" or "://" in source:
        raise InputError(f"{source} is no file; give files, folders or globs; save first what comes from elsewhere.")
    path = Path(source)
    if os.path.isdir(path):  # noqa: PTH112  # False where pathlib raises: no permission, too long a name
        found = _search(path, out)
        if not found:
            raise InputError(f"There is no picture in the folder {path}; looked for {', '.join(sorted(SUFFIXES))}.")
        return [(p, p.parent.relative_to(path)) for p in found]
    if _is_there(path) or not has_magic(source):
        return [(path, Path())]  # a missing file is told of in its turn
    files = sorted(Path(p) for p in glob(source, recursive=True) if Path(p).is_file())  # noqa: PTH207  # absolute patterns too
    matches = [path for path in files if path.suffix not in ANSWERS]
    if not matches:
        raise InputError(f"No file matches {source}.")
    return [(p, Path()) for p in matches]


def _search(folder: Path, out: Path | None) -> list[Path]:
    """The pictures below, and the folders below that cannot be read: opening them tells why, in their turn."""
    pictures, closed, answers = list[Path](), list[Path](), _real(out) if out else ""
    foreign = Counter[str]()

    def refused(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise InputError(f"The folder {folder} cannot be read: {error.strerror}.")
        closed.append(Path(error.filename))

    for root, folders, files in os.walk(folder, onerror=refused):
        folders[:] = [name for name in folders if not answers or _real(Path(root, name)) != answers]
        beside = set(files)
        pictures += [Path(root, name) for name in files if _is_picture(name, beside)]
        foreign.update(Path(name).suffix.lower() for name in files)
    if passed_over := [f"{foreign[suffix]} {suffix}" for suffix in CONVERTED_FIRST if foreign[suffix]]:
        warnings.warn(
            f"Passed over in {folder}: {', '.join(passed_over)}. Convert such files first, to .jpg or .png.",
            DiffbinWarning,
            stacklevel=2,
        )
    return sorted([path for path in pictures if os.path.isfile(path)] + closed)  # noqa: PTH113


def _is_picture(name: str, beside: set[str]) -> bool:
    """By its suffix; not an overlay that an earlier call has drawn, whose answer is among the files beside it."""
    base = name.removesuffix(OVERLAY)
    drawn = base != name and any(base + way.suffix in beside for way in FORMATS.values())
    return Path(name).suffix.lower() in SUFFIXES and not drawn


def run(
    detector: Detector, jobs: Sequence[Job], format_: str, *, draw_regions: bool, resume: bool = False
) -> list[str]:
    """Does the jobs in turn, with a progress bar for several; returns a sentence for each picture that failed.

    With `resume` no file is replaced or removed, also none that has come meanwhile.
    """
    failed = []
    console = Console(stderr=True)
    show = len(jobs) > 1 and console.is_terminal
    with closing(_answers(detector, jobs)) as answers:
        paired = zip(jobs, answers, strict=True)
        for job, answer in track(paired, "detecting", len(jobs), console=console, transient=True, disable=not show):
            try:
                found = answer()
            except InputError as error:
                failed.append(str(error))
                if not resume:
                    _forget(job)
                continue
            try:
                _write(job, found, format_, draw_regions=draw_regions, resume=resume)
            except InputError as error:
                failed.append(str(error))
    return failed


def _forget(job: Job) -> None:
    """What an earlier call has answered is not to pass for the answer of a picture that has failed now."""
    for path in (job.answer, job.overlay):
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _answers(detector: Detector, jobs: Sequence[Job]) -> Generator[Callable[[], Detections], None, None]:
    """For each job in turn what returns its detections, or raises its error."""
    if len(jobs) == 1:
        yield partial(_detect, detector, jobs[0].picture)
        return
    done = 0
    while done < len(jobs):
        with closing(detector.stream(job.picture for job in jobs[done:])) as results:
            try:
                for result in results:
                    done += 1
                    yield result.get
            except Exception as error:  # of an engine, for want of memory say: it ends a stream, but not the others
                yield partial(_fail, jobs[done].picture, error)
                done += 1


def _detect(detector: Detector, picture: Path) -> Detections:
    try:
        return detector.detect(picture)
    except DiffbinError:
        raise
    except Exception as error:
        return _fail(picture, error)


def _fail(picture: Path, error: Exception) -> Detections:
    reason = str(error).strip().partition("\n")[0]
    raise InputError(f"{picture} could not be computed ({type(error).__name__}: {reason}).") from None


def _write(job: Job, found: Detections, format_: str, *, draw_regions: bool, resume: bool) -> None:
    way = FORMATS[format_]
    text = way.write(found, _link(job.picture, job.answer) if way.links and job.answer else job.name)
    if job.answer is None or job.overlay is None:
        _print(text)
        return
    try:
        if draw_regions and not (resume and _is_there(job.overlay)):
            write_whole(job.overlay, encode(draw(_again(job.picture, found.size), found), job.picture))
    except InputError:  # there is an answer all the same
        _write_text(job.answer, text, resume=resume)
        raise
    _write_text(job.answer, text, resume=resume)  # last, so that where one is found, its overlay is too


def _write_text(path: Path, text: str, *, resume: bool) -> None:
    if not (resume and _is_there(path)):
        write_whole(path, text.encode())


def _link(picture: Path, answer: Path) -> str:
    """The way from the folder of an answer to its picture; where there is none, as to another drive, its whole path."""
    place = Path(_real(picture.parent), picture.name)
    with suppress(ValueError):
        place = Path(os.path.relpath(place, _real(answer.parent)))
    return place.as_posix()


def _print(text: str) -> None:
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:  # as of `| head`
        raise
    except OSError as error:
        with suppress(OSError):  # what is still in its buffer would fail again at the program's end
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise OutputError(f"The answers cannot be printed: {error.strerror}.") from None


def _again(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture for drawing; keeping it until then would fill the memory with pictures that wait their turn."""
    picture = load(path)
    if picture.shape[:2] != size:
        raise InputError(f"{path} was changed while its text was looked for; there is an answer, but no overlay.")
    return picture

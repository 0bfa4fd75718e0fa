"""Detection over many pictures: what is meant by the arguments, and each picture in its turn."""

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from glob import glob, has_magic
from itertools import chain, count
from pathlib import Path

from rich.console import Console
from rich.progress import track

from diffbin import pages
from diffbin.answers import ANSWERS, CROP, CROPS, OVERLAY, PAGE, Files, Job, Output, fragment, is_there, mark
from diffbin.detections import Detections
from diffbin.detector import Detector
from diffbin.errors import DiffbinError, InputError, PackageError, warn
from diffbin.files import as_compared
from diffbin.formats import FORMATS, Format
from diffbin.image import SUFFIXES
from diffbin.leftovers import forget, forget_lost_pages, formats_of, is_ours
from diffbin.pages import DOCUMENTS, Page, Source
from diffbin.writer import show, write

SOUGHT = SUFFIXES | pages.SOUGHT
EXTRAS = {".heic": "heic", ".heif": "heic", ".pdf": "pdf"}  # what people take for pictures, and a package more opens


def plan(sources: Sequence[str], output: Output) -> list[Job]:
    """A job for each picture of the sources: files, folders (searched below, in name order) and globs.

    Answers are named after the picture, `<stem>.txt`, in the folders they were found in; where two files would share a
    name, the second keeps its suffix, as in `a.png.txt`. What an earlier call has written is no picture of a folder:
    nothing below an output folder that lies in it, no overlay and no page beside its answer, and no crop. Raises
    `InputError` for a source without a picture, for several pictures whose answers would be printed without their
    names, and for an answer in the place of a file that is none of ours, or may be the picture's label: not with
    `resume`, for what is `unanswered` replaces no file, but then for two files whose answers would share a name.
    """
    way, taken, jobs = output.way, set[str](), []
    for picture, below in _pictures(sources, output.folder):
        parts, called = _parts(picture, way), (below / picture.name).as_posix()
        if output.folder is None:
            jobs += [Job(part, called + fragment(part), None) for part, _ in parts]
            continue
        stem = picture.stem if picture.stem.strip(".") else picture.name  # "." and ".." are folders
        first = output.folder / below / stem
        others = (first.with_name(f"{picture.name}{end}") for end in chain([""], (f"-{i}" for i in count(2))))
        name = next(
            name for name in chain([first], others) if taken.isdisjoint(_compared(name, end) for _, end in parts)
        )
        if output.resume and name != first:
            both = next(_with(first, end) for _, end in parts if _compared(first, end) in taken)
            told = f"The answers of {picture} and another picture would both be called {both}{way.suffix}"
            raise InputError(f"{told}; --resume cannot tell whose one is: rename a picture.")
        for part, end in parts:
            taken.add(_compared(name, end))
            jobs.append(Job(part, called + fragment(part), Files.called(_with(name, end), way, of_page=bool(end))))
    if output.folder is None and way.links and any(isinstance(job.picture, Page) for job in jobs):
        raise InputError(f"--format {output.format} leads to a picture of each page; give --out DIR to write it to.")
    if output.folder is None and len(jobs) > 1 and not (way.apart or way.together):
        apart = " or ".join(name for name, way in FORMATS.items() if way.apart or way.together)
        raise InputError(f"--format {output.format} does not tell pictures apart; give --out DIR, or take {apart}.")
    if any(job.path.name.endswith(OVERLAY) or PAGE.fullmatch(job.path.name) for job in jobs):
        written = {_real(path) for job in jobs if job.files for path in (job.files.overlay, job.files.page) if path}
        jobs = [job for job in jobs if _real(job.path) not in written]
    times = Counter(job.name for job in jobs)
    jobs = [
        replace(job, name=job.path.as_posix() + fragment(job.picture)) if times[job.name] > 1 else job for job in jobs
    ]
    if not output.resume:
        for job in jobs:
            if job.files and is_there(job.files.text):
                _check_replaceable(job.files.text, job.path, way)
    return jobs


def _parts(picture: Path, way: Format) -> list[tuple[Source, str]]:
    """The pictures in a file, and what tells the files of their answers apart: `-001` of the first page."""
    parts = pages.pictures(picture) if picture.suffix.lower() in DOCUMENTS else [picture]
    return [(part, mark(part.number, way) if isinstance(part, Page) else "") for part in parts]


def _with(name: Path, ending: str) -> Path:
    return name.parent / (name.name + ending)


def _compared(name: Path, ending: str) -> str:
    return as_compared(_with(name, ending))


def unanswered(jobs: Iterable[Job], format_: str) -> list[Job]:
    """Those with nothing yet in the place of their answer. `InputError` for an answer of ours in another format."""
    left = []
    for job in jobs:
        if not (job.files and is_there(job.files.text)):
            left.append(job)
        elif (names := formats_of(job.files.text, FORMATS[format_].suffix)) and format_ not in names:
            told = f"{job.files.text} is an answer in the format {names[0]}"
            raise InputError(f"{told}; give another folder as --out, or go on by --format {names[0]}.")
    return left


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _check_replaceable(answer: Path, picture: Path, way: Format) -> None:
    """`InputError` where the file that an answer would replace may be somebody's work."""
    if way.suffix == ".txt" and _real(answer.parent) == _real(picture.parent):
        raise InputError(f"{answer} lies beside its picture and may be its label; give another folder as --out.")
    if not is_ours(answer, way):
        told = f"{answer} is no answer of diffbin, and would be replaced"
        raise InputError(f"{told}; give another folder as --out, or keep it by --resume.")


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
            raise InputError(f"There is no picture in the folder {path}; looked for {', '.join(sorted(SOUGHT))}.")
        return [(p, p.parent.relative_to(path)) for p in found]
    if is_there(path) or not has_magic(source):
        return [(path, Path())]  # a missing file is told of in its turn
    files = sorted(Path(p) for p in glob(source, recursive=True) if _is_file(p))  # noqa: PTH207  # absolute patterns too
    beside = {folder: _names_in(folder) for folder in {path.parent for path in files}}
    matches = [
        path
        for path in files
        if path.suffix not in ANSWERS and not _is_crop(path) and not _is_written(path.name, beside[path.parent])
    ]
    if not matches:
        raise InputError(f"No file matches {source}.")
    return [(p, Path()) for p in matches]


def _names_in(folder: Path) -> set[str]:
    with suppress(OSError):  # of a folder that lets one in, and does not tell what is there
        return set(os.listdir(folder))  # noqa: PTH208  # quicker
    return set()


def _is_file(path: str | Path) -> bool:
    """Or a link that leads nowhere, whose turn tells so."""
    return os.path.isfile(path) or (os.path.islink(path) and not os.path.exists(path))  # noqa: PTH110, PTH113, PTH114


def _search(folder: Path, out: Path | None) -> list[Path]:
    """The pictures below, and the folders below that cannot be read: opening them tells why, in their turn."""
    found, closed, linked, answers = list[Path](), list[Path](), list[Path](), _real(out) if out else ""
    foreign = Counter[str]()

    def refused(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise InputError(f"The folder {folder} cannot be read: {error.strerror}.")
        closed.append(Path(error.filename))

    for root, folders, files in os.walk(folder, onerror=refused):
        beside = set(files)
        folders[:] = [name for name in folders if not answers or _real(Path(root, name)) != answers]
        linked += [path for name in folders if (path := Path(root, name)).is_symlink()]
        found += [Path(root, name) for name in files if _is_picture(Path(root, name), beside)]
        foreign.update(Path(name).suffix.lower() for name in files)
    if passed_over := [suffix for suffix in EXTRAS if foreign[suffix] and suffix not in SOUGHT]:
        told = ", ".join(f"{foreign[suffix]} {suffix}" for suffix in passed_over)
        extras = ",".join(sorted({EXTRAS[suffix] for suffix in passed_over}))
        way_out = f"pip install '.[{extras}]' lets diffbin open such files; or convert them, to .jpg or .png."
        warn(f"Passed over in {folder}: {told}. {way_out}")
    if linked:
        warn(f"Passed over in {folder}: {len(linked)} folders that are links, as {linked[0]}; name them, too.")
    return sorted([path for path in found if _is_file(path)] + closed)


def _is_picture(path: Path, beside: set[str]) -> bool:
    """By its suffix; not what an earlier call has written besides an answer."""
    return path.suffix.lower() in SOUGHT and not _is_crop(path) and not _is_written(path.name, beside)


def _is_crop(path: Path) -> bool:
    return path.parent.name.endswith(CROPS) and CROP.fullmatch(path.name) is not None


def _is_written(name: str, beside: set[str]) -> bool:
    """Whether it is called as an overlay, or as a page of a document, and the answer is among the files beside it."""
    base = name.removesuffix(".png" if PAGE.fullmatch(name) else OVERLAY)
    return base != name and any(base + way.suffix in beside for way in FORMATS.values())


def run(detector: Detector, jobs: Sequence[Job], output: Output) -> list[str]:
    """Does the jobs in turn, with a progress bar for several; returns a sentence for each picture that failed."""
    failed, found_in = [], list[tuple[str, Detections]]()
    together = output.way.together
    if output.folder is None and output.way.head:
        show(output.way.head)
    console = Console(stderr=True)
    visible = len(jobs) > 1 and console.is_terminal
    with closing(_answers(detector, jobs)) as answers:
        paired = zip(jobs, answers, strict=True)
        for job, answer in track(paired, "detecting", len(jobs), console=console, transient=True, disable=not visible):
            try:
                found = answer()
            except InputError as error:
                failed.append(str(error))
                if not output.resume and not isinstance(error, PackageError):
                    forget(job, output.way)
                continue
            if together:
                found_in.append((job.name, found))
                continue
            try:
                write(job, found, output)
            except InputError as error:
                failed.append(str(error))
    if output.folder and not output.resume:
        forget_lost_pages(jobs, output.way)
    if together and found_in:
        show(together(found_in))
    return failed


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


def _detect(detector: Detector, picture: Source) -> Detections:
    try:
        return detector.detect(picture)
    except DiffbinError:
        raise
    except Exception as error:
        return _fail(picture, error)


def _fail(picture: Source, error: Exception) -> Detections:
    reason = str(error).strip().partition("\n")[0]
    raise InputError(f"{picture} could not be computed ({type(error).__name__}: {reason}).") from None

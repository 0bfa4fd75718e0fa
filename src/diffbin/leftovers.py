"""What earlier calls have written: whose it is, and how it goes where it would pass for an answer of this one."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from diffbin.answers import ANSWERS, CROP, OF_PAGE, Files, Job, is_there, mark
from diffbin.errors import PackageError
from diffbin.formats import FORMATS, Format
from diffbin.pages import DOCUMENTS, Page, Unreadable

EMPTY = ".txt"  # of answers that may be


def is_ours(path: Path, way: Format) -> bool:
    """Whether a file begins as an answer does; one of the format icdar without any text found is empty."""
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError:
        return True  # writing will tell why it cannot be replaced, in its turn
    return way.suffix == EMPTY if empty else bool(formats_of(path, way.suffix))


def formats_of(path: Path, suffix: str) -> list[str]:
    """The names of the formats with this suffix that a file begins as; none for what is not ours or cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        first = file.readline(1 << 20).rstrip(b"\r\n")
        return [name for name, way in FORMATS.items() if way.suffix == suffix and way.begins.match(first)]
    return []


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
            documents[job.files.text.parent].add(name if number is None else name.removesuffix(mark(number, way)))
    for folder, names in documents.items():
        for path in _listed(folder):
            page = OF_PAGE.fullmatch(path.name.removesuffix(way.suffix))
            if page is None or page[1] not in names or path in planned or not path.name.endswith(way.suffix):
                continue
            if bool(page[2]) == way.links and _is_of_page(path) and is_ours(path, way):
                _forget(Files.called(path.with_name(page[0]), way, of_page=True), way)


def _is_of_page(answer: Path) -> bool:
    """Whether it tells of a page, and not of a picture that is called like one."""
    try:
        with answer.open("rb") as file:
            begins = file.read(1 << 12)
    except OSError:
        return False
    return b"#page=" in begins or b".page.png" in begins


def _forget(files: Files, way: Format) -> None:
    forget_pictures(files, way)
    with suppress(OSError):
        files.text.unlink()


def forget_pictures(files: Files, way: Format) -> None:
    """Unless the answer of another format has them, too."""
    name = files.text.name.removesuffix(way.suffix)
    if any(is_there(files.text.with_name(name + other)) for other in ANSWERS - {way.suffix}):
        return
    forget_crops(files.crops)
    for path in filter(None, (files.overlay, files.page)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def forget_crops(folder: Path) -> None:
    """Those of diffbin, and the folder where nothing else lies in it."""
    with suppress(OSError):
        for path in _listed(folder):
            if CROP.fullmatch(path.name):
                path.unlink(missing_ok=True)
        folder.rmdir()


def _listed(folder: Path) -> list[Path]:
    with suppress(OSError):
        return list(folder.iterdir())
    return []

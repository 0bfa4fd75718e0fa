"""Writing files so that a break leaves none half-written."""

import errno
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Protocol, runtime_checkable

from diffbin.errors import InputError

MAX_BYTES = 256 << 20  # of an encoded picture that is read
MAX_PIXELS = 89_000_000  # of a decoded one, 0.25 GB in memory; just under what Pillow warns of


@contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which is there whole once the block is left, and not at all where the block raises.

    Missing folders are made. Of several that write the same file at once, the last one stays. Raises `InputError` where
    it cannot be written; an `OSError` of another file that the block uses is left as it is.
    """
    partial = path.with_name(f".{token_hex(8)}.part")  # no other writer has this name, and no long one outgrows it
    inside = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("xb") as file:
                inside = True
                yield file
                inside = False
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        if inside and error.filename is not None:  # opening another file failed; a failed write names none
            raise
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None


def write_whole(path: Path, content: bytes) -> None:
    """The same in one call."""
    with open_whole(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """The same of a text in UTF-8, with escapes for what has none, as a file name that is in no encoding."""
    write_whole(path, text.encode("utf-8", "backslashreplace"))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until nobody else is in a block locked by the same `path`: a file made for this alone, which stays.

    The system frees it when a process dies. Where the file system has no locks, nobody waits. Raises `OSError` where
    the file cannot be made.
    """
    with path.open("ab") as file:
        _lock(file)
        yield


def _lock(file: BinaryIO) -> None:
    """Until the file is closed."""
    if sys.platform != "win32":
        import fcntl

        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        return
    import msvcrt

    while True:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            return
        except OSError as error:
            if error.errno != errno.EDEADLK:  # which says that ten seconds have passed
                return


@runtime_checkable
class Readable(Protocol):
    """A file that is open for reading bytes."""

    def read(self, size: int, /) -> bytes: ...


def read_open(file: Readable, most: int) -> bytes:
    """What is left of an open file, of one that has more than `most` bytes one more. Raises `InputError`."""
    content = b""
    try:
        while len(content) <= most and (part := file.read(most + 1 - len(content))):
            content += part  # a file without a buffer may give less than there is
    except (OSError, ValueError, TypeError) as error:  # the second where it is closed or no UTF-8, the third of a text
        raise InputError(f"The open file cannot be read ({error}); open it in binary mode.") from None
    return content


def as_compared(path: str | Path) -> str:
    """A name as the file system compares it: on Windows and, as a rule, on macOS capital letters are small ones."""
    return str(path).casefold() if sys.platform in ("win32", "darwin") else str(path)


def check_file(path: Path, suffix: str = "") -> None:
    """`InputError` unless a file of this name, which must end in `suffix`, can be written: before long work for it."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file in it.")
    if not path.name.endswith(suffix):
        raise InputError(f"{path} must have a name that ends in {suffix}, for that is what is written.")
    make_folder(path.parent)


def make_folder(path: Path) -> None:
    """Makes a folder where there is none; `InputError` unless files can be written into it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise InputError(f"The folder {path} cannot be written to: {error.strerror}.") from None

"""Writing files so that a break leaves none half-written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from diffbin.errors import InputError


@contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which is there whole once the block is left, and not at all where the block raises.

    Missing folders are made. Raises `InputError` where it cannot be written.
    """
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None


def write_whole(path: Path, content: bytes) -> None:
    """The same in one call."""
    with open_whole(path) as file:
        file.write(content)


def check_file(path: Path, suffix: str = "") -> None:
    """`InputError` unless a file of this name, which must end in `suffix`, can be written: before long work for it."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file in it.")
    if not path.name.endswith(suffix):
        raise InputError(f"{path} must have a name that ends in {suffix}, for that is what is written.")
    make_folder(path.parent)


def make_folder(path: Path) -> None:
    """Makes a folder where there is none; `InputError` unless files can be written into it."""
    probe = path / ".writable"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"The folder {path} cannot be written to: {error.strerror}.") from None

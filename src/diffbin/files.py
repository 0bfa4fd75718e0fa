"""Writing files so that a break leaves none half-written."""

from pathlib import Path

from diffbin.errors import InputError


def write_whole(path: Path, content: bytes) -> None:
    """The file is there whole or not at all; missing folders are made. `InputError` where it cannot be written."""
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None

"""A labelled set of pictures packed into shards."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

from diffbin import jpeg
from diffbin.config import Source
from diffbin.data.annotations import READERS, Picture, list_pictures, reader_of, warn_of_labels
from diffbin.data.instances import dump_instances
from diffbin.data.picture import dump_raw
from diffbin.data.shards import read_index
from diffbin.errors import InputError
from diffbin.files import open_whole

MB = 1_000_000


def pack(
    source: Source,
    *,
    out: Path,
    shard_mb: int,
    decoded: bool = False,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[Path]:
    """Writes the pictures of a source and their labels into `out/000000.tar` and so on, in their order, with indices.

    A shard is ended by the first sample that takes it to `shard_mb` megabytes. Picture files are stored as they are, or
    `decoded`, as PPM; so are those that EXIF turns where labels are of the upright picture. The folder is there whole
    or not at all, and depends on the source alone. `progress` is called with the pictures done and their total. Raises
    `InputError` for what cannot be read or written, or where `out` is there already.
    """
    if out.exists():
        raise InputError(f"{out} is there already; name a folder to make.")
    pictures = list_pictures(source, "")
    if not pictures:
        raise InputError(f'part "{source.part}" leaves no picture of {source.images}; give another, or none for all.')
    if source.format != "synthtext":  # too many to look at, in one file
        warn_of_labels(source, pictures)
    unfinished, shards = out.with_name(out.name + ".part"), 0
    _clear(unfinished)
    done = 0
    while done < len(pictures):
        path = unfinished / f"{shards:06d}.tar"
        with open_whole(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            while done < len(pictures) and file.tell() < shard_mb * MB:
                _add_sample(tar, f"{done:08d}", pictures[done], reader_of(source), decoded)
                done += 1
                progress(done, len(pictures))
        read_index(path)
        shards += 1
    try:
        unfinished.rename(out)
    except OSError as error:
        raise InputError(f"{out} cannot be made: {error.strerror}; the shards are whole, in {unfinished}.") from None
    return sorted(out.glob("*.tar"))


def _clear(folder: Path) -> None:
    """Of what an earlier run has left that was broken off."""
    for kind in ("*.tar", "*.index", "*.part"):
        for path in folder.glob(kind):
            path.unlink()


def _add_sample(tar: tarfile.TarFile, key: str, picture: Picture, reader: str, decoded: bool) -> None:
    found = picture.open()
    if not jpeg.ends(found.content):
        found.read()  # it may be cut off; other formats were decoded for their size
    if decoded or found.turned:  # in shards, labels are of pictures as stored
        _add(tar, key + ".ppm", dump_raw(found.read()[0]))
    else:
        _add(tar, key + picture.image.suffix.lower(), found.content)
    _add(tar, key + ".json", dump_instances(READERS[reader](picture.label), picture.name))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))

"""Pictures in: decoding with limits, and the resize rule with its inverse."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, Protocol, TypeAlias, cast, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from diffbin import heic, jpeg, rgb, tiff
from diffbin.config import Preprocess
from diffbin.errors import InputError, LimitError, is_of_memory, warn
from diffbin.files import MAX_BYTES, MAX_PIXELS, Readable, read_open
from diffbin.rgb import Picture


@runtime_checkable
class Loadable(Protocol):
    """What makes a picture itself when its turn comes, as a page of a document: `(h, w, 3)` uint8 RGB, upright."""

    def load(self) -> Picture: ...


StrPath: TypeAlias = str | os.PathLike[str]
ImageSource: TypeAlias = StrPath | bytes | bytearray | memoryview | Readable | NDArray[Any] | Image.Image | Loadable

ORDINARY = (720, 1280)  # (h, w) of the pictures that models' settings are chosen on, those of ICDAR2015
MAX_READS = 500_000  # parts of an encoded one, half a second in Pillow's loops; a PNG of MAX_BYTES has some 100,000
EXIF_READS = MAX_READS // 16  # that a segment of EXIF counts for: Pillow joins several, in the square of their number
FIRST = 64  # directories of a TIFF among which its first page is looked for
SUFFIXES = heic.SUFFIXES | {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm"}  # in folders
AVIF = ("AVIF",) if find_spec("PIL.AvifImagePlugin") else ()  # Pillow 11.3
# Whatever a file is called. Of what else Pillow opens, PostScript would be run by another program, without limits.
OPENED = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000", *AVIF)


def load(source: ImageSource) -> Picture:
    """A picture of any source: `(h, w, 3)` uint8 RGB, upright by its EXIF.

    Arrays are `(h, w)` grey, `(h, w, 3)` RGB or `(h, w, 4)` RGBA uint8, and taken to be upright; what OpenCV reads is
    BGR, so pass `array[..., ::-1]`. Transparent pixels are put on white, or on black where what is visible is light.
    Files of 16 bits a channel are taken at their upper 8; arrays and files of other numbers are refused, as their white
    is not known. Of a file with several pictures the first is taken, with a `DiffbinWarning` where they are pages. A
    file is read once, as it is at that moment.

    Raises `InputError` when it cannot be read, `LimitError` when it is too large. Pillow's own warnings are left alone.
    """
    return load_for(source, None).picture


class Loaded(NamedTuple):
    """A picture, `(h, w, 3)` uint8 RGB, upright, perhaps with fewer pixels than it has; and the `(h, w)` it has."""

    picture: Picture
    size: tuple[int, int]
    is_page: bool = False  # of a document, so its letters are small


def load_for(source: ImageSource, config: Preprocess | None) -> Loaded:
    """As `load`, but with no more pixels of a JPEG than the network's input asks for, as far as the decoder can.

    It can decode to 1/2, 1/4 and 1/8, rounded up, in half of the time; it averages, where `Resize` takes samples.
    """
    if isinstance(source, str | os.PathLike):
        return _from_bytes(read_bytes(source), os.fsdecode(source), config)
    if isinstance(source, Readable):
        source = read_open(source, MAX_BYTES)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), "the picture", config)
    if isinstance(source, np.ndarray):
        return _whole(_from_array(source))
    if isinstance(source, Image.Image):
        with _errors_of_pillow("the picture"):
            return _whole(from_pillow(source, "the picture"))
    if isinstance(source, Loadable):
        return _whole(_from_array(source.load()))
    raise InputError(f"A picture is a path, bytes, a file, an array or a Pillow image, not {type(source).__name__}.")


def read_bytes(path: StrPath) -> bytes:
    """A file's content, of one that is too large one byte more than `MAX_BYTES`. Raises `InputError`."""
    if "://" in (path := os.fsdecode(path)) or not path:
        raise InputError(f'"{path}" is an address; fetch the picture first.' if path else "The path is empty.")
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size  # to ask for all that is allowed takes more time than to read it
            content = file.read(min(size, MAX_BYTES) + 1)
            grown = len(content) > size  # since a moment ago, or it is no file, and has no size
            return content + file.read(MAX_BYTES + 1 - len(content)) if grown else content
    except (OSError, ValueError) as error:  # the second of a name with a zero in it
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', error)}.") from None


def _whole(picture: Picture) -> Loaded:
    return Loaded(picture, (picture.shape[0], picture.shape[1]))


def _from_bytes(content: bytes, name: str, config: Preprocess | None) -> Loaded:
    if not content:
        raise InputError(f"{name} is empty.")
    check_bytes(content, name)
    with opened(io.BytesIO(content), name) as image:
        if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
            check_size((image.height, image.width), name)
            fast = _from_jpeg(content, image, config)
            if fast:
                return fast
        picture = from_pillow(image, name)
        several = image.format == "TIFF" and len(tiff.frames(io.BytesIO(content), FIRST)[0]) > 1
    if several:
        warn(f"{name} has several pages; the first is taken (in Python diffbin.pages has all).")
    return _whole(picture)


def _from_jpeg(content: bytes, image: Image.Image, config: Preprocess | None) -> Loaded | None:
    """By OpenCV, upright too, in half the time; None where it cannot, or would make up what is missing."""
    if not (content.endswith(jpeg.END) or jpeg.ends(content)):
        return None
    stored = image.height, image.width
    most = 1 / Resize.fit(stored, config).ratio if config else 1
    factor = max(factor for factor in jpeg.REDUCED if factor <= max(most, 1))
    if any(side % factor for side in stored) and rgb.orientation(image) != 1:  # what is rounded up would not come last
        factor = 1
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), jpeg.REDUCED[factor] | cv2.IMREAD_COLOR_RGB)
    if picture is None:
        return None
    size = stored if picture.shape[:2] == tuple(-(-side // factor) for side in stored) else stored[::-1]
    return Loaded(np.asarray(picture, np.uint8), size)


class _Parts:
    """An encoded picture; `LimitError` where it falls into too many parts, which Pillow goes through in Python."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name, self.left = file, name, MAX_READS

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def read(self, size: int = -1) -> bytes:
        part = self.file.read(size)
        self.left -= EXIF_READS if part.startswith(rgb.EXIF) else 1
        if self.left < 0:
            raise LimitError(f"{self.name} has more than {MAX_READS} parts; save it anew.")
        return part


@contextmanager
def opened(file: BinaryIO, name: str, frame: int | None = None) -> Iterator[Image.Image]:
    """An encoded picture, at one of its frames, from 0, or at the one that counts as the first: of a TIFF, a page."""
    begins = file.read(64)
    if begins.startswith(b"%PDF-"):
        raise InputError(f"{name} is a PDF; draw its pages first, in Python by diffbin.pages.")
    parts = _Parts(file, name)
    if begins.startswith(tiff.MAGIC):
        parts.left -= tiff.numbers(file, max(FIRST, (frame or 0) + 1))
        frame = next(iter(tiff.frames(file, FIRST)[0]), None) if frame is None else frame
    file.seek(0)
    formats = heic.formats(name) if heic.BEGINS.match(begins) else OPENED
    with _errors_of_pillow(name), Image.open(cast(IO[bytes], parts), formats=formats) as image:
        image.seek(image.tell() if frame is None else frame)
        parts.left += image.width * image.height if image.format == "PPM" else 0  # some are read pixel by pixel
        tags = getattr(image, "tag_v2", {})  # of a TIFF, whose tiles may be larger than the picture
        if tiff.TILE_LENGTH in tags and tiff.TILE_WIDTH in tags:
            check_size((tags[tiff.TILE_LENGTH], tags[tiff.TILE_WIDTH]), f"a tile of {name}")
        yield image


@contextmanager
def _errors_of_pillow(name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{name} is not a picture of a known format.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # the second where warnings are errors
        raise LimitError(f"{name} is larger than the {MAX_PIXELS} pixels that are read.") from None
    except Exception as error:  # damaged files bring up any of them, struct.error and TypeError too
        if is_of_memory(error):
            raise InputError(f"{name} takes more memory than there is.") from None
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise InputError(f"{name} is damaged: {reason}.") from None


def from_pillow(image: Image.Image, name: str) -> Picture:
    """As `load`; `name` is what errors call it."""
    check_size((image.height, image.width), name)
    return rgb.from_pillow(image, name)


def _from_array(array: NDArray[Any]) -> Picture:
    rgb.check_array(array)
    check_size((array.shape[0], array.shape[1]), "the array")
    return rgb.from_array(array)


def header_size(content: bytes, name: str) -> tuple[int, int]:
    """(h, w) of an encoded picture as it is stored, by its header alone. Raises as `load` does."""
    with opened(io.BytesIO(content), name) as image:
        return image.height, image.width


def check_bytes(content: bytes, name: str) -> None:
    """`LimitError` where an encoded picture has too many of them."""
    if len(content) > MAX_BYTES:
        raise LimitError(f"{name} has more than {MAX_BYTES} bytes; pictures of up to that are read.")


def check_size(size: tuple[int, int], name: str) -> None:
    """`InputError` where a picture of this (h, w) has no pixels, `LimitError` where it has too many."""
    height, width = size
    if not height or not width:
        raise InputError(f"{name} has no pixels: it is {height} x {width}.")
    if height * width > MAX_PIXELS:
        raise LimitError(f"{name} has {height} x {width} pixels; pictures of up to {MAX_PIXELS} pixels are read.")


@cache
def _levels(config: Preprocess) -> NDArray[np.float32]:
    """The normalised value of each of the 256 levels, by channel: `(3, 256)`."""
    mean, std = (np.array(values, np.float32)[:, None] for values in (config.mean_rgb, config.std_rgb))
    return np.asarray((np.arange(256, dtype=np.float32) - mean) / std, np.float32)


@dataclass(frozen=True)
class Resize:
    """One picture's way to the network and back; sizes are `(h, w)` in pixels.

    The picture is scaled so that it just fits (up, by `max_ratio` at most, or down, proportions kept), normalised, and
    padded to the right and bottom with zeros. `scale` says how many pixels of the input stand for one of the original;
    it differs a little between x and y because sizes are whole numbers, and coordinates are divided by it to go back.
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    padded: tuple[int, int]

    @classmethod
    def fit(cls, original: tuple[int, int], config: Preprocess) -> "Resize":
        """The resize of a picture of this size."""
        ratio = min(config.long_px / max(original), config.short_px / min(original))
        return cls.by(original, min(ratio, config.max_ratio or ratio), config)

    @classmethod
    def by(cls, original: tuple[int, int], ratio: float, config: Preprocess) -> "Resize":
        """The resize by a given ratio, whatever size comes out; of `config` only `multiple_px` counts."""
        resized = tuple(max(1, int(side * ratio + 0.5)) for side in original)
        padded = tuple(-(-side // config.multiple_px) * config.multiple_px for side in resized)
        return cls(original, (resized[0], resized[1]), (padded[0], padded[1]))

    @classmethod
    def ordinary(cls, config: Preprocess) -> "Resize":
        """The resize of a picture of ordinary size, which the model is known to read."""
        return cls.fit(ORDINARY, config)

    def loses_text(self, *configs: Preprocess) -> bool:
        """Whether the picture is seen at less than half the scale of an ordinary one, as beyond 2560 x 1440 pixels.

        At half the scale the embedded model finds half of the words that it finds in an ordinary picture. Of several
        inputs, the one asked for and the model's own, the smallest counts.
        """
        return self.ratio < min(self.ordinary(config).ratio for config in configs) / 2

    @property
    def ratio(self) -> float:
        """Pixels of the input for one of the original, along the long side, where rounding counts least."""
        return max(self.resized) / max(self.original)

    @property
    def scale(self) -> tuple[float, float]:
        """`(x, y)` pixels of the input for one of the original."""
        return self.resized[1] / self.original[1], self.resized[0] / self.original[0]

    def apply(self, picture: Picture, config: Preprocess) -> NDArray[np.float32]:
        """`(h, w, 3)` uint8 RGB, as `load_for` has it -> the network's input `(1, 3, padded h, padded w)` float32."""
        height, width = self.resized
        times = round(max(self.original) / max(picture.shape[:2]))  # as a JPEG is decoded smaller, its sides rounded up
        fx, fy = (times * scale for scale in self.scale)
        small = picture if fx == fy == 1 else cv2.resize(picture, None, fx=fx, fy=fy, interpolation=cv2.INTER_LINEAR)
        batch = np.empty((1, 3, *self.padded), np.float32)
        batch[:, :, height:] = 0
        batch[:, :, :height, width:] = 0
        for channel, levels, target in zip(cv2.split(small[:height, :width]), _levels(config), batch[0], strict=True):
            cv2.LUT(channel, levels, dst=target[:height, :width])  # a look-up is faster than arithmetic on bytes
        return batch

    def crop(self, prob: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(padded h, padded w)` -> `(resized h, resized w)`, by the map's stride: the map without the padded strip."""
        stride = self.padded[0] // prob.shape[0]
        height, width = (-(-side // stride) for side in self.resized)
        return np.ascontiguousarray(prob[:height, :width])

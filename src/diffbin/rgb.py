"""What arrays and Pillow's images hold, as RGB of eight bits; `image` has checked their sizes before."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from diffbin import tiff
from diffbin.errors import InputError

Picture: TypeAlias = NDArray[np.uint8]
"""`(h, w, 3)` uint8 RGB, upright."""

EXIF = b"Exif\0\0"  # the name before it
LIGHT = 160  # mean level of what is visible, above which it is light
LUMA = np.array([2, 5, 1], np.uint16)  # eighths that red, green and blue add to lightness
STRIP_PX = 64  # rows converted at a time
TURNS = {  # that undo an orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TO_UINT8 = {  # by kind of array: only its owner knows which numbers are black and white
    "u": "if white is 65535, pass (array >> 8).astype('uint8')",
    "i": "if white is 255, pass array.astype('uint8')",
    "f": "if white is 1, pass (array * 255).astype('uint8')",
    "b": "pass array.astype('uint8') * 255",
}


def orientation(image: Image.Image) -> int:
    """How viewers turn or mirror an image, by its EXIF: 1 = as it is stored, 5 to 8 by a quarter.

    By the EXIF at the head alone, as OpenCV has it: Pillow would look into XMP too, and decode a PNG for it. Nor is
    EXIF read by Pillow, which refuses what is damaged and makes an object of each number.
    """
    if image.format == "TIFF":  # all of tags
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    else:
        exif = image.info.get("exif") or b""
        found = tiff.orientation(exif.removeprefix(EXIF).removeprefix(EXIF))  # some programs write it twice
    return int(found) if found in range(1, 9) else 1


def as_stored(picture: Picture, orientation: int) -> Picture:
    """The picture of a file that has this orientation, turned back from upright."""
    back = {6: 8, 8: 6}.get(orientation, orientation)
    return np.asarray(Image.fromarray(picture).transpose(TURNS[back]), np.uint8) if back in TURNS else picture


def check_array(array: NDArray[Any]) -> None:
    """`InputError` unless it is `(h, w)`, `(h, w, 3)` or `(h, w, 4)` uint8."""
    if not isinstance(array, np.ndarray):
        raise InputError(f"What loads a picture gave no array, but {type(array).__name__}.")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        shape = " x ".join(map(str, array.shape))
        raise InputError(f"An array must be (h, w), (h, w, 3) or (h, w, 4); this one is {shape}.")
    if array.dtype != np.uint8:
        way_out = TO_UINT8.get(array.dtype.kind, "pass numbers")
        raise InputError(f"An array must be uint8, 0 black and 255 white; this one is {array.dtype}: {way_out}.")


def from_array(array: NDArray[Any]) -> Picture:
    """Grey, RGB or RGBA -> RGB; the array itself where it is RGB already."""
    if array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)
    if array.shape[2] == 3:
        return np.ascontiguousarray(array)
    return opaque(array)


def from_pillow(image: Image.Image, name: str) -> Picture:
    """An image of any mode -> upright RGB. Raises `InputError` where its white is not known."""
    deep = image.mode == "I" and image.format == "PPM"  # its white is 65535, whatever the file's own is
    if image.mode in ("I", "F") and not deep:
        raise InputError(f"{name} has 32 bits a pixel, and its white is not known; save it with 8 or 16.")
    if image.format == "TIFF":
        image.load()  # Pillow turns it upright meanwhile, and tells that of no other format
    elif (turn := TURNS.get(orientation(image))) is not None:
        image = image.transpose(turn)
    if image.mode.startswith("I;16") or deep:
        return from_array((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return on_plain(lambda: _strips(image, "RGBA"), (image.height, image.width))
    return _stacked(_strips(image, "RGB"), (image.height, image.width))


def _strips(image: Image.Image, mode: str) -> Iterator[NDArray[np.uint8]]:
    """From the top, as arrays; Pillow would hold the picture three times more on the way to one."""
    for top in range(0, image.height, STRIP_PX):
        bottom = min(top + STRIP_PX, image.height)
        yield np.asarray(image.crop((0, top, image.width, bottom)).convert(mode))


def _stacked(strips: Iterable[NDArray[np.uint8]], size: tuple[int, int]) -> Picture:
    picture, top = np.empty((*size, 3), np.uint8), 0
    for strip in strips:
        picture[top : top + len(strip)] = strip
        top += len(strip)
    return picture


def opaque(rgba: NDArray[np.uint8]) -> Picture:
    """See `on_plain`, of an array `(h, w, 4)` uint8 RGBA."""
    parts = [slice(top, top + STRIP_PX) for top in range(0, len(rgba), STRIP_PX)]
    return on_plain(lambda: (rgba[part] for part in parts), (rgba.shape[0], rgba.shape[1]))


def on_plain(strips: Callable[[], Iterable[NDArray[np.uint8]]], size: tuple[int, int]) -> Picture:
    """RGBA, `(n, w, 4)` uint8 each, -> `(h, w, 3)` uint8 RGB: what is transparent shows white, or black if what is
    visible is light, as the text of a logo for dark pages."""
    visible = lightness = 0
    for strip in strips():
        alpha = strip[:, :, 3].astype(np.uint32)
        visible += int(alpha.sum())
        lightness += int((alpha * (strip[:, :, :3] @ LUMA >> 3)).sum())
    behind = 0 if lightness > LIGHT * visible else 255
    return _stacked((_over(strip, behind) for strip in strips()), size)


def _over(strip: NDArray[np.uint8], behind: int) -> NDArray[np.uint8]:
    if strip[:, :, 3].min() == 255:  # as nearly all screenshots
        return strip[:, :, :3]
    alpha = strip[:, :, 3:].astype(np.uint16)
    return ((strip[:, :, :3] * alpha + behind * (255 - alpha) + 127) // 255).astype(np.uint8)

"""Text that is lost since the picture is seen too small: what is said of it, and what helps."""

import math
import sys
import warnings
from pathlib import Path
from statistics import median

import cv2

from diffbin.config import Preprocess
from diffbin.detections import Detections
from diffbin.errors import SmallTextWarning
from diffbin.image import ImageSource, Resize
from diffbin.pages import PDF, Page

READABLE_PX = 11  # as seen by the network: of words of 10 to 12 a third is found, of lower ones nearly none
SMALL_PX = 15  # the median of what is found on pages whose print is lost is lower; in photographs of streets it is not
WELL_PX = 22  # where nearly all of it is found
SMALL_REGIONS = 8  # fewer tell nothing of a page
SHRUNK = 0.8  # seen at this share of its size or more, a picture gains little by a larger input


def warn_of_size(source: ImageSource, resize: Resize) -> None:
    """Says of a very large picture which text is lost, whatever is in it."""
    (height, width), lost = resize.original, READABLE_PX / resize.ratio
    told = (
        f"{_name(source) or 'The picture'} has {height} x {width} pixels and is seen at {resize.ratio:.2f} of its size"
    )
    _warn(f'{told}, where text below some {lost:.0f} pixels is lost; --tile auto finds it (in Python: tile="auto").')


def warn_of_print(page: Page, resize: Resize, config: Preprocess) -> None:
    """Says that small print is lost where a page of a PDF is seen smaller than it was drawn; `config` of the input."""
    if page.path.suffix.lower() == PDF and resize.ratio < 1:
        size = _short_px(resize, config, 1.0)
        told = f"{page.path} is seen at {resize.ratio:.2f} of its size, where small print is lost"
        _warn(f"{told}; --size {size} finds it (in Python: with_size({size})).")


def warn_of_found(source: ImageSource, found: Detections, resize: Resize, config: Preprocess) -> None:
    """Says that more is lost where most of the text found is small, as on a scan of a page; `config` of the input."""
    wanted = wanted_ratio(found, resize)
    if wanted > resize.ratio:
        size, told = (
            _short_px(resize, config, wanted),
            f"Text in {_name(source) or 'the picture'} is seen so small that",
        )
        ways = f'--tile auto finds more, or --size {size} (in Python: tile="auto", with_size({size}))'
        _warn(f"{told} part of it is lost; {ways}.")


def wanted_ratio(found: Detections, resize: Resize) -> float:
    """Pixels of the input for one of the picture that its text wants: those of `resize`, unless most found is small."""
    if len(found) < SMALL_REGIONS:
        return resize.ratio
    height = resize.ratio * median(min(cv2.minAreaRect(polygon)[1]) for polygon in found.polygons)
    return min(1.0, resize.ratio * WELL_PX / max(height, 1.0)) if height < SMALL_PX else resize.ratio


def _short_px(resize: Resize, config: Preprocess, ratio: float) -> int:
    """Short side, in hundreds, of an input in which the picture is seen at this ratio or more."""
    short, long = sorted(resize.original)
    return math.ceil(ratio * max(short, long * config.short_px / config.long_px) / 100) * 100


def _name(source: ImageSource) -> str:
    return str(source) if isinstance(source, str | Path | Page) else ""


def _warn(told: str) -> None:
    """Of the line that called the detector, by whichever of its methods."""
    frame, level = sys._getframe(), 0
    while frame.f_back and frame.f_globals["__name__"].startswith("diffbin."):
        frame, level = frame.f_back, level + 1
    warnings.warn(told, SmallTextWarning, stacklevel=level + 1)

"""From an annotated picture to a training crop: one affine matrix, one warp, one colour matrix."""

from dataclasses import dataclass, replace
from statistics import NormalDist

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

from diffbin.config import Augment
from diffbin.data.motion import motion_blur
from diffbin.data.paste import paste
from diffbin.data.picture import Pixels
from diffbin.data.sample import Sample, Scene
from diffbin.data.warp import FURTHER, Matrix, Placement, quarter_turn, rotation, transform, warp, window_matrix
from diffbin.detections import Points
from diffbin.geometry import CLIP_UNITS

LUMA_RGB = (0.299, 0.587, 0.114)
VISIBLE_RATIO = 0.6  # of its area; a region cut further is ignored
ANYWHERE_P = 0.2  # share of the windows of crop="scale" that look for no region
JITTER_RATIO = 0.35  # of the window: how far its centre strays from the region it looks for
BLUR_SIGMA_PX = (0.4, 1.2)
MOTION_REACH_PX = (1.0, 4.0)  # to either side
NOISE_SIGMA = (2.0, 12.0)
NORMAL_OF_BYTE = np.array([NormalDist().inv_cdf((byte + 0.5) / 256) for byte in range(256)], np.float32)


@dataclass(frozen=True, eq=False)
class Regions:
    """Polygons with their flags and texts, as in `Sample`."""

    polygons: list[Points]
    ignored: list[bool]
    texts: list[str]


def augment(scene: Scene, config: Augment, rng: np.random.Generator, *, donor: Scene | None = None) -> Sample:
    """A random `(crop_px, crop_px)` crop of the scene, black where there is no picture; regions may be none.

    With a `donor`, some of its words are pasted in.
    """
    placement, regions = place(scene, config, rng)
    pixels, reduction = scene.read(1 / placement.scale + FURTHER)
    picture = warp(pixels, placement.within(reduction), config.crop_px)
    crop = Sample(picture, regions.polygons, np.array(regions.ignored, np.bool_), regions.texts)
    if donor:
        count = int(rng.integers(1, config.paste_max + 1))
        crop = paste(crop, placement, scene.size, donor, count=count, rng=rng)
    return replace(crop, picture=distort(jitter_colour(crop.picture, config, rng), config, rng))


def place(scene: Scene, config: Augment, rng: np.random.Generator) -> tuple[Placement, Regions]:
    """Draws flip, rotation and window, and brings the regions into the crop."""
    size, quarter = scene.size, np.eye(3)
    if config.quarter_p and rng.random() < config.quarter_p:
        quarter, size = quarter_turn(size, clockwise=bool(rng.random() < 0.5)), size[::-1]
    turn = rotation(config.rotate_deg * rng.uniform(-1, 1), size) @ quarter
    flipped = bool(rng.random() < config.flip_p)
    if flipped:
        turn = turn @ np.array([[-1.0, 0, scene.size[1]], [0, 1, 0], [0, 0, 1]])
    polygons = [transform(p[::-1] if flipped else p, turn) for p in scene.polygons]  # still clockwise
    turned = Regions(polygons, [bool(i) for i in scene.ignored], list(scene.texts))
    choose = {"text": _place_text, "scale": _place_scale}[config.crop]
    return choose(turned, turn, size, config, rng)


def _place_text(
    turned: Regions, turn: Matrix, size: tuple[int, int], config: Augment, rng: np.random.Generator
) -> tuple[Placement, Regions]:
    """The reference's window: its edges cut no region's projection, one region at least is inside."""
    visible = _clip_all(turned, size, visible_ratio=0.0)
    spans = np.array([[np.floor(p.min(axis=0)), np.ceil(p.max(axis=0))] for p in visible.polygons], int)
    spans = spans.reshape(-1, 2, 2)
    keep = int(rng.integers(len(spans))) if len(spans) else None
    left, right = sample_cut(spans[:, :, 0], size[1], keep, config.min_side_ratio, rng)
    top, bottom = sample_cut(spans[:, :, 1], size[0], keep, config.min_side_ratio, rng)
    scale = config.crop_px / max(right - left, bottom - top)
    filled = (max(1, round((bottom - top) * scale)), max(1, round((right - left) * scale)))
    inside = [
        i
        for i, ((x0, y0), (x1, y1)) in enumerate(spans.tolist())
        if left <= x0 and x1 <= right and top <= y0 and y1 <= bottom
    ]
    window = window_matrix(left, top, scale)
    regions = Regions(
        [transform(visible.polygons[i], window) for i in inside],
        [visible.ignored[i] for i in inside],
        [visible.texts[i] for i in inside],
    )
    return Placement(window @ turn, filled), regions


def sample_cut(
    spans: NDArray[np.int_], length: int, keep: int | None, min_ratio: float, rng: np.random.Generator
) -> tuple[int, int]:
    """Start and end on one axis of `length`: inside no span of `spans` `(n, 2)`, around span `keep`, not too close."""
    free = np.ones(length + 1, np.bool_)
    for low, high in spans:
        free[low + 1 : high] = False  # a cut may touch a span
    at_least = max(1, int(length * min_ratio))
    first, last = (int(spans[keep, 0]), int(spans[keep, 1])) if keep is not None else (length, 0)
    start = _position(free[: min(length - at_least, first) + 1], rng)
    earliest = max(start + at_least, last)
    return start, earliest + _position(free[earliest:], rng)


def _position(free: NDArray[np.bool_], rng: np.random.Generator) -> int:
    """Draws a run of free positions, each as likely however long, then a position of it, as the reference does."""
    edges = np.flatnonzero(np.diff(free, prepend=False, append=False))
    run = 2 * int(rng.integers(len(edges) // 2))
    return int(rng.integers(edges[run], edges[run + 1]))


def _place_scale(
    turned: Regions, turn: Matrix, size: tuple[int, int], config: Augment, rng: np.random.Generator
) -> tuple[Placement, Regions]:
    """A window of `crop_px` at a random scale, near a region mostly, kept in the picture as far as it fits."""
    scale = float(np.exp(rng.uniform(np.log(config.scale_min), np.log(config.scale_max))))
    side = config.crop_px / scale
    extent = np.array([size[1], size[0]], float)
    centre = rng.uniform(0, 1, 2) * extent
    wanted = [p for p, ignored in zip(turned.polygons, turned.ignored, strict=True) if not ignored]
    if wanted and rng.random() >= ANYWHERE_P:
        polygon = wanted[int(rng.integers(len(wanted)))]
        centre = (polygon.min(axis=0) + polygon.max(axis=0)) / 2 + rng.uniform(-1, 1, 2) * JITTER_RATIO * side
    slack = extent - side  # negative where the picture is smaller than the window: then it lies anywhere in it
    corner = np.where(slack > 0, np.clip(centre - side / 2, 0, np.maximum(slack, 0)), slack * rng.uniform(0, 1, 2))
    window = window_matrix(float(corner[0]), float(corner[1]), scale)
    moved = Regions([transform(p, window) for p in turned.polygons], turned.ignored, turned.texts)
    full = (config.crop_px, config.crop_px)
    return Placement(window @ turn, full), _clip_all(moved, full, visible_ratio=VISIBLE_RATIO)


def _clip_all(regions: Regions, size: tuple[int, int], *, visible_ratio: float) -> Regions:
    """Cuts regions at a window of `size` (h, w); a region that shows less than `visible_ratio` becomes ignored."""
    kept = Regions([], [], [])
    for polygon, ignored, text in zip(regions.polygons, regions.ignored, regions.texts, strict=True):
        parts, ratio = clip(polygon, size)
        for i, part in enumerate(parts):
            kept.polygons.append(part)
            kept.ignored.append(ignored or i > 0 or ratio < visible_ratio)
            kept.texts.append(text)
    return kept


def clip(polygon: Points, size: tuple[int, int]) -> tuple[list[Points], float]:
    """The parts of a polygon inside the window `[0, w] x [0, h]`, largest first, and the visible share of its area.

    A concave polygon may come apart; its lesser parts are no words of their own, see `_clip_all`.
    """
    height, width = size
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    if (low >= 0).all() and high[0] <= width and high[1] <= height:
        return [polygon], 1.0
    if (high <= 0).any() or low[0] >= width or low[1] >= height:
        return [], 0.0
    path = np.rint(polygon * CLIP_UNITS).astype(np.int64)
    window = np.array([[0, 0], [width, 0], [width, height], [0, height]]) * CLIP_UNITS
    clipper = pyclipper.Pyclipper()
    try:
        clipper.AddPath(path.tolist(), pyclipper.PT_SUBJECT, True)
        clipper.AddPath(window.tolist(), pyclipper.PT_CLIP, True)
        found = clipper.Execute(pyclipper.CT_INTERSECTION, pyclipper.PFT_NONZERO, pyclipper.PFT_NONZERO)
    except pyclipper.ClipperException:  # a line or a point: it covers nothing
        return [], 0.0
    parts = sorted((p for p in found if pyclipper.Area(p) > 0), key=pyclipper.Area, reverse=True)
    whole = abs(pyclipper.Area(path.tolist()))
    ratio = sum(pyclipper.Area(p) for p in parts) / whole if whole else 1.0
    return [np.asarray(p, np.float32) / np.float32(CLIP_UNITS) for p in parts], ratio


def jitter_colour(picture: Pixels, config: Augment, rng: np.random.Generator) -> Pixels:
    """Brightness, saturation and contrast as one colour matrix. They commute but for clipping, so no order is drawn."""
    deltas = (config.brightness_delta, config.saturation_delta, config.contrast_delta)
    brightness, saturation, contrast = (1 + delta * rng.uniform(-1, 1) for delta in deltas)
    if not any(deltas):
        return picture
    mix = saturation * np.eye(3) + (1 - saturation) * np.array([LUMA_RGB] * 3)
    grey = float(np.dot(LUMA_RGB, picture[::8, ::8].reshape(-1, 3).mean(axis=0))) if config.contrast_delta else 0.0
    matrix = np.column_stack([contrast * mix, np.full(3, (1 - contrast) * grey)]) * brightness
    return np.asarray(cv2.transform(picture, matrix), np.uint8)


def distort(picture: Pixels, config: Augment, rng: np.random.Generator) -> Pixels:
    """A slight blur, one of motion, and normal noise, each with its own chance."""
    if config.blur_p > rng.random():
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(*BLUR_SIGMA_PX))), np.uint8)
    if config.motion_p and rng.random() < config.motion_p:
        picture = motion_blur(picture, rng.uniform(*MOTION_REACH_PX), rng.uniform(0, np.pi))
    if config.noise_p > rng.random():
        table = np.rint(NORMAL_OF_BYTE * rng.uniform(*NOISE_SIGMA)).astype(np.int16)
        noise = table[np.frombuffer(rng.bytes(picture.size), np.uint8).reshape(picture.shape)]
        picture = np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)
    return picture

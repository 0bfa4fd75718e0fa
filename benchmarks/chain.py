"""The yardstick of `benchmarks.data`: a training sample by separate steps at full size, as MMOCR 1.0 orders them.

Decode, brightness and saturation, flip, turn, resize by 0.5 to 3, cut between the words, resize, pad; then label maps
with the distance of every pixel of a region's box to every edge of the region. Plain calls of the usual libraries.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from benchmarks.clock import Clock
from diffbin.config import Augment, Targets
from diffbin.data.augment import clip, sample_cut
from diffbin.data.dataset import Example
from diffbin.data.labels import Annotation
from diffbin.data.targets import TargetMaps, is_too_small, shrink
from diffbin.data.warp import rotation, transform, window_matrix
from diffbin.detections import Points
from diffbin.geometry import area, offset, perimeter, single_part

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]


def sample(path: Path, label: Annotation, config: Augment, rng: np.random.Generator, clock: Clock) -> Example:
    """One sample, each step on account of its stage."""
    content = clock.time("read", path.read_bytes)
    picture = clock.time("decode", decode, content)
    picture = clock.time("colour", colour, picture, config, rng)
    picture, polygons = clock.time("turn", turn, picture, label.polygons, config, rng)
    picture, polygons = clock.time("resize", resize, picture, polygons, rng.uniform(0.5, 3.0))
    kept, polygons = clock.time("cut", clip_all, polygons, picture.shape[:2])
    picture, kept, polygons = clock.time("cut", cut, picture, kept, polygons, config, rng)
    picture, polygons = clock.time("cut", fit, picture, polygons, config.crop_px)
    maps = clock.time("targets", label_maps, polygons, label.ignored[kept], config.crop_px, Targets())
    return Example(picture, maps)


def decode(content: bytes) -> Pixels:
    """At full size, RGB."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    found = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    assert found is not None
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), np.uint8)


def colour(picture: Pixels, config: Augment, rng: np.random.Generator) -> Pixels:
    """Brightness and saturation in random order, by Pillow."""
    brightness = 1 + config.brightness_delta * rng.uniform(-1, 1)
    saturation = 1 + config.saturation_delta * rng.uniform(-1, 1)
    image, steps = Image.fromarray(picture), [(ImageEnhance.Brightness, brightness), (ImageEnhance.Color, saturation)]
    for number in rng.permutation(2):
        enhance, factor = steps[number]
        image = enhance(image).enhance(factor)
    return np.array(image)


def turn(
    picture: Pixels, polygons: list[Points], config: Augment, rng: np.random.Generator
) -> tuple[Pixels, list[Points]]:
    """Flip, then rotate."""
    height, width = picture.shape[:2]
    if rng.random() < config.flip_p:
        picture = np.ascontiguousarray(picture[:, ::-1])
        polygons = [(p * (-1, 1) + (width, 0)).astype(np.float32)[::-1] for p in polygons]
    matrix = rotation(config.rotate_deg * rng.uniform(-1, 1), (height, width))
    turned = cv2.warpAffine(picture, matrix[:2], (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(turned, np.uint8), [transform(p, matrix) for p in polygons]


def resize(picture: Pixels, polygons: list[Points], scale: float) -> tuple[Pixels, list[Points]]:
    """By the cubic filter."""
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    scaled = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return scaled, [transform(p, window_matrix(0, 0, scale)) for p in polygons]


def clip_all(polygons: list[Points], size: tuple[int, int]) -> tuple[list[int], list[Points]]:
    """What is left of regions in the picture, and which they were."""
    parts = [(number, part) for number, polygon in enumerate(polygons) for part in clip(polygon, size)[0][:1]]
    return [number for number, _ in parts], [part for _, part in parts]


def cut(
    picture: Pixels, kept: list[int], polygons: list[Points], config: Augment, rng: np.random.Generator
) -> tuple[Pixels, list[int], list[Points]]:
    """A window that cuts no region, and the regions in it."""
    spans = np.array([[np.floor(p.min(axis=0)), np.ceil(p.max(axis=0))] for p in polygons], int).reshape(-1, 2, 2)
    keep = int(rng.integers(len(spans))) if len(spans) else None
    left, right = sample_cut(spans[:, :, 0], picture.shape[1], keep, config.min_side_ratio, rng)
    top, bottom = sample_cut(spans[:, :, 1], picture.shape[0], keep, config.min_side_ratio, rng)
    inside = (spans >= (left, top)).all(axis=(1, 2)) & (spans <= (right, bottom)).all(axis=(1, 2))
    chosen = np.flatnonzero(inside).tolist()
    moved = [polygons[i] - np.array([left, top], np.float32) for i in chosen]
    return picture[top:bottom, left:right], [kept[i] for i in chosen], moved


def fit(picture: Pixels, polygons: list[Points], crop_px: int) -> tuple[Pixels, list[Points]]:
    """The long side to `crop_px`, black on the right or below."""
    height, width = picture.shape[:2]
    scale = crop_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    padded = np.zeros((crop_px, crop_px, 3), np.uint8)
    padded[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return padded, [transform(p, window_matrix(0, 0, scale)) for p in polygons]


def label_maps(polygons: list[Points], ignored: NDArray[np.bool_], crop_px: int, config: Targets) -> TargetMaps:
    """The four maps, region after region."""
    size = (crop_px, crop_px)
    prob, mask, border = np.zeros(size, np.uint8), np.ones(size, np.uint8), np.zeros(size, np.uint8)
    threshold = np.zeros(size, np.float32)
    for polygon, skip in zip(polygons, ignored, strict=True):
        kernel = None if skip or is_too_small(polygon, config.min_side_px) else shrink(polygon, config.shrink_ratio)
        if kernel is None:
            cv2.fillPoly(mask, [polygon.astype(np.int32)], (0,))
            continue
        cv2.fillPoly(prob, [kernel], (1,))
        _draw_border(polygon, config.shrink_ratio, threshold, border)
    return TargetMaps(
        prob, mask, threshold * (config.threshold_max - config.threshold_min) + config.threshold_min, border
    )


def _draw_border(polygon: Points, ratio: float, threshold: NDArray[np.float32], border: Pixels) -> None:
    points = polygon.astype(np.float64)
    reach = area(points) * (1 - ratio**2) / perimeter(points)
    grown = single_part(offset(polygon.astype(np.int32), reach))
    grown = polygon.astype(np.int32) if grown is None else grown
    cv2.fillPoly(border, [grown], (1,))
    low, high = grown.min(axis=0), grown.max(axis=0)
    x, y = np.meshgrid(np.arange(low[0], high[0] + 1.0), np.arange(low[1], high[1] + 1.0))
    edges = zip(points, np.roll(points, -1, axis=0), strict=True)
    nearest = np.min([np.clip(_distance(x, y, a, b) / reach, 0, 1) for a, b in edges], axis=0)
    (x0, y0), (x1, y1) = np.maximum(low, 0), np.minimum(high + 1, threshold.shape[::-1])
    if x0 < x1 and y0 < y1:
        region = threshold[y0:y1, x0:x1]
        inner = nearest[y0 - low[1] : y1 - low[1], x0 - low[0] : x1 - low[0]]
        region[:] = np.fmax(1 - inner, region)


def _distance(x: Floats, y: Floats, a: Floats, b: Floats) -> Floats:
    """Of each pixel to the edge, by the law of cosines; of one whose angle is acute to the nearer end."""
    to_a, to_b = (x - a[0]) ** 2 + (y - a[1]) ** 2, (x - b[0]) ** 2 + (y - b[1]) ** 2
    length = float(((a - b) ** 2).sum())
    cosine = (length - to_a - to_b) / (1e-6 + 2 * np.sqrt(to_a * to_b))
    sine = np.clip(1 - cosine**2, 0, 1)
    found = np.sqrt(to_a * to_b * sine / (1e-6 + length))
    found[cosine < 0] = np.sqrt(np.minimum(to_a, to_b))[cosine < 0]
    return np.asarray(found, np.float64)

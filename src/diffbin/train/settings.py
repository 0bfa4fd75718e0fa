"""Settings to train a model further on pictures of one's own: they follow from their number and their text."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from diffbin.config import Augment, Data, Optim, Preprocess, Recipe, Source, Train
from diffbin.data.annotations import list_pictures, read_annotation, take_part
from diffbin.detections import Points
from diffbin.errors import TrainingError
from diffbin.train import devices

LOOKED_AT = 200  # pictures whose labels are measured
HEIGHT_PX = 32  # of the median region at the network's input: what the embedded model and TD500's were best at
SHORT_PX = (416, 1280)  # bounds of the input's short side
CROP_PX = (320, 640)
AROUND = (0.6, 1.6)  # scales of training, relative to that of detection
TILT_DEG, TILTED_SHARE = 10.0, 0.1  # beyond so many degrees, and from so many regions on, text counts as turned
LONG = 2.5  # times as wide as high; the direction of a shorter region says little
CURVED_SHARE = 0.1  # of regions with more than four points, from which on outlines are wanted
SAMPLES_A_PICTURE, STEPS = 60, (300, 4000)


@dataclass(frozen=True)
class Text:
    """What the labels of a set say about it; lengths are relative to the short side of each picture."""

    height: float  # median, of the smallest rotated rectangle
    width: float  # ninth decile
    tilted: float  # share of the long regions
    curved: float  # share of the regions
    short_px: float  # median short side of the pictures


def split(count: int) -> tuple[str, str]:
    """The parts to train on and to hold back, see `Source.part`: every tenth, of few every fifth, of very few one."""
    if count < 2:
        return "", ""
    every = 10 if count >= 50 else 5 if count >= 10 else count
    return f"!{every - 1}::{every}", f"{every - 1}::{every}"


def measure(source: Source, root: str) -> Text:
    """Looks at the labels of up to 200 pictures, and at the headers of the pictures. Raises `InputError`."""
    pictures = list_pictures(source, root)
    regions, sides = [], []
    for picture in pictures[:: -(-len(pictures) // LOOKED_AT) or 1]:
        found, side = read_annotation(source, picture), min(picture.open().size)
        sides.append(side)
        regions += [
            _shape(polygon, side) for polygon, skip in zip(found.polygons, found.ignored, strict=True) if not skip
        ]
    if not regions:
        raise TrainingError(f"There is no text to learn from in {source.labels}: no region, or all are ignored.")
    heights, widths, tilts, points = np.array(regions).T
    long = widths > LONG * heights
    return Text(
        height=float(np.median(heights)),
        width=float(np.quantile(widths, 0.9)),
        tilted=float(np.mean(tilts[long] > TILT_DEG)) if long.any() else 0.0,
        curved=float(np.mean(points > 4)),
        short_px=float(np.median(sides)),
    )


def _shape(polygon: Points, side: int) -> tuple[float, float, float, int]:
    corners = cv2.boxPoints(cv2.minAreaRect(np.asarray(polygon, np.float32)))
    edges = np.diff(corners[[0, 1, 2]], axis=0)
    lengths = np.hypot(*edges.T)
    x, y = edges[int(np.argmax(lengths))]
    degrees = abs(math.degrees(math.atan2(y, x))) % 180
    return lengths.min() / side, lengths.max() / side, min(degrees, 180 - degrees, abs(90 - degrees)), len(polygon)


def _input(own: Preprocess, short_px: int, scale: float) -> Preprocess:
    """Of the short side asked for; pictures half as large as most, which are seen at `scale`, are as large in it."""
    return replace(own.resized(short_px), max_ratio=max(own.max_ratio, 2 * scale) if own.max_ratio else 0.0)


def suit(recipe: Recipe, source: Source, count: int, text: Text) -> Recipe:
    """The model's own recipe, for `count` pictures with this text."""
    short = _multiple(HEIGHT_PX / text.height, SHORT_PX)
    scale = short / text.short_px
    train_part, held_back = split(count)
    kept = len(take_part(range(count), train_part))
    on_gpu = torch.cuda.is_available()
    batch = 16 if on_gpu else 8
    steps = int(np.clip(kept * SAMPLES_A_PICTURE // batch, *STEPS))
    return replace(
        recipe,
        loss=replace(recipe.loss, distill_weight=0.0),  # its teacher is not there any more
        preprocess=_input(recipe.preprocess, short, scale),
        decode=replace(recipe.decode, shape="polygon" if text.curved > CURVED_SHARE else recipe.decode.shape),
        augment=Augment(
            crop_px=_multiple(1.2 * text.width * short, CROP_PX),
            crop="scale",
            scale_min=AROUND[0] * scale,
            scale_max=AROUND[1] * scale,
            rotate_deg=30.0 if text.tilted > TILTED_SHARE else 10.0,
            flip_p=0.0,
            brightness_delta=0.35,
            contrast_delta=0.3,
            blur_p=0.1,
            noise_p=0.1,
        ),
        data=Data(
            root="",
            train=(replace(source, part=train_part),),
            validation=(replace(source, part=held_back),) if held_back else (),
            batch_size=batch,
            workers=4 if on_gpu else 1,
        ),
        optim=Optim(
            name="adamw",
            lr=1e-3 if kept >= LOOKED_AT else 5e-4,
            weight_decay=0.01,
            schedule="cosine",
            warmup_ratio=0.05,
            per="step",
            clip_norm=5.0,
        ),
        train=Train(
            steps=steps,
            eval_every_steps=max(1, steps // 4),
            save_every_steps=max(1, steps // 10),
            precision="bf16" if devices.has_bf16() else "32",
            ema_decay=0.998 if steps >= 1000 else 0.99,
        ),
    )


def _multiple(pixels: float, bounds: tuple[int, int]) -> int:
    return int(np.clip(round(pixels / 32) * 32, *bounds))

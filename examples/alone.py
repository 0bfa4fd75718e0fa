"""A model of diffbin without diffbin: ONNX Runtime, OpenCV, Clipper and NumPy, to be ported to any language.

    python examples/alone.py src/diffbin/models/diffbin-words.onnx street.jpg

Prints `x1,y1,...,x4,y4,score` a region, in pixels of the upright picture: what `diffbin detect --engine onnx --tile off
--format icdar` prints, but for the order of regions and of corners. `docs/model-file.md` tells what the file holds, and
what is left out here.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pyclipper
from numpy.typing import NDArray

Array = NDArray[Any]


def prepare(picture: Array, settings: dict[str, Any]) -> tuple[Array, tuple[int, int], Array]:
    """RGB `(h, w, 3)` uint8 as the input, `(1, 3, padded h, padded w)` float32; size before padding, and scale."""
    size = np.array(picture.shape[:2])
    ratio = min(settings["short_px"] / size.min(), settings["long_px"] / size.max(), settings["max_ratio"] or np.inf)
    height, width = (max(1, int(side * ratio + 0.5)) for side in size)
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    step = settings["multiple_px"]
    batch = np.zeros((1, 3, -(-height // step) * step, -(-width // step) * step), np.float32)
    mean, std = np.array([settings["mean_rgb"], settings["std_rgb"]], np.float32)
    batch[0, :, :height, :width] = ((small - mean) / std).transpose(2, 0, 1)
    return batch, (height, width), np.array([width / size[1], height / size[0]])


def regions(prob: Array, settings: dict[str, Any]) -> Iterator[tuple[Array, float]]:
    """Corners `(4, 2)` in pixels of the map, and score, of each region of a map `(h, w)` float32 without padding."""
    mask = (prob > settings["mask_threshold"]).astype(np.uint8)
    for contour in cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]:
        outline = cv2.approxPolyDP(contour, settings["epsilon_ratio"] * cv2.arcLength(contour, True), True)
        if len(outline) < 4:
            continue
        inside = cv2.fillPoly(np.zeros_like(mask), [outline], (1,))
        score = cv2.mean(prob, inside)[0]
        if score < settings["score_threshold"]:
            continue
        grown_by = cv2.contourArea(outline) * settings["unclip_ratio"] / cv2.arcLength(outline, True)
        clipper = pyclipper.PyclipperOffset()
        clipper.AddPath(outline[:, 0].tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
        parts = clipper.Execute(grown_by + settings["rim_px"])
        if len({len(part) for part in parts}) != 1:
            continue
        grown = np.array(parts[0], np.int32)
        middle, sides, angle = cv2.minAreaRect(grown)
        nearly_square = 0 < max(sides) <= 1.4 * min(sides)
        if nearly_square and max(cv2.minAreaRect(outline)[1]) < settings["upright_px"]:  # of a small blob: no angle
            low, high = grown.min(axis=0), grown.max(axis=0)
            middle, angle = (low + high) / 2, 0.0
            sides = (high - low) * np.sqrt(np.prod(sides) / np.prod(high - low))
        if min(sides) < settings["min_width_px"]:
            continue
        yield cv2.boxPoints((tuple(middle), tuple(sides), angle)), score


def detect(model: str, picture: Array) -> list[tuple[Array, float]]:
    """Corners `(4, 2)` and score of each region of an RGB picture `(h, w, 3)` uint8, in its pixels."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    recipe = json.loads(session.get_modelmeta().custom_metadata_map["diffbin"])["recipe"]
    batch, (height, width), scale = prepare(picture, recipe["preprocess"])
    prob = session.run(None, {"pictures": batch})[0][0, 0]
    stride = batch.shape[2] // prob.shape[0]  # of the map, 1 or 2
    prob = np.ascontiguousarray(prob[: -(-height // stride), : -(-width // stride)])
    found = [
        ((corners * stride + (stride - 1) / 2) / scale, score) for corners, score in regions(prob, recipe["decode"])
    ]
    return [(corners.clip(0, picture.shape[1::-1]), score) for corners, score in found]


if __name__ == "__main__":
    picture = cv2.imread(sys.argv[2], cv2.IMREAD_COLOR_RGB)  # upright, as its EXIF says
    if picture is None:
        sys.exit(f"{sys.argv[2]} is not a picture that OpenCV reads.")
    for corners, score in detect(sys.argv[1], picture):
        print(*(round(value) for value in corners.ravel().tolist()), f"{score:.4f}", sep=",")

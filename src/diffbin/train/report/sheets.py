"""Pictures of a run, for people to look at: a batch with its targets, and what is found in validation pictures."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.data.annotations import read_annotation
from diffbin.data.dataset import Batch
from diffbin.data.labels import Annotation
from diffbin.detections import Detections, Points
from diffbin.detector import Detector
from diffbin.draw import outline
from diffbin.files import write_whole
from diffbin.metrics.evaluate import Labelled
from diffbin.metrics.iou import compare, greedy_pairs

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]
GREEN, ORANGE, RED = (0, 200, 83), (255, 150, 0), (235, 30, 60)  # RGB
GREY, WHITE = (150, 150, 150), (255, 255, 255)
OPACITY = 0.55  # of targets over the picture
TILE_PX = 320  # side of a crop on the sheet of a batch
WIDTH_PX = 640  # of a picture on the sheet of samples
STRIP_PX = 26  # height of a line of text
SHOWN = 16  # crops of a batch
JPEG_QUALITY = 85


def write_sheet(sheet: Pixels, path: Path) -> None:
    """Writes `(h, w, 3)` uint8 RGB as JPEG, whole or not at all. Raises `InputError` where it cannot be written."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    write_whole(path, encoded.tobytes())


def batch_sheet(batches: Sequence[Batch]) -> Pixels:
    """The first crops of a step with what is to be learned of them, `(h, w, 3)` uint8 RGB."""
    tiles = [_crop(batch, i) for batch in batches for i in range(len(batch.pictures))][:SHOWN]
    columns = max(2, int(np.ceil(np.sqrt(len(tiles)))))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.vstack([*rows, _strip(columns * TILE_PX, ("kernel", GREEN), ("border", ORANGE), ("ignored", RED))])


def _crop(batch: Batch, index: int) -> Pixels:
    picture = batch.pictures[index].permute(1, 2, 0).numpy().astype(np.float32)
    threshold, inside = batch.threshold[index].float().numpy(), batch.threshold_mask[index].numpy() > 0
    border = (threshold - threshold.min()) / max(float(np.ptp(threshold)), 1e-6) * inside
    kernel, ignored = batch.prob[index].numpy() > 0, batch.prob_mask[index].numpy() == 0
    for mask, colour in ((ignored, RED), (border, ORANGE), (kernel, GREEN)):
        weight = OPACITY * np.asarray(mask, np.float32)[..., None]
        picture = picture * (1 - weight) + np.array(colour, np.float32) * weight
    return cv2.resize(picture, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA).round().astype(np.uint8)


def sample_sheet(detector: Detector, pictures: Sequence[Labelled]) -> Pixels:
    """What the detector finds in each picture, beside its P, `(h, w, 3)` uint8 RGB."""
    legend = _strip(2 * WIDTH_PX, ("found", GREEN), ("missed", RED), ("false alarm", ORANGE), ("do not care", GREY))
    return np.vstack([*(_sample(detector, picture) for picture in pictures), legend])


def _sample(detector: Detector, labelled: Labelled) -> Pixels:
    source, picture = labelled
    wanted, image = read_annotation(source, picture), picture.read()
    resize, batch = detector.prepare(detector.load(image))
    prob = detector.engine.run(batch)[0, 0]
    groups = _groups(wanted, detector.regions(prob, resize))
    for colour, polygons in groups.items():
        image = outline(image, polygons, colour)
    heat = cv2.applyColorMap((resize.crop(prob) * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    size = (WIDTH_PX, max(1, round(image.shape[0] * WIDTH_PX / image.shape[1])))
    sides = [cv2.resize(side, size, interpolation=cv2.INTER_AREA) for side in (image, np.ascontiguousarray(heat))]
    counts = (f"{len(groups[c])} {what}" for c, what in ((GREEN, "found"), (RED, "missed"), (ORANGE, "false")))
    title = _strip(2 * WIDTH_PX, (f"{picture.image.name}: {', '.join(counts)}", WHITE))
    return np.vstack([title, np.hstack(sides)]).astype(np.uint8)


def _groups(wanted: Annotation, found: Detections) -> dict[Colour, list[Points]]:
    """Regions by the colour they are drawn in: found ones as they were found, missed ones as they are labelled."""
    labels = [p for p, skip in zip(wanted.polygons, wanted.ignored, strict=True) if not skip]
    numbers = np.arange(len(found), dtype=np.float32)  # in the place of scores: they say which predictions count
    match = compare(wanted.polygons, wanted.ignored, found.polygons, numbers)
    counted = [found.polygons[int(number)] for number in match.scores]
    pairs = greedy_pairs(match.iou > 0.5)
    met, hits = {label for label, _ in pairs}, {prediction for _, prediction in pairs}
    return {
        GREY: [p for p, skip in zip(wanted.polygons, wanted.ignored, strict=True) if skip],
        GREEN: [polygon for i, polygon in enumerate(counted) if i in hits],
        RED: [polygon for i, polygon in enumerate(labels) if i not in met],
        ORANGE: [polygon for i, polygon in enumerate(counted) if i not in hits],
    }


def _strip(width: int, *texts: tuple[str, Colour]) -> Pixels:
    """A dark line of texts, each in its colour."""
    strip, x = np.full((STRIP_PX, width, 3), 24, np.uint8), 8
    for text, colour in texts:
        cv2.putText(strip, text, (x, STRIP_PX - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
        x += cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0] + 24
    return strip

"""Pictures of a run, for people to look at: a batch with its targets, and what is found in validation pictures."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.data.annotations import Labelled, read_annotation
from diffbin.data.dataset import Batch
from diffbin.detector import Detector
from diffbin.draw import caption
from diffbin.files import write_whole
from diffbin.metrics.outcome import GREEN, LEGEND, ORANGE, RED, Outcome

Pixels = NDArray[np.uint8]
WHITE = (255, 255, 255)  # RGB
OPACITY = 0.55  # of targets over the picture
TILE_PX = 320  # side of a crop on the sheet of a batch
WIDTH_PX = 640  # of a picture on the sheet of samples
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
    return np.vstack([*rows, caption(columns * TILE_PX, ("kernel", GREEN), ("border", ORANGE), ("ignored", RED))])


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
    return np.vstack([*(_sample(detector, picture) for picture in pictures), caption(2 * WIDTH_PX, *LEGEND)])


def _sample(detector: Detector, labelled: Labelled) -> Pixels:
    source, picture = labelled
    wanted, image = read_annotation(source, picture), picture.read()
    resize, batch = detector.prepare(detector.load(image))
    prob = detector.engine.run(batch)[0, 0]
    found = detector.regions(prob, resize)
    outcome = Outcome.of(wanted, (found.polygons, found.scores))
    image = outcome.draw(image)
    heat = cv2.applyColorMap((np.nan_to_num(resize.crop(prob)) * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    size = (WIDTH_PX, max(1, round(image.shape[0] * WIDTH_PX / image.shape[1])))
    sides = [cv2.resize(side, size, interpolation=cv2.INTER_AREA) for side in (image, np.ascontiguousarray(heat))]
    counts = ", ".join(text for text, _ in outcome.counts)
    title = caption(2 * WIDTH_PX, (f"{picture.image.name}: {counts}", WHITE))
    return np.vstack([title, np.hstack(sides)]).astype(np.uint8)

"""A contact sheet of renderings, to be looked at."""

from pathlib import Path

import cv2
import numpy as np

from diffbin.data.sample import Sample
from diffbin.data.synth.pixels import Picture
from diffbin.data.synth.scene import Renderer
from diffbin.data.synth.settings import Synth
from diffbin.files import write_whole

READABLE, IGNORED = (0, 230, 60), (255, 60, 60)
JPEG_QUALITY = 80


def contact_sheet(config: Synth, *, seed: int, rows: int, columns: int, out: Path, draw_labels: bool = True) -> None:
    """Writes `rows` x `columns` renderings, of seeds from `seed` on, as one picture to `out` (.jpg or .png).

    With `draw_labels`, every other one has its labels drawn: green, or red where the text cannot be read.
    """
    renderer = Renderer(config)
    samples = [renderer.render(seed + i) for i in range(rows * columns)]
    tiles = [_draw(s) if draw_labels and (i // columns + i) % 2 else s.picture for i, s in enumerate(samples)]
    sheet = np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])
    bgr = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(out.suffix, bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    write_whole(out, encoded.tobytes())


def _draw(sample: Sample) -> Picture:
    picture = sample.picture.copy()
    for polygon, ignored in zip(sample.polygons, sample.ignored, strict=True):
        points = (polygon * 16).round().astype(np.int32)
        cv2.polylines(picture, [points], True, IGNORED if ignored else READABLE, 1, cv2.LINE_AA, 4)
    return picture

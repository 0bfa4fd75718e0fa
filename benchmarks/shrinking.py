"""What unclipping makes of perfect kernels, by shrink ratio: `python -m benchmarks.shrinking IMAGES GT [PART] [SCALE]`.

Each label of a set in the format icdar is shrunk as for training and decoded as if the network had answered exactly
that. Shrinking by D = A (1 - r^2) / L leaves little of a long line: for r = 0.4 a sixth of its height. Growing by
D' = A' r' / L' undoes that for one shape of text only, and the less was taken away, the less it matters for which.
SCALE is the network's input pixels for one of the picture. Prints a table of mean IoU, and of the tenth part that is
worst off, at the unclip ratio that suits each shrink ratio best.
"""

import sys
from itertools import compress

import cv2
import numpy as np
from numpy.typing import NDArray

from diffbin.config import Decode, Source
from diffbin.data.annotations import read_annotation
from diffbin.data.targets import shrink
from diffbin.decode import decode
from diffbin.detections import Points
from diffbin.metrics.evaluate import list_labelled
from diffbin.metrics.iou import compare

SHRINK_RATIOS = (0.3, 0.4, 0.5, 0.6, 0.7)
UNCLIP_RATIOS = tuple(0.8 + 0.1 * i for i in range(23))
MARGIN_PX = 60  # around a label, for what grows beyond it


def main(images: str, gt: str, part: str = "", scale: str = "1") -> None:
    """See above."""
    labels = []
    for source, picture in list_labelled([Source(images=images, labels=gt, part=part)], ""):
        annotation = read_annotation(source, picture)
        counted = compress(annotation.polygons, (~annotation.ignored).tolist())
        labels += [polygon * float(scale) for polygon in counted]
    print(f"{len(labels)} regions\n\n| shrink ratio | unclip ratio | mean IoU | a tenth is below |\n|---|---|---|---|")
    for ratio in SHRINK_RATIOS:
        overlaps = {unclip: np.array([overlap(label, ratio, unclip) for label in labels]) for unclip in UNCLIP_RATIOS}
        unclip, best = max(overlaps.items(), key=lambda pair: pair[1].mean())
        print(f"| {ratio} | {unclip:.1f} | {best.mean():.3f} | {np.percentile(best, 10):.3f} |")


def overlap(label: Points, ratio: float, unclip: float) -> float:
    """IoU of a region, `(n, 2)` in pixels, with what is decoded from its own kernel."""
    region = label - label.min(axis=0) + MARGIN_PX
    kernel = shrink(region, ratio)
    if kernel is None:
        return 0.0
    width, height = (region.max(axis=0) + MARGIN_PX).astype(int)
    prob: NDArray[np.float32] = np.zeros((height, width), np.float32)
    cv2.fillPoly(prob, [kernel], (1,))
    found = decode(prob, Decode(unclip_ratio=unclip, epsilon_ratio=0.002, min_width_px=0))
    match = compare([region], np.zeros(1, np.bool_), found.polygons, found.scores)
    return float(match.iou.max(initial=0))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Scoring by shares of areas, where regions answered in parts or together count in part: DetEval, as of Total-Text.

By Wolf and Jolion (IJDAR 2006), with the thresholds and rules of the program that Ch'ng and others give out with
Total-Text. Some are kept for parity: shares are rounded to hundredths, one prediction may be met by two regions, and of
regions that are answered together `PREDICTION` has to be covered, not `REGION`. Areas are those of the outlines here;
there pixels are counted.
"""

import numpy as np
from numpy.typing import NDArray

REGION, PREDICTION = 0.7, 0.6  # least share of its area that is shared
PART = 0.8  # what each counts of a region answered in parts, and of regions answered as one
SEVERAL = 2

Shares = NDArray[np.float64]


def credits(of_regions: Shares, of_predictions: Shares) -> tuple[float, float]:
    """What the regions of a picture count together, and its predictions, out of shared areas `(regions, predictions)`.

    of_regions      as shares of the regions' areas
    of_predictions  as shares of the predictions' areas
    """
    of_regions, of_predictions = of_regions.round(2), of_predictions.round(2)
    regions, predictions = np.ones(len(of_regions), np.bool_), np.ones(of_regions.shape[1], np.bool_)  # still free
    alone = ((of_regions > REGION).sum(axis=1) == 1) & ((of_predictions > PREDICTION).sum(axis=1) == 1)
    regions[alone] = False
    predictions[(of_regions[alone] > REGION).any(axis=0)] = False
    found = right = float(alone.sum())
    for i in np.flatnonzero(regions & ((of_regions > 0).sum(axis=1) >= SEVERAL)):
        parts = np.flatnonzero(predictions & (of_predictions[i] >= PREDICTION))
        if of_regions[i, parts].sum() >= REGION:
            each = PART if len(parts) > 1 else 1.0
            found, right = found + each, right + each * len(parts)
            regions[i] = predictions[parts] = False
    for j in np.flatnonzero(predictions & ((of_predictions > 0).sum(axis=0) >= SEVERAL)):
        parts = np.flatnonzero(regions & (of_regions[:, j] >= PREDICTION))
        if of_predictions[parts, j].sum() >= PREDICTION and (len(parts) > 1 or of_regions[parts, j] >= REGION):
            each = PART if len(parts) > 1 else 1.0
            found, right = found + each * len(parts), right + each
            regions[parts] = predictions[j] = False
    return found, right

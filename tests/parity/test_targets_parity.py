"""Label maps against MMOCR 1.0.1 (`data/targets_samples.json` in, `data/targets.npz` out)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffbin.config import Targets
from diffbin.data.targets import make_targets

DATA = Path(__file__).parent / "data"
SAMPLES: list[dict[str, Any]] = json.loads((DATA / "targets_samples.json").read_text())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample["name"]))
def test_label_maps_agree_with_the_reference(sample: dict[str, Any]) -> None:
    polygons = [np.array(p, np.float32).reshape(-1, 2) for p in sample["polygons"]]
    maps = make_targets(polygons, np.array(sample["ignored"], np.bool_), tuple(sample["img_shape"]), Targets())
    with np.load(DATA / "targets.npz") as expected:
        prob, prob_mask, threshold, threshold_mask = (
            expected[f"{sample['name']}/{key}"] for key in ("gt_shrinks", "gt_shrink_masks", "gt_thrs", "gt_thr_masks")
        )
    assert np.array_equal(maps.prob, prob)  # measured: no pixel differs in any sample; 0.1 % was asked for
    assert np.array_equal(maps.prob_mask, prob_mask)
    assert np.array_equal(maps.threshold_mask, threshold_mask)
    assert np.abs(maps.threshold - threshold)[threshold_mask > 0].max(initial=0) < 3e-4  # measured 1.9e-4

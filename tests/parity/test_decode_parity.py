"""Regions against the reference's post-processor, on its maps (uint8, by 200; noise far from any region left out)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffbin.config import Decode
from diffbin.decode import decode
from diffbin.metrics.iou import compare

DATA = Path(__file__).parent / "data"
EXPECTED: dict[str, dict[str, Any]] = json.loads((DATA / "decode_expected.json").read_text())
CASES = [(name, setting) for name, settings in EXPECTED.items() for setting in settings]


def config(params: dict[str, Any]) -> Decode:
    return Decode(
        shape="quad" if params["text_repr_type"] == "quad" else "polygon",
        mask_threshold=params.get("mask_thr", 0.3),
        score_threshold=params.get("min_text_score", 0.3),
        unclip_ratio=params.get("unclip_ratio", 1.5),
        min_width_px=params.get("min_text_width", 5),
        epsilon_ratio=params.get("epsilon_ratio", 0.01),
    )


@pytest.mark.parametrize(("name", "setting"), CASES)
def test_regions_agree(name: str, setting: str) -> None:
    expected = EXPECTED[name][setting]
    with np.load(DATA / "decode_maps.npz") as maps:
        prob = maps[name].astype(np.float32) / np.float32(200)
    found = decode(prob, config(expected["params"]), scale=tuple(expected["scale_factor"]))
    polygons = [np.array(p, np.float32).reshape(-1, 2) for p in expected["polygons"]]
    assert len(found) == len(polygons)
    if not polygons:
        return
    iou = compare(polygons, np.zeros(len(polygons), np.bool_), found.polygons, found.scores).iou
    partner = iou.argmax(axis=1)
    assert sorted(partner.tolist()) == list(range(len(polygons)))  # one to one
    assert iou.max(axis=1).min() > 0.999  # measured 0.9996; 0.98 was asked for
    assert np.abs(found.scores[partner] - np.array(expected["scores"])).max() < 1e-5  # measured 5e-7, the rest rounding

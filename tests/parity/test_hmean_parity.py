"""Scores against the reference's at every threshold, for both ways of matching."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffbin.metrics.iou import Matching, PictureMatch, compare, sweep

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "hmean.json").read_text())
CASES = [(name, setting) for name, settings in DATA["results"].items() for setting in settings]


def match(picture: dict[str, Any]) -> PictureMatch:
    def polygons(key: str) -> list[Any]:
        return [np.array(p, np.float64).reshape(-1, 2) for p in picture[key]]

    return compare(
        polygons("gt"),
        np.array(picture["ignored"], np.bool_),
        polygons("pred"),
        np.array(picture["scores"], np.float32),
    )


@pytest.mark.parametrize(("name", "setting"), CASES)
def test_figures_agree(name: str, setting: str) -> None:
    expected = DATA["results"][name][setting]
    strategy, kind = setting.split("/")
    matching: Matching = "greedy" if strategy == "vanilla" else "maximum"
    pictures = [match(picture) for picture in DATA["sets"][name]]
    scores = sweep(pictures, expected["thresholds"], iou=0.7 if kind == "iou07" else 0.5, matching=matching)
    assert [s.hits for s in scores] == expected["hits"]
    assert [s.regions for s in scores] == expected["gt_num"]
    assert [s.predictions for s in scores] == expected["pred_num"]
    for name_ in ("recall", "precision", "hmean"):
        assert [getattr(s, name_) for s in scores] == pytest.approx(expected[name_], abs=1e-12)

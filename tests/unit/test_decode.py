"""Decoding beyond parity: what the answer promises."""

import numpy as np
import pytest

from diffbin.config import Decode
from diffbin.decode import decode
from diffbin.geometry import signed_area


def bars(height: int = 96, width: int = 160) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    prob = np.zeros((height, width), np.float32)
    prob[10:20, 10:90] = 0.9
    prob[50:60, 30:140] = 0.6
    return prob


@pytest.mark.parametrize("shape", ["quad", "polygon"])
def test_regions_are_clockwise_scored_and_in_original_pixels(shape: str) -> None:
    found = decode(bars(), Decode(shape=shape), scale=(0.5, 0.5), size=(192, 320))  # type: ignore[arg-type]
    assert found.size == (192, 320)
    assert sorted(found.scores.tolist()) == pytest.approx([0.6, 0.9], abs=1e-5)
    assert all(signed_area(p) > 0 and p.dtype == np.float32 for p in found.polygons)
    top = min(found.polygons, key=lambda p: float(p[:, 1].min()))
    assert top[:, 0].min() < 20 and top[:, 0].max() > 178  # grown beyond the shrunk bar at 20 .. 178


def test_thresholds() -> None:
    assert len(decode(bars(), Decode(score_threshold=0.7))) == 1
    assert len(decode(bars(), Decode(mask_threshold=0.7))) == 1
    assert len(decode(bars(), Decode(mask_threshold=0.9))) == 0  # strictly above
    assert len(decode(bars(), Decode(min_width_px=50))) == 0
    assert len(decode(bars(), Decode(max_candidates=0))) == 1


def test_nothing_and_everything() -> None:
    assert len(decode(np.zeros((32, 32), np.float32), Decode())) == 0
    assert len(decode(np.ones((32, 32), np.float32), Decode())) == 1
    assert len(decode(np.ones((1, 1), np.float32), Decode())) == 0


def test_speckles_are_passed_over() -> None:
    prob = np.zeros((64, 64), np.float32)
    prob[::4, ::4] = 1
    assert len(decode(prob, Decode())) == 0

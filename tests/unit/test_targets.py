import numpy as np
import pytest
from benchmarks.chain import label_maps

from diffbin.config import Targets
from diffbin.data.targets import is_too_small, make_targets, shrink
from diffbin.detections import Points

SIZE = (100, 200)


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def test_a_box_shrinks_by_the_papers_distance() -> None:
    kernel = shrink(box(20, 20, 120, 60), 0.4)  # 4000 * 0.84 / 280 = 12
    assert kernel is not None
    assert kernel.min(axis=0).tolist() == [32, 32]
    assert kernel.max(axis=0).tolist() == [108, 48]


def test_the_threshold_peaks_on_the_border_and_falls_to_both_sides() -> None:
    maps = make_targets([box(20, 20, 120, 60)], np.array([False]), SIZE, Targets())
    assert maps.threshold[20, 70] == pytest.approx(0.7)
    assert maps.threshold[14, 70] == pytest.approx(0.5)
    assert maps.threshold[26, 70] == pytest.approx(0.5)
    assert maps.threshold[7, 70] == maps.threshold[40, 70] == pytest.approx(0.3)
    assert maps.threshold_mask[9, 70] and not maps.threshold_mask[7, 70]


def test_types_and_shapes() -> None:
    maps = make_targets([box(20, 20, 120, 60)], np.array([False]), SIZE, Targets())
    assert maps.prob.shape == maps.prob_mask.shape == maps.threshold.shape == maps.threshold_mask.shape == SIZE
    assert maps.prob.dtype == maps.prob_mask.dtype == maps.threshold_mask.dtype == np.uint8
    assert maps.threshold.dtype == np.float32


def test_no_region_gives_background() -> None:
    maps = make_targets([], np.zeros(0, np.bool_), SIZE, Targets())
    assert not maps.prob.any() and maps.prob_mask.all() and not maps.threshold_mask.any()
    assert np.all(maps.threshold == np.float32(0.3))


@pytest.mark.parametrize(
    ("polygon", "ignored"),
    [(box(20, 20, 120, 60), True), (box(20, 20, 120, 27), False), (np.zeros((4, 2), np.float32), False)],
    ids=["marked", "narrow", "vanished"],
)
def test_ignored_regions_are_masked_and_leave_no_label(polygon: Points, ignored: bool) -> None:
    maps = make_targets([polygon], np.array([ignored]), SIZE, Targets())
    assert not maps.prob.any() and not maps.threshold_mask.any()
    assert maps.prob_mask[polygon[0, 1].astype(int), polygon[0, 0].astype(int)] == 0


def test_a_polygon_of_one_line_does_no_harm_without_a_least_side() -> None:
    line = np.array([[10, 10.2], [50, 10.4], [90, 10.6], [50, 30.0]], np.float32)
    point = np.full((4, 2), 5, np.float32)
    maps = make_targets([line, point], np.array([False, False]), SIZE, Targets(min_side_px=0))
    assert np.isfinite(maps.threshold).all()


@pytest.mark.parametrize("x", [-500.0, -60.0, 150.0, 500.0])
def test_regions_over_the_edge_are_cut(x: float) -> None:
    maps = make_targets([box(x, 20, x + 100, 60)], np.array([False]), SIZE, Targets())
    assert maps.prob.any() == (-100 < x < 200)
    assert np.all(maps.threshold[maps.threshold_mask == 0] <= np.float32(0.7001))


def test_polygons_stay_as_they_are() -> None:
    polygon = box(20.5, 20.5, 120, 60)
    before = polygon.copy()
    make_targets([polygon], np.array([False]), SIZE, Targets())
    assert np.array_equal(polygon, before)


def test_too_small() -> None:
    assert is_too_small(box(0, 0, 100, 7.9), 8)
    assert not is_too_small(box(0, 0, 100, 8), 8)
    assert is_too_small(box(0, 0, 0.9, 0.9), 0)


@pytest.mark.parametrize("side", [30, 400])
def test_the_maps_are_those_of_every_pixel_against_every_edge(side: int) -> None:
    """Of a small region all edges are looked at in one go, of a large one each within its reach."""
    slanted = np.array([[20, 24], [60 + side, 10], [50 + side, 60], [40, 70 + side / 2]], np.float32)
    ring = np.array([[-9, 20], [side, 15], [side + 9, side], [side - 20, 40], [20, 44], [10, side + 5]], np.float32)
    for polygon in (slanted, ring):
        maps = make_targets([polygon], np.array([False]), (500, 500), Targets())
        plain = label_maps([polygon], np.array([False]), 500, Targets())
        assert np.array_equal(maps.prob, plain.prob) and np.array_equal(maps.prob_mask, plain.prob_mask)
        assert np.array_equal(maps.threshold_mask, plain.threshold_mask)
        assert np.abs(maps.threshold - plain.threshold).max() < 1e-3

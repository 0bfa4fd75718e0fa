"""Decoding beyond parity: what the answer promises."""

from itertools import product

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from diffbin.config import Decode, Preprocess
from diffbin.decode import decode, mean_inside
from diffbin.geometry import Integers, Rings, grow_convex, signed_area
from diffbin.metrics.iou import compare


def test_long_thin_lines_are_kept_where_contours_are_hardly_simplified() -> None:
    prob = np.zeros((96, 640), np.float32)
    cv2.line(prob, (20, 30), (600, 34), 0.9, thickness=4)
    assert len(decode(prob, Decode())) == 0  # a hundredth of its perimeter is more than its height: as the reference
    (found,) = decode(prob, Decode(epsilon_ratio=0.002)).polygons
    assert found[:, 0].max() - found[:, 0].min() > 580


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


@pytest.mark.parametrize("shape", ["quad", "polygon"])
def test_a_map_of_half_the_size_has_its_regions_in_the_same_place(shape: str) -> None:
    whole = decode(bars(), Decode(shape=shape), scale=(0.5, 0.5))  # type: ignore[arg-type]
    half = bars().reshape(48, 2, 80, 2).mean((1, 3))
    found = decode(half, Decode(shape=shape, rim_px=0.25), scale=(0.5, 0.5), stride=2)  # type: ignore[arg-type]
    for a, b in zip(whole.polygons, found.polygons, strict=True):
        edges = [(*p.min(axis=0), *p.max(axis=0)) for p in (a, b)]
        assert edges[0] == pytest.approx(edges[1], abs=2)
        middles = [(p.min(axis=0) + p.max(axis=0)) / 2 for p in (a, b)]
        assert middles[0] == pytest.approx(middles[1], abs=0.5), "moved by less than half of what the stride would"


def test_the_rim_reaches_the_edges_of_pixels() -> None:
    grown = {rim: decode(bars(), Decode(unclip_ratio=0, min_width_px=0, rim_px=rim)).polygons[1] for rim in (0.0, 1.0)}
    assert grown[0.0].min(axis=0).tolist() == [10, 10] and grown[0.0].max(axis=0).tolist() == [89, 19]
    assert grown[1.0].min(axis=0).tolist() == [9, 9] and grown[1.0].max(axis=0).tolist() == [90, 20]


def blob(points: list[tuple[float, float]]) -> NDArray[np.float32]:
    prob = np.zeros((60, 60), np.float32)
    cv2.fillPoly(prob, [np.array(points, np.int32)], (0.9,))
    return prob


def test_the_quad_of_a_small_round_blob_is_set_upright_in_its_place_and_as_large() -> None:
    word = blob([(20, 26), (23, 23), (27, 23), (30, 26), (27, 29), (23, 29)])  # its smallest rectangle is a diamond
    for prob in (word, np.ascontiguousarray(np.rot90(word))):
        (diamond,), (found,) = (decode(prob, Decode(upright_px=px)).polygons for px in (0, 12))
        assert abs(diamond[1] - diamond[0]).min() > 5
        (left, top), (right, bottom) = found[0], found[2]
        assert found.tolist() == [[left, top], [right, top], [right, bottom], [left, bottom]]
        assert (right - left) * (bottom - top) == pytest.approx(signed_area(diamond), rel=1e-5)
        assert found.mean(axis=0) == pytest.approx([places.mean() for places in prob.nonzero()[::-1]], abs=0.6)
        assert (right - left > bottom - top) == (prob is word)


def test_long_quads_and_those_of_larger_blobs_keep_their_angle() -> None:
    turned = blob([(30, 15), (45, 30), (30, 45), (15, 30)])
    for prob in (bars(), turned, turned[::2, ::2].copy()):  # the last is 9.9 pixels long
        plain, found = (decode(prob, Decode(upright_px=px)).polygons for px in (0, 9.8))
        assert len(found) and np.array_equal(plain, found)


def test_thresholds() -> None:
    assert len(decode(bars(), Decode(score_threshold=0.7))) == 1
    assert len(decode(bars(), Decode(mask_threshold=0.7))) == 1
    assert len(decode(bars(), Decode(mask_threshold=0.9))) == 0  # strictly above
    assert len(decode(np.where(bars() > 0, np.float32(0.75), 0), Decode(score_threshold=0.75))) == 2  # at least
    assert len(decode(bars(), Decode(min_width_px=50))) == 0
    assert len(decode(bars(), Decode(max_candidates=0))) == 1


def test_nothing_and_everything() -> None:
    assert len(decode(np.zeros((32, 32), np.float32), Decode())) == 0
    assert len(decode(np.ones((32, 32), np.float32), Decode())) == 1
    assert len(decode(np.ones((1, 1), np.float32), Decode())) == 0


def test_a_larger_map_has_room_for_more_candidates() -> None:
    known, config = Preprocess(long_px=128, short_px=64), Decode(max_candidates=10, min_width_px=0.0)
    for size, stride, most in (((64, 128), 1, 10), ((32, 64), 2, 10), ((65, 128), 1, 20), ((33, 64), 2, 20)):
        prob = np.zeros(size, np.float32)
        for x, y in product(range(2, size[1] - 6, 8), range(2, size[0] - 6, 8)):
            prob[y : y + 4, x : x + 4] = 1
        found = [len(decode(prob, config, stride=stride, known=own)) for own in (known, None)]
        assert found == [most + 1, 11], "one more than it says, as the reference"


def test_speckles_are_passed_over() -> None:
    prob = np.zeros((64, 64), np.float32)
    prob[::4, ::4] = 1
    assert len(decode(prob, Decode())) == 0


def test_what_its_rim_makes_wide_enough_is_kept() -> None:
    prob = np.zeros((64, 64), np.float32)
    prob[20:50, 20:23] = 1
    assert len(decode(prob, Decode(shape="quad", unclip_ratio=1.5, rim_px=3.0, min_width_px=10.0))) == 1


def blobs(seed: int) -> NDArray[np.float32]:
    """A map of smooth noise: round, long, holed and concave regions of 10 to 100 px."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((300, 400)).astype(np.float32), (0, 0), 5)
    return np.asarray(np.clip((noise - noise.mean()) / noise.std() * 0.3 + 0.1, 0, 1), np.float32)


def test_score_is_the_mean_over_the_outline_with_its_border() -> None:
    prob, outline = blobs(0), np.array([[30, 40], [200, 90], [120, 95], [60, 290]], np.int32)
    inside = np.zeros(prob.shape, np.uint8)
    cv2.fillPoly(inside, [outline], (1,))
    assert mean_inside(prob, outline) == pytest.approx(prob[inside > 0].mean(dtype=np.float64), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_quads_are_the_same_with_the_clipper_alone(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(rings: Rings, distances: NDArray[np.float64]) -> tuple[list[Integers], NDArray[np.bool_]]:
        grown, holds = grow_convex(rings, distances)
        assert holds.any()
        return grown, np.zeros_like(holds)

    found = decode(blobs(seed), Decode())
    monkeypatch.setattr("diffbin.decode.grow_convex", never)
    clipped = decode(blobs(seed), Decode())
    assert len(found) == len(clipped) > 20 and np.array_equal(found.scores, clipped.scores)
    iou = compare(clipped.polygons, np.zeros(len(clipped), np.bool_), found.polygons, found.scores).iou
    assert np.diag(iou).min() > 0.995


def test_polygons_of_concave_regions_stay_concave() -> None:
    prob = np.zeros((128, 128), np.float32)
    prob[20:100, 20:40] = prob[80:100, 20:100] = 1
    (region,) = decode(prob, Decode(shape="polygon")).polygons
    assert cv2.contourArea(region) < 0.9 * cv2.contourArea(cv2.convexHull(region))

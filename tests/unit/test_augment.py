from dataclasses import replace

import cv2
import numpy as np
import pytest

from diffbin.config import Augment
from diffbin.data.augment import augment, clip, distort, jitter_colour, place, sample_cut
from diffbin.data.motion import motion_blur
from diffbin.data.sample import Sample, Scene, as_scene
from diffbin.data.warp import Placement, rotation, transform, warp, window_matrix
from diffbin.detections import Points

STILL = {"flip_p": 0.0, "rotate_deg": 0.0, "brightness_delta": 0.0, "saturation_delta": 0.0}


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def area(polygon: Points) -> float:
    return float(cv2.contourArea(polygon, oriented=True))


def scene(polygons: list[Points], size: tuple[int, int] = (180, 320)) -> Scene:
    """White regions on grey, on a black ground that only lies outside of the picture."""
    picture = np.full((*size, 3), 90, np.uint8)
    for polygon in polygons:
        cv2.fillPoly(picture, [np.rint(polygon - 0.5).astype(np.int32)], (250, 250, 250))
    return as_scene(Sample(picture, polygons, np.zeros(len(polygons), np.bool_), ["word"] * len(polygons)))


WORDS = [box(30, 30, 110, 60), box(150, 40, 260, 80), box(60, 120, 200, 150)]


@pytest.mark.parametrize("crop", ["text", "scale"])
def test_regions_stay_on_their_pixels(crop: str) -> None:
    config = Augment(crop_px=256, crop=crop, brightness_delta=0, saturation_delta=0)  # type: ignore[arg-type]
    for seed in range(30):
        out = augment(scene(WORDS), config, np.random.default_rng(seed))
        assert out.picture.shape == (256, 256, 3) and out.picture.dtype == np.uint8
        assert len(out.polygons) == len(out.ignored) == len(out.texts)
        mask = np.zeros((256, 256), np.uint8)
        for polygon in out.polygons:
            assert polygon.dtype == np.float32 and area(polygon) > 0  # clockwise as seen on the screen
            assert polygon.min() >= -0.01 and polygon.max() <= 256.01
            cv2.fillPoly(mask, [np.rint(polygon - 0.5).astype(np.int32)], (1,))
        white = out.picture[:, :, 0] > 170
        union, both = (white | (mask > 0)).sum(), (white & (mask > 0)).sum()
        assert union == 0 or both / union > 0.8 or union - both < 300


def test_the_same_seed_gives_the_same_crop() -> None:
    config = Augment(crop_px=128, contrast_delta=0.3, blur_p=1.0, noise_p=1.0)
    first, second, other = (augment(scene(WORDS), config, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.picture, second.picture)
    assert all(np.array_equal(a, b) for a, b in zip(first.polygons, second.polygons, strict=True))
    assert not np.array_equal(first.picture, other.picture)


def test_a_text_window_cuts_no_word_and_is_padded_with_black() -> None:
    config = Augment(crop_px=256, **STILL)  # type: ignore[arg-type]
    for seed in range(40):
        placement, regions = place(scene(WORDS), config, np.random.default_rng(seed))
        assert regions.polygons
        height, width = placement.size
        assert max(height, width) == 256
        for polygon in regions.polygons:
            assert len(polygon) == 4
            assert polygon.max(axis=0)[0] <= width + 0.6 and polygon.max(axis=0)[1] <= height + 0.6
        crop = warp(scene(WORDS).read(1)[0], placement, 256)
        assert not crop[height:].any() and not crop[:, width:].any()
        assert crop[: height - 1, : width - 1].min() > 40


def test_a_picture_without_text_gives_a_crop_without_text() -> None:
    for crop in ("text", "scale"):
        out = augment(scene([]), Augment(crop_px=64, crop=crop), np.random.default_rng(0))
        assert not out.polygons and out.ignored.shape == (0,) and out.picture.any()


def test_regions_turned_out_of_the_picture_are_dropped() -> None:
    corner = scene([box(300, 0, 304, 4)], (400, 400))
    config = Augment(crop_px=64, flip_p=0, rotate_deg=45)
    found = [len(place(corner, config, np.random.default_rng(seed))[1].polygons) for seed in range(20)]
    assert 0 in found and 1 in found


def test_a_cut_lies_between_the_spans() -> None:
    spans = np.array([[10, 40], [60, 70], [65, 90]])
    rng = np.random.default_rng(0)
    for _ in range(300):
        start, end = sample_cut(spans, 100, 1, 0.1, rng)
        assert 0 <= start <= 60 and 70 <= end <= 100 and end - start >= 10
        for low, high in spans.tolist():
            assert not low < start < high and not low < end < high


@pytest.mark.parametrize("length", [1, 2, 7])
def test_cuts_of_tiny_pictures_and_of_all_covered_ones(length: int) -> None:
    for spans, keep in [(np.zeros((0, 2), int), None), (np.array([[0, length]]), 0)]:
        for seed in range(50):
            start, end = sample_cut(spans, length, keep, 0.1, np.random.default_rng(seed))
            assert 0 <= start < end <= length


def test_the_scale_window_keeps_the_drawn_scale_and_ignores_cut_words() -> None:
    config = Augment(crop_px=64, crop="scale", scale_min=1, scale_max=1, **STILL)  # type: ignore[arg-type]
    seen_cut = seen_whole = False
    for seed in range(60):
        placement, regions = place(scene([box(100, 60, 160, 80)]), config, np.random.default_rng(seed))
        assert placement.matrix[0, 0] == pytest.approx(1) and placement.size == (64, 64)
        for polygon, ignored in zip(regions.polygons, regions.ignored, strict=True):
            share = area(polygon) / 1200
            assert ignored == (share < 0.6)
            seen_cut, seen_whole = seen_cut or ignored, seen_whole or share > 0.99
    assert seen_cut and seen_whole


def test_clip_takes_a_concave_polygon_apart() -> None:
    ushape = np.array([[-10, 0], [40, 0], [40, 5], [0, 5], [0, 15], [30, 15], [30, 20], [-10, 20]], np.float32)
    parts, ratio = clip(ushape, (100, 100))
    moved, _ = clip(ushape - np.array([5, 0], np.float32), (100, 100))
    assert [area(part) for part in moved] == [pytest.approx(175), pytest.approx(125)]
    assert sum(area(part) for part in parts) == pytest.approx(350)
    assert ratio == pytest.approx(350 / area(ushape))


def test_clip_of_whole_absent_and_flat_polygons() -> None:
    whole = box(1, 1, 5, 5)
    assert clip(whole, (9, 9))[0][0] is whole
    assert clip(box(-9, 1, -2, 5), (9, 9)) == ([], 0.0)
    assert clip(np.array([[-3, 3], [3, 3], [5, 3]], np.float32), (9, 9))[0] == []


def test_pixel_centres_under_scaling() -> None:
    picture = np.repeat(np.arange(0, 240, 2, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(120, axis=0)
    doubled = warp(picture, Placement(window_matrix(0, 0, 2), (240, 240)), 240)
    assert doubled[100, 100, 0] == pytest.approx(2 * (100.5 / 2 - 0.5), abs=1)
    reduced = warp(picture, Placement(window_matrix(0, 0, 1 / 3), (40, 40)), 40)
    assert reduced[20, 20, 0] == pytest.approx(2 * (20.5 * 3 - 0.5), abs=1)
    part = warp(picture, Placement(window_matrix(31, 0, 0.25), (20, 20)), 20)
    assert part[10, 10, 0] == pytest.approx(2 * (10.5 * 4 + 31 - 0.5), abs=1)


def test_strong_reduction_averages() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 200
    small = warp(stripes, Placement(window_matrix(0, 0, 0.25), (64, 64)), 64)
    assert np.abs(small[2:-2, 2:-2].astype(int) - 100).max() <= 1


def test_rotation_keeps_the_centre() -> None:
    centre = np.array([[160, 90]], np.float32)
    assert np.allclose(transform(centre, rotation(10, (180, 320))), centre, atol=1e-4)


def test_colour_keeps_grey_grey_and_stays_off_when_told() -> None:
    picture = np.full((16, 16, 3), 100, np.uint8)
    config = Augment(saturation_delta=0.5, brightness_delta=0.2, contrast_delta=0.2)
    out = jitter_colour(picture, config, np.random.default_rng(3))
    assert np.ptp(out) <= 1 and 79 <= out[0, 0, 0] <= 121
    off = Augment(saturation_delta=0, brightness_delta=0)
    assert jitter_colour(picture, off, np.random.default_rng(3)) is picture
    assert distort(picture, off, np.random.default_rng(3)) is picture


def test_brightness_saturation_and_contrast_stay_within_their_bounds() -> None:
    base = Augment(crop_px=64, brightness_delta=0, saturation_delta=0, contrast_delta=0)
    picture = np.full((64, 64, 3), (90, 100, 110), np.uint8)
    picture[:, 32:] = (60, 70, 80)
    bright, spread, colourful = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        bright.append(jitter_colour(picture, replace(base, brightness_delta=0.2), rng).mean() / picture.mean())
        contrasted = jitter_colour(picture, replace(base, contrast_delta=0.4), rng).astype(float)
        spread.append((contrasted[0, 0] - contrasted[0, -1]).mean() / 30)
        assert abs(contrasted.mean() - picture.mean()) < 2
        saturated = jitter_colour(picture, replace(base, saturation_delta=0.5), rng).astype(float)
        colourful.append((saturated[0, 0, 2] - saturated[0, 0, 0]) / 20)
    for values, delta in ((bright, 0.2), (spread, 0.4), (colourful, 0.5)):
        assert 1 - delta - 0.1 < min(values) < 1 - 0.7 * delta and 1 + 0.7 * delta < max(values) < 1 + delta + 0.1


def test_noise_is_centred() -> None:
    picture = np.full((64, 64, 3), 100, np.uint8)
    out = distort(picture, Augment(noise_p=1.0), np.random.default_rng(3))
    assert out.mean() == pytest.approx(100, abs=0.5) and 1 < out.std() < 13


@pytest.mark.parametrize("crop", ["text", "scale"])
def test_a_quarter_turn_takes_words_with_it(crop: str) -> None:
    config = Augment(crop_px=256, crop=crop, quarter_p=1.0, scale_min=0.8, scale_max=0.8, **STILL)  # type: ignore[arg-type]
    wide = scene([box(40, 80, 280, 100)])
    rising = set()
    for seed in range(12):
        out = augment(wide, config, np.random.default_rng(seed))
        (polygon,) = out.polygons
        (x0, y0), (x1, y1) = polygon.min(axis=0), polygon.max(axis=0)
        assert y1 - y0 > 8 * (x1 - x0) and area(polygon) > 0
        assert out.picture[round(y0) + 2 : round(y1) - 2, round(x0) + 2 : round(x1) - 2].min() > 200
        rising.add(bool(polygon[1, 1] < polygon[0, 1]))
    assert rising == {False, True}, "to either side"


def test_motion_blurs_along_a_line_and_keeps_the_light() -> None:
    picture = np.full((64, 64, 3), 60, np.uint8)
    picture[32, 32] = 255
    across, down = motion_blur(picture, 3, 0), motion_blur(picture, 3, np.pi / 2)
    assert (across[32, 30:35] > 60).all() and (across[28:32] == 60).all()
    assert np.array_equal(across.transpose(1, 0, 2), down)
    assert abs(int(across.sum()) - int(picture.sum())) < 100
    assert not np.array_equal(distort(picture, Augment(motion_p=1.0), np.random.default_rng(0)), picture)
    for angle in np.linspace(0, np.pi, 9):
        blurred = motion_blur(picture, 1.5, angle)
        assert np.array_equal(blurred[28:37, 28:37], blurred[36:27:-1, 36:27:-1]), "it stays in its place"
        assert (blurred > 60).any(axis=2).sum() > 2

"""Words of one picture pasted into another."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import small_recipe
from diffbin.config import Augment
from diffbin.data.augment import augment
from diffbin.data.dataset import TrainSet
from diffbin.data.paste import paste
from diffbin.data.sample import Sample, Scene, as_scene
from diffbin.data.warp import Placement, window_matrix
from diffbin.detections import Points
from diffbin.errors import ConfigError
from diffbin.geometry import intersections, signed_area

SIZE = (200, 300)
STAY = Placement(window_matrix(0, 0, 1), SIZE)
MIRRORED = Placement(window_matrix(0, 0, 1) @ np.array([[-1.0, 0, 300], [0, 1, 0], [0, 0, 1]]), SIZE)


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def donor(*polygons: Points, ignored: tuple[int, ...] = ()) -> Scene:
    """Green words on a blue ground."""
    picture = np.full((*SIZE, 3), (0, 0, 120), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(picture, [polygon.astype(np.int32)], (0, 250, 0))
    flags = np.array([i in ignored for i in range(len(polygons))], np.bool_)
    return as_scene(Sample(picture, list(polygons), flags, [f"w{i}" for i in range(len(polygons))]))


def crop(*polygons: Points) -> Sample:
    """Grey, with regions that are all ignored."""
    return Sample(
        np.full((300, 300, 3), 100, np.uint8), list(polygons), np.ones(len(polygons), np.bool_), [""] * len(polygons)
    )


WORDS = (box(40, 40, 100, 60), box(120, 50, 170, 80), box(60, 120, 130, 140))


@pytest.mark.parametrize("placement", [STAY, MIRRORED], ids=["plain", "mirrored"])
def test_labels_follow_the_words(placement: Placement) -> None:
    for seed in range(10):
        host = crop(box(0, 0, 300, 70))
        out = paste(host, placement, SIZE, donor(*WORDS), count=3, rng=np.random.default_rng(seed))
        assert out.ignored.tolist() == [True] + [False] * (len(out.polygons) - 1) and len(out.polygons) > 1
        assert set(out.texts[1:]) <= {"w0", "w1", "w2"} and len(set(out.texts)) == len(out.texts)
        far = np.ones((300, 300), np.uint8)
        for polygon in out.polygons[1:]:
            assert polygon.dtype == np.float32 and signed_area(polygon) > 0
            inside = np.zeros((300, 300), np.uint8)
            cv2.fillPoly(inside, [np.rint(polygon - 0.5).astype(np.int32)], (1,))
            green = out.picture[..., 1] > 160
            assert (green & (inside > 0)).sum() > 0.85 * inside.sum()
            cv2.fillPoly(far, [np.rint(polygon).astype(np.int32)], (0,))
        untouched = cv2.erode(far, np.ones((19, 19), np.uint8))
        assert (out.picture[untouched > 0] == 100).all() and (host.picture == 100).all()
        assert (out.picture[200:] == 100).all()  # no picture is there


def test_words_cover_no_region_and_not_each_other() -> None:
    regions = [box(20, 20, 120, 60), box(160, 90, 280, 130)]
    for seed in range(20):
        out = paste(crop(*regions), STAY, SIZE, donor(*WORDS), count=3, rng=np.random.default_rng(seed))
        shared = intersections(out.polygons, out.polygons)
        np.fill_diagonal(shared, 0)
        assert shared.max() < 2


@pytest.mark.parametrize(
    "scene",
    [donor(WORDS[0], ignored=(0,)), donor(box(1, 40, 60, 60)), donor(box(10, 10, 290, 190)), donor()],
    ids=["ignored", "at the border", "too large", "no text"],
)
def test_what_cannot_be_pasted_is_not(scene: Scene) -> None:
    host = crop(box(0, 0, 200, 200))
    out = paste(host, STAY, SIZE, scene, count=3, rng=np.random.default_rng(0))
    assert len(out.polygons) == 1 and np.array_equal(out.picture, host.picture)


def test_a_crop_without_room_stays_as_it_is() -> None:
    host = crop(box(0, 0, 300, 200))
    out = paste(host, STAY, SIZE, donor(*WORDS), count=3, rng=np.random.default_rng(0))
    assert len(out.polygons) == 1 and np.array_equal(out.picture, host.picture)


def test_the_place_most_like_the_words_ground_is_taken() -> None:
    host = crop()
    host.picture[:, :150] = (0, 0, 120)
    out = [paste(host, STAY, SIZE, donor(WORDS[2]), count=1, rng=np.random.default_rng(seed)) for seed in range(20)]
    centres = [sample.polygons[0].mean(axis=0)[0] for sample in out if sample.polygons]
    assert len(centres) > 15 and max(centres) < 150


def test_samples_are_pasted_only_when_asked_for_and_always_alike(tmp_path: Path) -> None:
    for folder in ("images", "gt"):
        (tmp_path / folder).mkdir()
    for i in range(3):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), np.full((*SIZE, 3), 70 * i + 40, np.uint8))
        (tmp_path / "gt" / f"{i}.txt").write_text("40,40,100,40,100,60,40,60,word\n")
    recipe = replace(small_recipe(tmp_path), augment=Augment(crop_px=160, crop="scale", scale_min=0.8, scale_max=1))
    pasted = replace(recipe, augment=replace(recipe.augment, paste_p=0.5, paste_max=4))
    first, again, plain = (TrainSet(r) for r in (pasted, pasted, recipe))
    counts = []
    for number in range(20):
        one, same, other = first.sample(number), again.sample(number), plain.sample(number)
        assert np.array_equal(one.picture, same.picture)
        counts.append((len(one.polygons), len(other.polygons)))
    assert 5 < sum(a for a, _ in counts) - sum(b for _, b in counts) <= 20
    with pytest.raises(ConfigError, match="paste_max"):
        Augment(paste_p=0.1, paste_max=0)


def test_a_donor_changes_nothing_but_what_is_pasted() -> None:
    config = Augment(crop_px=128, brightness_delta=0, saturation_delta=0)
    scene = donor(*WORDS)
    plain = augment(scene, config, np.random.default_rng(3))
    out = augment(scene, config, np.random.default_rng(3), donor=donor(ignored=()))
    assert np.array_equal(plain.picture, out.picture) and len(plain.polygons) == len(out.polygons)

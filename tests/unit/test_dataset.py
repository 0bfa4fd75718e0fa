import gc
import multiprocessing
import pickle
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from diffbin.config import Augment, Data, Recipe, Source, Train
from diffbin.data import dataset, sources
from diffbin.data.dataset import Batch, TrainSet, collate, train_loader
from diffbin.data.sample import Sample
from diffbin.data.sources import PictureSource
from diffbin.errors import ConfigError, DiffbinWarning, InputError, TrainingError

WORD = "20,20,90,20,90,50,20,50,word\n"


def write(folder: Path, count: int, text: str = WORD) -> None:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        picture = np.full((80, 120, 3), 10 * i + 40, np.uint8)
        cv2.imwrite(str(folder / f"img_{i}.png"), picture)
        (folder / f"img_{i}.txt").write_text(text)


def recipe(root: Path, *sources: Source, **augment: float) -> Recipe:
    return Recipe(
        name="test",
        augment=Augment(crop_px=64, brightness_delta=0, **augment),  # type: ignore[arg-type]
        data=Data(root=str(root), train=sources or (Source(images="a", labels="a"),), batch_size=3, workers=0),
        train=Train(steps=5, seed=7),
    )


def same(first: Batch, second: Batch) -> bool:
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in Batch.__dataclass_fields__)


def test_a_batch_has_the_documented_types(tmp_path: Path) -> None:
    write(tmp_path / "a", 4)
    batch = next(train_loader(recipe(tmp_path)))
    assert batch.pictures.shape == (3, 3, 64, 64) and batch.pictures.dtype == torch.uint8
    for name in ("prob", "prob_mask", "threshold", "threshold_mask"):
        assert getattr(batch, name).shape == (3, 64, 64)
    assert batch.threshold.dtype == torch.float16 and batch.prob.dtype == torch.uint8
    assert same(batch, batch.to("cpu"))


def test_a_run_resumes_at_any_step(tmp_path: Path) -> None:
    write(tmp_path / "a", 4)
    whole = list(islice(train_loader(recipe(tmp_path)), 4))
    assert same(whole[2], next(train_loader(recipe(tmp_path), 2)))
    assert not same(whole[2], whole[3])


class FakeRenderer:
    def render(self, seed: int) -> Sample:
        polygon = np.array([[20, 20], [90, 20], [90, 50], [20, 50]], np.float32)
        return Sample(np.full((80, 120, 3), seed % 200 + 50, np.uint8), [polygon], np.array([False]), ["word"])


def test_a_step_comes_in_parts(tmp_path: Path) -> None:
    write(tmp_path / "a", 4)
    whole = recipe(tmp_path)
    whole = replace(whole, data=replace(whole.data, batch_size=4))
    parted = replace(whole, train=replace(whole.train, accumulate=2))
    wanted = [sample for batch in islice(train_loader(whole), 2) for sample in batch.pictures]
    found = [sample for batch in islice(train_loader(parted), 4) for sample in batch.pictures]
    assert len(found) == len(wanted) == 8 and all(map(torch.equal, found, wanted))


def test_rendered_text_has_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "Renderer", lambda config: FakeRenderer())
    endless = recipe(tmp_path, Source(format="synth"))
    train_set = TrainSet(endless)
    assert len({int(train_set.sample(number).picture.max()) for number in range(10)}) > 5
    assert np.array_equal(train_set.sample(3).picture, pickle.loads(pickle.dumps(train_set)).sample(3).picture)
    with pytest.raises(ConfigError, match="epoch_samples"):
        _ = train_set.epoch_samples
    assert TrainSet(replace(endless, train=Train(steps=1, epoch_samples=30))).steps_per_epoch == 10


def test_crops_change_their_side_by_step(tmp_path: Path) -> None:
    write(tmp_path / "a", 4)
    mixed = recipe(tmp_path, crop_px_min=32)
    batches = list(islice(train_loader(mixed), 12))
    sides = [batch.pictures.shape[2] for batch in batches]
    assert set(sides) == {32, 64} and all(batch.prob.shape[1:] == batch.pictures.shape[2:] for batch in batches)
    assert same(batches[7], next(train_loader(mixed, 7)))
    with pytest.raises(ConfigError, match="crop_px_min is 48"):
        recipe(tmp_path, crop_px_min=48)


@pytest.mark.slow
def test_workers_change_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a", 4)
    alone = recipe(tmp_path)
    helped = replace(alone, data=replace(alone.data, workers=2))
    expected, found = islice(train_loader(alone), 3), islice(train_loader(helped), 3)
    assert all(same(a, b) for a, b in zip(expected, found, strict=True))


@pytest.mark.slow
def test_an_error_in_a_worker_stays_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "a", 1)
    (tmp_path / "a" / "img_0.png").write_bytes(b"no")
    alone = recipe(tmp_path)
    with pytest.raises(InputError, match=r"^The picture .*img_0\.png is damaged.*\.$"):
        next(train_loader(replace(alone, data=replace(alone.data, workers=1))))


@pytest.mark.slow
def test_a_worker_that_is_asked_to_end_still_brings_what_is_waited_for(tmp_path: Path) -> None:
    write(tmp_path / "a", 4)
    alone = recipe(tmp_path)
    gc.collect()  # what other tests have left ends now, not later while the worker's time runs
    before = multiprocessing.active_children()
    batches = train_loader(replace(alone, data=replace(alone.data, workers=1)))
    next(batches)
    (child,) = set(multiprocessing.active_children()) - set(before)
    child.terminate()
    expected = islice(train_loader(alone), 1, 9)
    assert all(same(a, b) for a, b in zip(expected, islice(batches, 8), strict=True))
    child.join(dataset.GRACE_S + 10)
    assert not child.is_alive()


def test_batches_fit_into_the_memory_that_processes_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a", 3)
    alone = recipe(tmp_path)
    tensors = vars(next(train_loader(alone))).values()
    batch = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    helped = replace(alone, data=replace(alone.data, workers=2))
    ahead = []
    monkeypatch.setattr(dataset, "cores", lambda: 2)
    monkeypatch.setattr(dataset, "SHARED", tmp_path)
    monkeypatch.setattr(DataLoader, "__init__", lambda _, *__, prefetch_factor, **___: ahead.append(prefetch_factor))
    monkeypatch.setattr(DataLoader, "__iter__", lambda _: iter([None]))
    for free in (99, 9, 4, 3):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: SimpleNamespace(free=free * batch))
        if free > 3:
            next(train_loader(helped))
    assert ahead == [4, 3, 1]
    with pytest.raises(TrainingError, match=r"takes 1 MB of .*, of 0 free; .* data\.workers=0"):
        next(train_loader(helped))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0, total=12 * batch))  # the other has begun
    next(train_loader(helped))
    assert ahead[-1] == 2


def test_each_pass_shows_every_picture_once_in_a_new_order(tmp_path: Path) -> None:
    write(tmp_path / "a", 12)
    train_set = TrainSet(recipe(tmp_path, rotate_deg=0))
    shades = [int(train_set.sample(number).picture.max()) for number in range(24)]
    assert sorted(shades[:12]) == sorted(shades[12:]) == [10 * i + 40 for i in range(12)]
    assert shades[:12] != shades[12:]
    assert train_set.epoch_samples == 12 and train_set.steps_per_epoch == 4


def test_a_mixture_draws_by_weight(tmp_path: Path) -> None:
    write(tmp_path / "a", 3)
    write(tmp_path / "b", 1, "")
    sources = (Source(images="a", labels="a", weight=3), Source(images="b", labels="b", weight=1))
    train_set = TrainSet(recipe(tmp_path, *sources))
    share = sum(len(train_set.sample(number).polygons) > 0 for number in range(200)) / 200
    assert 0.65 < share < 0.85
    assert train_set.epoch_samples == 4


def test_pictures_are_drawn_by_their_own_weights(tmp_path: Path) -> None:
    write(tmp_path / "a", 3)
    (tmp_path / "hard.csv").write_text("picture,weight\nimg_0.png,1\nimg_1.png,0\nimg_2.png,3\nother.png,9\n")
    weighted = Source(images="a", labels="a", picture_weights="hard.csv")
    plain = PictureSource(weighted, str(tmp_path)).shares
    (tmp_path / "hard.csv").write_text((tmp_path / "hard.csv").read_text(), "utf-8-sig")  # as Excel saves it
    assert np.array_equal(PictureSource(weighted, str(tmp_path)).shares, plain)  # type: ignore[arg-type]
    train_set = TrainSet(recipe(tmp_path, weighted, rotate_deg=0))
    shades = [int(train_set.sample(number).picture.max()) for number in range(200)]
    assert set(shades) == {40, 60} and 0.65 < shades.count(60) / 200 < 0.85
    assert shades[7] == int(pickle.loads(pickle.dumps(train_set)).sample(7).picture.max())
    for text, reason in (
        ("picture,weight\nimg_0.png,1\n", "no weight for the picture img_1.png"),
        ("picture,weight\nimg_0.png,many\n", "line 2: expected columns"),
        ("img_0.png,1\n", "no weight for the picture img_0.png"),
        ("picture,weight\nimg_0.png,-1\n", "-1 is not a number from 0 up"),
        ("picture,weight\nimg_0.png,0\nimg_1.png,0\nimg_2.png,0\n", "every picture the weight 0"),
    ):
        (tmp_path / "hard.csv").write_text(text)
        with pytest.raises(InputError, match=reason):
            PictureSource(weighted, str(tmp_path))
    with pytest.raises(InputError, match=r"none\.csv cannot be read"):
        PictureSource(replace(weighted, picture_weights="none.csv"), str(tmp_path))


def test_words_and_lines_are_mixed_only_when_told_so(tmp_path: Path) -> None:
    write(tmp_path / "a", 1, WORD + "95,20,110,20,110,50,95,50,more\n")
    words, lines = Source(images="a", labels="a"), Source(images="a", labels="a", unit="line")
    with pytest.raises(ConfigError, match="mixes words"):
        TrainSet(recipe(tmp_path, words, lines))
    joined = TrainSet(recipe(tmp_path, replace(words, labels_as="line"), lines))
    assert [len(source.load(0).polygons) for source in joined.sources] == [1, 2]
    TrainSet(recipe(tmp_path, replace(words, labels_as="word"), replace(lines, labels_as="line")))


def test_validation_is_of_the_unit_that_is_taught(tmp_path: Path) -> None:
    write(tmp_path / "a", 1)
    words = Source(images="a", labels="a")
    joined, lines = replace(words, labels_as="line"), replace(words, unit="line")
    for taught, scored, fits in ((words, joined, False), (lines, words, False), (joined, lines, True)):
        mixed = recipe(tmp_path, taught)
        mixed = replace(mixed, data=replace(mixed.data, validation=(scored,)))
        if fits:
            TrainSet(mixed)
        else:
            with pytest.raises(ConfigError, match=r"data.train teaches (word|line)s, but the labels of a in data.val"):
                TrainSet(mixed)


def test_background_is_kept_and_lost_text_is_drawn_anew(tmp_path: Path) -> None:
    write(tmp_path / "a", 1, "")
    write(tmp_path / "b", 3)
    (tmp_path / "b" / "img_0.txt").write_text("-60,-60,-20,-60,-20,-20,-60,-20,outside\n")
    sources = (Source(images="a", labels="a"), Source(images="b", labels="b"))
    with pytest.warns(DiffbinWarning, match="1 of 3 labelled regions lie outside their picture, as in .*img_0"):
        train_set = TrainSet(recipe(tmp_path, *sources))
    assert 0 in [len(train_set.sample(number).polygons) for number in range(8)]
    with pytest.warns(DiffbinWarning, match="outside"):
        only = TrainSet(recipe(tmp_path, Source(images="b", labels="b")))
    assert all(len(only.sample(number).polygons) for number in range(9))


def test_text_that_is_always_lost_stops_the_run(tmp_path: Path) -> None:
    write(tmp_path / "a", 1, "-60,-60,-20,-60,-20,-20,-60,-20,outside\n")
    with pytest.warns(DiffbinWarning, match="outside"), pytest.raises(TrainingError, match="lost all their text"):
        TrainSet(recipe(tmp_path))[0]


def test_errors_name_the_way_out(tmp_path: Path) -> None:
    write(tmp_path / "a", 2, "20,20,90,20,90,50,20,50,###\n")
    with pytest.raises(TrainingError, match="no text in the training data"):
        TrainSet(recipe(tmp_path))
    with pytest.raises(InputError, match='part "5:" leaves no picture'):
        TrainSet(recipe(tmp_path, Source(images="a", labels="a", part="5:")))
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="skip_unlabelled leave no picture"):
        TrainSet(recipe(tmp_path, Source(images="a", labels="none", skip_unlabelled=True)))
    with pytest.raises(ConfigError, match="weights"):
        TrainSet(recipe(tmp_path, Source(images="a", labels="a", weight=0)))
    empty = replace(recipe(tmp_path), data=Data())
    with pytest.raises(ConfigError, match="names no training data"):
        TrainSet(empty)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a", 1)
    (tmp_path / "a" / "img_0.png").write_bytes(b"no")
    with pytest.raises(InputError, match=r"img_0\.png is damaged"):
        TrainSet(recipe(tmp_path))[0]


def test_collate_keeps_the_threshold_close(tmp_path: Path) -> None:
    write(tmp_path / "a", 1)
    example = TrainSet(recipe(tmp_path))[0]
    batch = collate([example, example])
    assert np.abs(batch.threshold[1].float().numpy() - example.targets.threshold).max() < 3e-4

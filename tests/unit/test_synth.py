"""The text renderer, with Pillow's own font and made-up backgrounds: nothing of the machine is needed."""

import os
import subprocess
import sys
import time
import unicodedata
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import NoReturn

import cv2
import numpy as np
import pytest

from conftest import session, wait_for_end
from diffbin.config import Source
from diffbin.data.annotations import READERS
from diffbin.data.sample import Sample
from diffbin.data.synth import Renderer, contact_sheet, render_set
from diffbin.data.synth.alphabets import ALPHABETS
from diffbin.data.synth.block import Line, Setting, set_block
from diffbin.data.synth.compose import _draw_downwards
from diffbin.data.synth.corpus import prose, text_words
from diffbin.data.synth.fonts import BUILT_IN, FontBook, _find, drawable, load
from diffbin.data.synth.labels import cut
from diffbin.data.synth.page import draw_page
from diffbin.data.synth.settings import Scripts, Synth
from diffbin.data.synth.warp import draw_arc, draw_warp, quarter_warp, turn_layer
from diffbin.data.synth.words import PROBES
from diffbin.errors import ConfigError, InputError
from diffbin.plain import from_dict, to_dict

SETTING = Setting(gap_ratio=0.3, leading_ratio=1.3, tracking_ratio=0.0, align=0.0, leftwards=False)


@pytest.fixture
def fonts(tmp_path: Path) -> str:
    """An empty folder of fonts: leaves Pillow's own."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    return str(folder)


def render(fonts: str, seed: int, **settings: object) -> Sample:
    return Renderer(from_dict(Synth, {"fonts": fonts, "size_px": (320, 320), **settings})).render(seed)


def signed_area(polygon: np.ndarray) -> float:
    x, y = polygon.astype(float).T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)


def same(a: Sample, b: Sample) -> bool:
    return np.array_equal(a.picture, b.picture) and all(map(np.array_equal, a.polygons, b.polygons))


def test_fonts_are_looked_for_without_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as it is where the user has none
    assert _find.__wrapped__("")


def test_a_seed_gives_the_same_sample_in_any_order(fonts: str) -> None:
    first = [render(fonts, seed) for seed in range(3)]
    again = [render(fonts, seed) for seed in reversed(range(3))][::-1]
    assert all(same(a, b) and list(a.texts) == list(b.texts) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].picture, first[1].picture)


def test_labels_are_valid_and_inside_the_picture(fonts: str) -> None:
    total = ignored = 0
    for seed in range(25):
        sample = render(fonts, seed, curved_ratio=0.3)
        assert sample.picture.shape == (320, 320, 3) and sample.picture.dtype == np.uint8
        assert len(sample.polygons) == len(sample.texts) == len(sample.ignored)
        total, ignored = total + len(sample.texts), ignored + int(sample.ignored.sum())
        for polygon in sample.polygons:
            assert polygon.dtype == np.float32 and polygon.shape[0] >= 3 and polygon.shape[1] == 2
            assert polygon.min() >= 0 and polygon.max() <= 320
            assert signed_area(polygon) > 0  # clockwise as y points down
    assert total > 80 and ignored < total / 2


def test_empty_pictures_have_no_labels(fonts: str) -> None:
    sample = render(fonts, 1, empty_ratio=1.0)
    assert list(sample.polygons) == [] and sample.ignored.shape == (0,) and sample.ignored.dtype == np.bool_


def test_word_boxes_are_tight() -> None:
    block = set_block([Line(["Gap", "on", "x", "EXIT"], load(BUILT_IN, 40, "latin"))], SETTING)
    assert [word.text for word in block.words] == ["Gap", "on", "x", "EXIT"]
    columns = np.asarray((block.ink > 64).any(axis=0))
    for word in block.words:
        x0, y0, x1, y1 = (round(v) for v in word.box)
        ys, xs = np.nonzero(block.ink[:, x0:x1] > 64)
        assert (xs.min(), xs.max() + 1, ys.min(), ys.max() + 1) == (0, x1 - x0, y0, y1)
    for left, right in zip(block.words, block.words[1:], strict=False):
        gap = right.box[0] - left.box[2]
        assert 0.2 * 40 <= gap <= 0.5 * 40
        assert not columns[round(left.box[2]) + 1 : round(right.box[0]) - 1].any()


def test_lines_that_run_downwards_follow_from_right_to_left() -> None:
    lines = [Line(["AB", "C"], load(BUILT_IN, 40, "latin")), Line(["DE"], load(BUILT_IN, 40, "latin"))]
    block = set_block(lines, replace(SETTING, downwards=True, tracking_ratio=0.5))
    first, second = block.lines()
    assert (first.text, second.text) == ("AB C", "DE") and first.box[0] > second.box[2]
    for line in (first, second):
        x0, y0, x1, y1 = (round(v) for v in line.box)
        ys, xs = np.nonzero(block.ink[y0:y1, x0:x1] > 64)
        assert y1 - y0 > 2 * (x1 - x0) and (xs.min(), xs.max() + 1, ys.max() + 1) == (0, x1 - x0, y1 - y0)
    letters = np.diff((block.ink[:, round(second.box[0]) :].max(axis=1) > 64).astype(int)) == 1
    assert letters.sum() >= 2  # with white between them


def test_letters_are_set_apart_where_that_is_asked_for(fonts: str) -> None:
    assert not same(render(fonts, 4), render(fonts, 4, spaced_ratio=1.0, spaced_max_ratio=1.2))


def test_cjk_runs_downwards_where_that_is_asked_for_and_draws_no_number_else() -> None:
    def draw(script: str, *, single: bool = False, **settings: float) -> tuple[bool, float]:
        rng = Random(0)
        return _draw_downwards(rng, Synth(**settings), script, single=single), rng.random()  # type: ignore[arg-type]

    assert draw("cjk", vertical_ratio=1.0)[0]
    untouched = (False, Random(0).random())
    assert draw("cjk") == draw("latin", vertical_ratio=1.0) == draw("cjk", single=True, vertical_ratio=1.0) == untouched


@pytest.mark.parametrize("draw", [draw_warp, draw_arc])
def test_outlines_follow_the_ink_through_the_warp(draw: object) -> None:
    block = set_block([Line(["TIGHT", "words"], load(BUILT_IN, 40, "latin"))], SETTING)
    h, w = block.ink.shape
    for seed in range(8):
        warp = draw(Random(seed), (h, w), 5.0)  # type: ignore[operator]
        for word in block.words:
            x0, y0, x1, y1 = (round(v) for v in word.box)
            ink = np.zeros_like(block.ink)
            ink[y0:y1, x0:x1] = block.ink[y0:y1, x0:x1]
            outline = warp.outline(word.box)
            extent = np.ceil(outline.max(0)).astype(int) + 8
            seen = warp.pull([ink], (0, 0), (int(extent[1]), int(extent[0])))[0]
            inside = np.zeros_like(seen)
            cv2.fillPoly(inside, [(outline * 16 - 8).round().astype(np.int32)], 255, shift=4)
            written = seen > 100
            assert written[inside > 0].sum() > 0.97 * written.sum()
            ys, xs = np.nonzero(written)
            assert abs(xs.min() - max(outline[:, 0].min(), 0)) < 6 + 0.15 * h
            assert abs(ys.max() - outline[:, 1].max()) < 6 + 0.35 * h


def test_pictured_words_have_tight_labels(fonts: str) -> None:
    """In rendered pictures: each readable word has ink all along its box."""
    renderer = Renderer(Synth(fonts=fonts, pad_ratio=0.0, curved_ratio=0.0, hidden_ratio=0.0, faint_ratio=0.0))
    sample = renderer.render(4)
    assert len(sample.polygons) > 2
    for polygon in (p for p, ignored in zip(sample.polygons, sample.ignored, strict=True) if not ignored):
        h = float(np.linalg.norm(polygon[0] - polygon[-1]))
        w = float(np.linalg.norm(polygon[0] - polygon[1]))
        target = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        matrix = cv2.getPerspectiveTransform(polygon[:4], target)
        flat = cv2.warpPerspective(sample.picture, matrix, (max(round(w), 4), max(round(h), 4)))
        assert flat.std() > 8


def test_curved_words_have_more_points(fonts: str) -> None:
    sample = render(fonts, 3, curved_ratio=1.0)
    assert max(len(polygon) for polygon in sample.polygons) > 6


def test_lines_join_the_words(fonts: str) -> None:
    joined = 0
    for seed in range(6):
        words, lines = render(fonts, seed, curved_ratio=0.0), render(fonts, seed, curved_ratio=0.0, unit="line")
        assert np.array_equal(words.picture, lines.picture)
        assert len(lines.polygons) <= len(words.polygons)
        assert " ".join(lines.texts).split() == " ".join(words.texts).split()
        joined += len(words.polygons) - len(lines.polygons)
        for polygon in words.polygons:
            centre = polygon.mean(0)
            hit = [cv2.pointPolygonTest(line, centre.tolist(), measureDist=True) > -1 for line in lines.polygons]
            assert any(hit)
    assert joined > 5


def test_words_at_the_edge_are_cut() -> None:
    square = np.array([[-10, 10], [10, 10], [10, 30], [-10, 30]], np.float32)
    part, share = cut(square, (100, 100))
    assert share == pytest.approx(0.5)
    assert {tuple(p) for p in part.tolist()} == {(0, 10), (10, 10), (10, 30), (0, 30)}
    assert cut(square - 200, (100, 100))[1] == 0


def test_files_do_not_depend_on_the_number_of_processes(fonts: str, tmp_path: Path) -> None:
    config = Synth(fonts=fonts, size_px=(128, 160), words_max=6)
    seen: list[tuple[int, int]] = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        render_set(config, out=out, count=5, seed=7, workers=workers, progress=lambda *told: seen.append(told))
    files = [sorted(p for p in (tmp_path / name).rglob("*.*") if p.is_file()) for name in "12"]
    assert [p.name for p in files[0]] == [p.name for p in files[1]] and len(files[0]) == 11
    assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]
    assert seen == [(i, 5) for i in range(1, 6)] * 2


def test_a_broken_off_run_goes_on_and_another_is_refused(fonts: str, tmp_path: Path) -> None:
    config, out = Synth(fonts=fonts, size_px=(96, 96), words_max=4), tmp_path / "set"
    render_set(config, out=out, count=2, seed=0, workers=1)
    whole = (out / "gt" / "gt_000001.txt").read_bytes()
    (out / "gt" / "gt_000001.txt").unlink()
    render_set(config, out=out, count=3, seed=0, workers=1)
    assert (out / "gt" / "gt_000001.txt").read_bytes() == whole
    assert len(list((out / "images").iterdir())) == 3
    with pytest.raises(InputError, match="another seed"):
        render_set(config, out=out, count=1, seed=1, workers=1)


@pytest.mark.parametrize(("system", "workers"), [("linux", 96), ("win32", 61)])
def test_a_process_for_each_core_at_hand_or_as_many_as_windows_takes(
    system: str, workers: int, fonts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(workers: int, *_: object) -> NoReturn:
        asked.append(workers)
        raise BrokenProcessPool

    monkeypatch.setattr("diffbin.data.synth.writer.ProcessPoolExecutor", refuse)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(96)), raising=False)
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(ConfigError, match="A process that renders has ended"):
        render_set(Synth(fonts=fonts), out=tmp_path, count=200, seed=0, workers=0)
    assert asked == [workers]


@pytest.mark.slow
def test_a_killed_call_leaves_no_process(fonts: str, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "diffbin", "synth", "--out", str(tmp_path), "--fonts", fonts, "--count", "100000"]
    with subprocess.Popen([*line, "--workers", "2"], stderr=subprocess.DEVNULL, start_new_session=True) as child:
        while child.poll() is None and not list(tmp_path.glob("gt/*.txt")):
            time.sleep(0.05)
        assert len(session(child.pid)) > 2, "it had no workers"
        child.kill()
    wait_for_end(child.pid)


def test_the_label_files_can_be_read(fonts: str, tmp_path: Path) -> None:
    config = Synth(fonts=fonts, size_px=(256, 256))
    render_set(config, out=tmp_path, count=3, seed=0, workers=1)
    for seed in range(3):
        sample = Renderer(config).render(seed)
        read = READERS["icdar"](tmp_path / "gt" / f"gt_{seed:06d}.txt")
        assert read.ignored.tolist() == sample.ignored.tolist()
        for a, b in zip(read.polygons, sample.polygons, strict=True):
            np.testing.assert_allclose(a, b, atol=0.06)


def test_photographs_are_used(fonts: str, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.full((90, 1200, 3), (200, 30, 30), np.uint8))
    sample = render(fonts, 0, backgrounds=str(folder), photo_ratio=1.0, empty_ratio=1.0, clutter_ratio=0.0)
    red, _, blue = sample.picture.reshape(-1, 3).mean(0)
    assert blue > red + 30


def test_the_contact_sheet_is_written(fonts: str, tmp_path: Path) -> None:
    out = tmp_path / "sheet.jpg"
    contact_sheet(Synth(fonts=fonts, size_px=(96, 128)), seed=0, rows=2, columns=3, out=out)
    sheet = cv2.imread(str(out))
    assert sheet is not None and sheet.shape == (192, 384, 3)


@pytest.mark.parametrize("script", vars(Scripts()))
def test_every_script_has_words(script: str) -> None:
    words = text_words(Random(0), script, 200, "lower")
    assert len(set(words)) > 40 and all(words) and script in PROBES
    if script in ALPHABETS:
        letters = "".join(word for word in words if not word.isascii()).replace("\u200c", "")
        assert len(set(letters)) > 20 and all(script.upper() in unicodedata.name(letter) for letter in letters)
        assert not any(unicodedata.category(word[0]).startswith("M") for word in words), "a sign without its letter"


def test_letters_that_a_font_lacks_are_left_out_and_marks_stay() -> None:
    assert drawable(BUILT_IN, "a\u0301b\u4e00c") == "a\u0301bc"


def test_scripts_without_a_font_are_left_out(fonts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = render(fonts, 2, scripts=to_dict(Scripts(latin=0.1, arabic=9.0)), empty_ratio=0.0, height_max_px=30.0)
    assert sample.texts and all(ord(c) < 0x500 for text in sample.texts for c in text)
    nothing = dict.fromkeys(vars(Scripts()), 0.0)
    with pytest.raises(ConfigError, match=r"No font of .*fonts has a script .*: arabic\); name others, or fonts"):
        render(fonts, 2, scripts={**nothing, "arabic": 1.0})
    with pytest.raises(ConfigError, match=r"scripts: none"):
        render("", 2, scripts=nothing)
    families = FontBook.families
    monkeypatch.setattr(FontBook, "families", lambda book, script: families(book, "latin") if script == "thai" else ())
    with pytest.raises(ConfigError, match="pages are drawn in; leave page_ratio at 0"):
        render(fonts, 2, scripts={**nothing, "thai": 1.0}, page_ratio=1.0)


@pytest.mark.parametrize("wrong", [{"empty_ratio": 2.0}, {"hidden_ratio": -0.1}, {"scripts": {"thai": -1.0}}])
def test_shares_are_shares(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"it must be a number (from 0 to 1|0 or more)\."):
        from_dict(Synth, wrong)


@pytest.mark.parametrize("corners", [3, 4, 5, 6])
@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("EXIT\nNORTH", "EXIT NORTH"),
        ("1,200", "1 200"),
        ("200,190", "200 190"),
        ("12", "12"),
        ("a, b", "a, b"),
        ("007,5", "007,5"),
        ("", ""),
        ("\ud800", "?"),
    ],
)
def test_texts_of_originals_are_read_as_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, read: str, corners: int
) -> None:
    outline = np.array([[10, 10], [100, 10], [200, 10], [200, 50], [100, 50], [10, 50]], np.float32)
    outline = outline[{3: [0, 2, 5], 4: [0, 2, 3, 5], 5: [0, 1, 2, 3, 5], 6: [0, 1, 2, 3, 4, 5]}[corners]]
    outline[-1] += (0, 200)  # farther than the others are from each other
    sample = Sample(np.zeros((64, 64, 3), np.uint8), [outline], np.array([False]), [text])
    monkeypatch.setattr(Renderer, "render", lambda *_: sample)
    render_set(Synth(), out=tmp_path, count=1, seed=0, workers=1)
    found = READERS["icdar"](tmp_path / "gt" / "gt_000000.txt")
    assert list(found.texts) == [read]
    written = outline[[*range(corners), -1]] if corners in (3, 5) else outline
    assert np.array_equal(found.polygons[0], written)


@pytest.fixture
def photo(tmp_path: Path) -> Source:
    """One labelled picture: grey, with a sign that is read and one that is not cared for."""
    for name in ("images", "gt"):
        (tmp_path / name).mkdir()
    picture = np.full((200, 300, 3), 128, np.uint8)
    picture[20:80, 30:260] = picture[120:180, 150:290] = (10, 200, 250)
    cv2.imwrite(str(tmp_path / "images" / "a.png"), picture)
    labels = "30,20,260,20,260,80,30,80,SIGN\n150,120,290,120,290,180,150,180,###\n"
    (tmp_path / "gt" / "a.txt").write_text(labels)
    return Source(images=str(tmp_path / "images"), labels=str(tmp_path / "gt"))


def test_text_is_written_beside_that_of_labelled_pictures(fonts: str, photo: Source) -> None:
    before = cv2.cvtColor(cv2.imread(str(Path(photo.images) / "a.png")), cv2.COLOR_BGR2RGB)  # type: ignore[arg-type]
    written = 0
    for seed in range(8):
        sample = render(fonts, seed, originals=photo, height_max_px=40, hidden_ratio=1.0)
        assert sample.picture.shape == (200, 300, 3) and list(sample.texts[:2]) == ["SIGN", "###"]
        assert sample.ignored[:2].tolist() == [False, True] and len(sample.ignored) == len(sample.polygons)
        changed = (sample.picture != before).any(axis=2)
        assert not changed[20:80, 30:260].any() and not changed[120:180, 150:290].any()
        for polygon in sample.polygons[2:]:
            centre = polygon.mean(0).tolist()
            assert all(cv2.pointPolygonTest(old, centre, measureDist=False) < 0 for old in sample.polygons[:2])
        written += len(sample.polygons) - 2
        assert len(sample.polygons) > 2 or not changed.any()
    assert written >= 8
    assert np.array_equal(render(fonts, 1, originals=photo, empty_ratio=1.0).picture, before)


def test_a_part_without_pictures_is_named(fonts: str, photo: Source) -> None:
    with pytest.raises(InputError, match=r'part "50:" leaves no picture of .*images'):
        render(fonts, 0, originals=replace(photo, part="50:"))


def test_labelled_pictures_take_turns(fonts: str, photo: Source) -> None:
    folder = Path(photo.images)
    cv2.imwrite(str(folder / "b.png"), np.zeros((100, 120, 3), np.uint8))
    (Path(photo.labels) / "b.txt").touch()
    sizes = [render(fonts, seed, originals=photo).picture.shape[0] for seed in range(5)]
    assert sizes == [200, 100, 200, 100, 200]
    assert render(fonts, 1, originals=photo, words_max=3).picture.any()  # text alone on black


def test_labelled_pictures_are_of_the_unit_that_is_written(fonts: str, photo: Source, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="of a word each, but unit is line"):
        Synth(originals=photo, unit="line")
    assert Synth(originals=replace(photo, labels_as="line"), unit="line")
    with pytest.raises(ConfigError, match="name one of them"):
        Synth(originals=photo, backgrounds=str(tmp_path))
    with pytest.raises(ConfigError, match="page_ratio"):
        Synth(originals=photo, page_ratio=0.5)
    with pytest.raises(InputError, match="no folder of pictures"):
        render(fonts, 0, originals=replace(photo, images="absent"))


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="words_min"):
        Synth(words_min=5, words_max=2)
    with pytest.raises(ConfigError, match="gap_min_ratio"):
        Synth(gap_min_ratio=0.5)
    with pytest.raises(ConfigError, match="spaced_max_ratio"):
        Synth(spaced_max_ratio=0.01)
    with pytest.raises(ConfigError, match="size_px"):
        Synth(size_px=(10, 640))
    with pytest.raises(InputError, match="absent"):
        Renderer(Synth(backgrounds=str(tmp_path / "absent")))
    with pytest.raises(InputError, match="no pictures"):
        Renderer(Synth(backgrounds=str(tmp_path)))


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from diffbin.data.synth import Synth\n"
        "from diffbin.data.synth.writer import render_set\n"
        f"render_set(Synth(size_px=(128, 128)), out=Path({str(tmp_path / 'out')!r}), count=8, seed=0, workers=2)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "outside of `if __name__" in done.stderr


def test_pages_are_full_of_words_whose_boxes_are_tight(fonts: str) -> None:
    for seed in range(6):
        rng = Random(seed)
        config = Synth(fonts=fonts, height_min_px=10, height_max_px=14)
        page = draw_page(rng, config, FontBook(fonts), (480, 400))
        assert page.picture.shape == (480, 400, 3) and page.ink.shape == (480, 400) and len(page.words) > 20
        covered = np.zeros_like(page.ink)
        for word in page.words:
            x0, y0, x1, y1 = (round(v) for v in word.box)
            covered[max(y0, 0) : y1, max(x0, 0) : x1] = 255
            if x0 >= 0 and y0 >= 0 and x1 <= 400 and y1 <= 480:
                ink = page.ink[y0:y1, x0:x1] >= 64
                assert ink[0].any() and ink[-1].any() and ink[:, 0].any() and ink[:, -1].any()
        assert page.ink[covered == 0].max() < 64
        assert len(page.lines()) < len(page.words)


@pytest.mark.parametrize("unit", ["word", "line"])
def test_pages_flat_and_photographed_have_labels_inside_the_picture(fonts: str, unit: str) -> None:
    turned = labels = 0
    for seed in range(16):
        sample = render(fonts, seed, page_ratio=1.0, unit=unit, height_min_px=9, height_max_px=12)
        labels += len(sample.polygons)
        turned += any(abs(float(p[0, 1] - p[1, 1])) > 1 for p in sample.polygons)
        for polygon in sample.polygons:
            assert polygon.min() >= 0 and polygon.max() <= 320 and signed_area(polygon) > 0
    assert 0 < turned < 16 and labels > 100


def test_pages_may_lie_on_their_side_and_their_labels_with_them(fonts: str) -> None:
    for quarters in (-1, 0, 1):
        layer = np.zeros((30, 50), np.uint8)
        layer[7, 11] = 1
        (row,), (column,) = turn_layer(layer, quarters).nonzero()
        assert quarter_warp((30, 50), quarters).forward(np.array([[11.5, 7.5]])).tolist() == [[column + 0.5, row + 0.5]]
    settings = {"page_ratio": 1.0, "height_min_px": 9, "height_max_px": 12, "size_px": (320, 240)}
    down = {0.0: 0, 1.0: 0}
    for ratio, seed in product(down, range(12)):
        sample = render(fonts, seed, sideways_ratio=ratio, **settings)
        assert sample.picture.shape == (320, 240, 3) and sample.polygons
        assert sample.ignored.sum() <= 8, "labels lie on their ink, else they are taken for illegible"
        edges = np.array([abs(polygon[1] - polygon[0]) for polygon in sample.polygons])
        down[ratio] += edges[:, 1].sum() > edges[:, 0].sum()
    assert down[0.0] <= 2 and down[1.0] >= 10, "a photographed page may be turned further"


def test_prose_has_as_many_words_as_asked_for_in_every_script() -> None:
    for script in ("latin", "cyrillic", "greek", "cjk"):
        assert len(prose(Random(1), script, 50)) == 50
    assert sum(word[0].islower() for word in prose(Random(1), "latin", 200)) > 100

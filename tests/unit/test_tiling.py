"""Large pictures: where the tiles lie, how their maps become one, when they are used, and the warning when not."""

import json
import warnings
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from conftest import DarkIsText, small_recipe
from diffbin import Detector, tiling
from diffbin.config import Model, Preprocess, Recipe
from diffbin.errors import ConfigError, SmallTextWarning
from diffbin.image import ORDINARY, Resize
from diffbin.plain import from_dict
from diffbin.rgb import Picture
from diffbin.tiling import Tiles

CONFIG = Preprocess(long_px=128, short_px=96)  # an ordinary picture is seen at 0.1 of its size


@dataclass
class Brightness:
    """An engine for which what is bright is text."""

    recipe: Recipe  # its map has the stride of this one's model
    card: dict[str, str] = field(default_factory=dict)
    precision: str = "fp32"
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def describe(self) -> str:
        return "brightness"

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shapes.append(batch.shape)
        stride = self.recipe.model.map_stride
        batch = batch[:, :1].reshape(len(batch), 1, batch.shape[2] // stride, stride, -1, stride).mean((3, 5))
        return np.asarray(np.clip((batch * CONFIG.std_rgb[0] + CONFIG.mean_rgb[0]) / 255, 0, 1), np.float32)


@pytest.fixture
def engine(tmp_path: Path) -> Brightness:
    return Brightness(small_recipe(tmp_path))


def dark(height: int, width: int) -> Picture:
    return np.full((height, width, 3), 5, np.uint8)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(tiling.MIN_SIDE_PX, 2000))
def test_tiles_cover_the_picture_and_overlap(height: int, width: int, side: int) -> None:
    tiles = Tiles.cover((height, width), side, CONFIG)
    for starts, window, length in zip((tiles.tops, tiles.lefts), tiles.resize.original, (height, width), strict=True):
        assert starts[0] == 0 and starts[-1] + window == length and window == min(side, length)
        assert all(b - a <= window - int(window * tiling.OVERLAP_RATIO) for a, b in pairwise(starts))


def test_weights_add_up_to_one_and_fall_towards_the_edges() -> None:
    starts = [0, 25, 51]
    total, tapers = np.zeros(81), tiling.taper(starts, 30)
    for start, weights in zip(starts, tapers, strict=True):
        total[start : start + 30] += weights
    assert total == pytest.approx(1) and (np.diff(tapers[1][:5]) > 0).all() and tapers[1][10] == 1


@pytest.mark.slow
def test_the_blended_map_is_that_of_the_whole_picture(engine: Brightness) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (11, 13, 3), np.uint8)
    picture = np.asarray(cv2.resize(noise, (1300, 1100), interpolation=cv2.INTER_CUBIC), np.uint8)
    tiles = Tiles.cover((1100, 1300), 192, CONFIG)
    prob = tiling.blend(picture, tiles, engine, CONFIG)
    assert prob.shape == (550, 650) and prob.dtype == np.float32
    assert prob == pytest.approx(cv2.resize(picture[:, :, 0], (650, 550)) / 255, abs=0.02)  # half a pixel at the most
    assert {shape[1:] for shape in engine.shapes} == {(3, 96, 96)}
    assert max(shape[0] for shape in engine.shapes) <= tiling.BATCH


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("slope", [0, 0.13])
def test_a_line_across_seams_stays_one_region(engine: Brightness, slope: float, stride: int) -> None:
    engine.recipe = replace(engine.recipe, model=from_dict(Model, {"map_stride": stride}))
    picture = dark(600, 1000)
    cv2.line(picture, (100, 200), (900, int(200 + 800 * slope)), (240, 240, 240), 40)
    (region,) = Detector(engine, tile=192)(picture)
    (_, _), (a, b), _ = cv2.minAreaRect(region.polygon)
    assert max(a, b) == pytest.approx(850, abs=60) and len(engine.shapes) > 10
    assert region.polygon.mean(axis=0) == pytest.approx((500, 200 + 400 * slope), abs=2)


def test_large_text_comes_from_the_coarser_map() -> None:
    coarse, fine = np.zeros((50, 90), np.float32), np.zeros((200, 360), np.float32)
    coarse[5:25, 5:60] = coarse[30:45, 5:60] = 0.9
    coarse[5:45, 70:74] = 0.9
    fine[4 * 30 : 4 * 45, 4 * 5 : 4 * 60] = 0.85
    large = tiling.large_text(coarse, fine, 0.3, 1)
    assert large[8:22, 8:57] == pytest.approx(0.9), "what only the coarser map has"
    assert not large[28:].any(), "the finer map has it too"
    assert not large[:, 65:].any(), "thin text"
    assert tiling.large_text(coarse, fine, 0.3, 2)[8:42, 71:73].all(), "unless the finer map does not see it"
    tiling.add_large(fine, coarse, 0.3, 1)
    assert fine[60, 100] == pytest.approx(0.9) and fine[150, 100] == np.float32(0.85)


def test_what_is_read_is_known_of_the_own_size_of_a_model() -> None:
    """An input that is large enough loses no text, and needs no tiles."""
    detector = Detector(DarkIsText())
    own = detector.preprocess
    picture = np.full((5 * ORDINARY[0], 5 * ORDINARY[1], 3), 255, np.uint8)
    with pytest.warns(SmallTextWarning):
        detector(picture)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.with_size(3 * own.short_px)(picture)
    size = Resize.fit((picture.shape[0], picture.shape[1]), detector.with_size(3 * own.short_px).preprocess)
    assert tiling.side(size, "auto", detector.with_size(3 * own.short_px).preprocess, own) == 0


def test_when_tiles_are_used() -> None:
    def side(size: tuple[int, int], tile: tiling.Tile, config: Preprocess = CONFIG) -> int:
        return tiling.side(Resize.fit(size, config), tile, config, config)

    reference = Preprocess(long_px=4068, short_px=1024)
    assert side((1440, 2560), "auto", reference) == 0 and side((1500, 2666), "auto", reference) == 720
    assert side((6000, 8000), "off", reference) == 0 and side((6000, 8000), 1500, reference) == 1500
    assert side((700, 720), 720, reference) == 0, "one tile is the picture"
    assert side((300, 2100), 2000) == 0, "tiles would be seen smaller than the whole"
    pixels, largest = 9000 * 9800, side((9000, 9800), tiling.MIN_SIDE_PX, reference)
    assert pixels * (1024 / largest) ** 2 <= tiling.MAX_SEEN_PIXELS, "memory is bounded"


@pytest.mark.parametrize("size", [(1, 5000), (90, 40000), (3000, 70)])
def test_strips(engine: Brightness, size: tuple[int, int]) -> None:
    found = Detector(engine, tile="auto")(dark(*size))
    assert len(found) == 0 and found.size == size and len(engine.shapes) > 1


def test_a_stream_answers_as_single_calls(engine: Brightness) -> None:
    large = dark(1600, 2700)
    large[300:400, 500:1200] = 240
    detector, pictures = Detector(engine, tile="auto"), [dark(90, 120), large, large[200:800, 400:1300]]
    for alone, result in zip(map(detector.detect, pictures), detector.stream(pictures), strict=True):
        assert len(alone) == len(result.get()) == (result.index > 0)
        assert all(np.array_equal(a, b) for a, b in zip(alone.polygons, result.get().polygons, strict=True))


def test_the_setting_is_checked_and_kept(engine: Brightness) -> None:
    assert Detector(engine, tile="auto").with_decode(score_threshold=0.5).tile == "auto"
    assert Detector(engine, tile="300").tile == Detector(engine, tile=300).tile == 300
    for wrong in ("on", "", -5, 10, "1e3"):
        with pytest.raises(ConfigError, match="it must be again, auto, off, or a side"):
            Detector(engine, tile=wrong)


def test_one_warning_names_the_option(engine: Brightness) -> None:
    with pytest.warns(SmallTextWarning, match="3000 x 4000 pixels .* --tile auto") as told:
        Detector(engine).detect(dark(3000, 4000))
    assert len(told) == 1 and told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Detector(engine).detect(dark(1440, 2560))
        Detector(engine, tile="auto").detect(dark(3000, 4000))


def test_the_command_line_says_it_in_a_sentence(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from diffbin import cli

    def run(*options: str) -> tuple[str, str]:
        monkeypatch.setattr("sys.argv", ["diffbin", "detect", str(tmp_path), "--model", str(model_file), *options])
        with pytest.raises(SystemExit):
            cli.main()
        printed = capsys.readouterr()
        return printed.out, printed.err

    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), dark(1600, 2700))
    out, err = run()
    assert [json.loads(line)["size"] for line in out.splitlines()] == [[1600, 2700]] * 2
    first, second = err.splitlines()
    assert first.startswith(f"diffbin: {tmp_path / 'a.png'} has ") and "--tile auto" in first and "b.png" in second
    assert run("--tile", "auto")[1] == ""
    assert run("--tile", "some") == (
        "",
        "diffbin: tile is some; it must be again, auto, off, or a side in pixels, 64 or more.\n",
    )


def test_a_tile_of_any_other_kind_is_told() -> None:
    for wrong in ([1], None, 5.5, "63"):
        with pytest.raises(ConfigError, match="it must be again, auto, off, or a side in pixels, 64 or more"):
            Detector(DarkIsText(), tile=wrong)  # type: ignore[arg-type]

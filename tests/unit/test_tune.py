"""Input size and thresholds chosen on labelled pictures."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import DarkIsText
from diffbin import zoo
from diffbin.cli import app
from diffbin.config import Preprocess, Source
from diffbin.detector import Detector
from diffbin.errors import DiffbinWarning, InputError
from diffbin.export import former, with_settings
from diffbin.metrics.evaluate import evaluate, list_labelled
from diffbin.metrics.iou import Score
from diffbin.metrics.tune import Setting, Trials, choose, sizes_around, tune
from diffbin.overrides import override

EXAMPLES = Path(__file__).parents[2] / "examples"


class Shrunk(DarkIsText):
    """As a trained network: what it finds is smaller than the text, and it is surer of a third of it."""

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        dark = super().run(batch)
        inner = np.minimum(dark, np.minimum(np.roll(dark, 3, 2), np.roll(dark, -3, 2)))
        return np.asarray(inner * 0.7, np.float32)


def test_the_best_setting_of_each_size(pages: Path) -> None:
    detector, source = Detector(Shrunk()), Source(images="images", labels="gt")
    pictures, seen = list_labelled([source], str(pages)), []
    settings = tune(detector, pictures, [64, 96], progress=lambda done, total: seen.append((done, total)))
    assert [setting.preprocess.short_px for setting in settings] == [64, 96] and seen == [(1, 2), (2, 2)]
    for setting in settings:
        tuned = Detector(detector.engine, decode=setting.decode, preprocess=setting.preprocess)
        found = evaluate(tuned, [source], str(pages)).fixed
        assert found.hmean == pytest.approx(setting.score.hmean)
        assert found.hmean >= evaluate(detector, [source], str(pages)).fixed.hmean
        assert setting.decode.score_threshold <= 0.7 and setting.decode.mask_threshold < 0.7


def test_its_own_settings_are_tried(pages: Path) -> None:
    detector = Detector(Shrunk()).with_decode(mask_threshold=0.33, unclip_ratio=2.05, score_threshold=0.29)
    (trial,) = [Trials(detector, detector.preprocess)]
    assert (0.33, 2.05) in {(tried.mask_threshold, tried.unclip_ratio) for tried in trial.matches}
    assert trial.scores[0] == 0.29 and len(trial.scores) == 13 and len(trial.matches) == 35
    assert sizes_around(750) == [576, 750, 928] and sizes_around(32) == [32] and sizes_around(10) == [10, 32]


def test_of_equal_settings_the_nearest_to_its_own_is_taken() -> None:
    detector = Detector(DarkIsText()).with_decode(mask_threshold=0.45, unclip_ratio=1.5, score_threshold=0.62)
    nothing = Trials(detector, detector.preprocess)
    assert nothing.best().decode == detector.decode


def test_a_smaller_input_is_taken_where_it_is_as_good() -> None:
    large = Setting(Preprocess(short_px=1024), DarkIsText.recipe.decode, Score(0.5, 90, 100, 100, 90))
    small = replace(large, preprocess=Preprocess(short_px=736), score=Score(0.5, 897, 1000, 1000, 897))
    poor = replace(large, preprocess=Preprocess(short_px=512), score=Score(0.5, 80, 100, 100, 80))
    assert choose([poor, large, small]) is small
    assert Preprocess(short_px=736, long_px=1312).resized(368) == Preprocess(short_px=368, long_px=656)
    assert "--set preprocess.short_px=736" in small.options and "hmean" not in small.options


def test_the_options_told_are_the_settings_chosen() -> None:
    own = Preprocess(short_px=800, long_px=1422, max_ratio=2.5)
    chosen = Setting(own.resized(1024), DarkIsText.recipe.decode, Score(0.5, 1, 1, 1, 1))
    told = override(replace(DarkIsText.recipe, preprocess=own), chosen.options.replace("--set ", "").split())
    assert (told.preprocess, told.decode) == (chosen.preprocess, chosen.decode)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model_file = zoo.MODELS["diffbin-words-fp32"]
    line = ["tune", str(model_file), "--images", str(EXAMPLES), "--gt", str(EXAMPLES / "gt"), "--part", ":2"]
    with pytest.warns(DiffbinWarning, match="2 pictures are too few to choose settings on; take 10"):
        app([*line, "--sizes", "416,448", "--out", str(tmp_path / "tuned.onnx"), "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert [row["preprocess.short_px"] for row in told["tried"]] == [416, 448]
    tuned, before = Detector(tmp_path / "tuned.onnx"), Detector(model_file)
    assert tuned.preprocess.short_px == told["chosen"]["preprocess.short_px"]
    assert tuned.decode.score_threshold == told["chosen"]["decode.score_threshold"]
    added = tuned.engine.card.pop("settings")
    assert tuned.engine.card == former(before.engine.card) and "chosen by diffbin tune on 2 pictures" in added
    batch = np.zeros((1, 3, 64, 64), np.float32)
    assert np.array_equal(tuned.engine.run(batch), before.engine.run(batch))
    with pytest.warns(DiffbinWarning):
        app([*line, "--sizes", "416"], standalone_mode=False)
    assert "--set decode.mask_threshold=" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"x\.safetensors must have a name that ends in \.onnx"):
        app([*line, "--out", str(tmp_path / "x.safetensors")], standalone_mode=False)
    for sizes in ("64,x", "31", "4097"):
        with pytest.raises(InputError, match=f"--sizes is {sizes}; .* 32 to 4096"):
            app([*line, "--sizes", sizes], standalone_mode=False)


def test_where_nothing_is_found_no_settings_are_chosen(model_file: Path, pages: Path) -> None:
    line = ["tune", str(model_file), "--images", str(pages / "images"), "--gt", str(pages / "gt"), "--sizes", "64"]
    with (
        pytest.warns(DiffbinWarning, match="too few"),
        pytest.raises(InputError, match=r"model\.onnx finds nothing that is labelled in .*gt, whatever the settings"),
    ):
        app(line, standalone_mode=False)
    for labels in (pages / "gt").iterdir():
        labels.write_text("1,1,9,1,9,9,1,9,###\n")
    with (
        pytest.warns(DiffbinWarning, match="too few"),
        pytest.raises(InputError, match=r"no text to choose settings by in .*gt: no region, or all are ignored"),
    ):
        app(line, standalone_mode=False)


def test_figures_of_former_settings_are_called_so(tmp_path: Path) -> None:
    before = Detector("diffbin-words").engine
    with_settings("diffbin-words", tmp_path / "tuned.onnx", before.recipe, chosen="by hand")
    card = Detector(tmp_path / "tuned.onnx").engine.card
    for name in ("validation", "int8"):
        assert card[f"{name} at former settings"] == before.card[name] and name not in card


def test_a_run_s_weights_keep_the_card_of_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, seen = tmp_path / "model.safetensors", dict[str, str]()
    shutil.copy(zoo.WEIGHTS["diffbin-words"], weights)
    shutil.copy(zoo.MODELS["diffbin-words-fp32"], tmp_path / "model.onnx")
    monkeypatch.setattr("diffbin.export.export", lambda *_, card, recipe: seen.update(card))
    with_settings(str(weights), tmp_path / "tuned.onnx", DarkIsText.recipe, chosen="by hand")
    before = Detector("diffbin-words-fp32").engine.card
    assert seen == {**former(before), "settings": "by hand"} and len(before) > 3

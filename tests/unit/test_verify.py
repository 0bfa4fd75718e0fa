"""Verification: what agrees passes, what differs is named and fails."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import SMALL, DarkIsText, page, small_recipe
from diffbin import cli
from diffbin.config import Preprocess, Source
from diffbin.data.labels import Annotation
from diffbin.detector import Detector
from diffbin.errors import ModelError
from diffbin.export import export
from diffbin.model.checkpoints import write_weights
from diffbin.model.dbnet import DBNet
from diffbin.verify import Verdict, _Way, table, verify


@pytest.fixture
def other(tmp_path: Path) -> str:
    """A model of the same recipe with other weights."""
    torch.manual_seed(7)
    network = DBNet(SMALL)
    torch.nn.init.normal_(network.get_parameter("det_head.binarize.0.weight"), std=0.5)
    write_weights(tmp_path / "o.safetensors", small_recipe(tmp_path), network.state_dict())
    export(tmp_path / "o.safetensors", tmp_path / "o.onnx", card={})
    return str(tmp_path / "o.onnx")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["diffbin", "verify", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def test_engines_and_the_weights_they_came_from_agree(model_file: Path, pages: Path) -> None:
    source = Source(images=str(pages / "images"), labels=str(pages / "gt"))
    verdict = verify([str(model_file), str(model_file.with_name("w.safetensors"))], labelled=source)
    assert verdict.passed and verdict.pictures == 2 and len(verdict.results) >= 4
    exact = [result for result in verdict.results if ", fp32" in result.engine]
    assert all(r.map_max < 1e-4 and r.agree == 1 and r.hmean is not None for r in exact)
    assert any("cuda" in reason for reason in verdict.absent)
    assert "ok" in table(verdict) and "not here: " in table(verdict)


@pytest.mark.slow
def test_another_model_fails_with_exit_code_1(
    model_file: Path, other: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(model_file)) == 0  # on rendered pictures
    assert "4 pictures" in capsys.readouterr().out
    assert run(monkeypatch, str(model_file), "--against", other, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["passed"] and any("maps differ by up to" in r["faults"][0] for r in told["results"] if r["faults"])


def test_maps_that_are_no_numbers_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DarkIsText, "run", lambda self, batch: np.full_like(batch[:, :1], np.nan))
    way = _Way("dark", Detector(DarkIsText()))
    answer = way.answer(page()[0])
    way.compare(answer, answer, None)
    verdict = Verdict(1, [way.result(way)], [])
    assert not verdict.passed and "not a number" in verdict.results[0].faults[0]
    assert "NaN" not in json.dumps(verdict.to_dict())


def test_models_that_look_at_other_sizes_compare_by_their_regions(
    model_file: Path, pages: Path, tmp_path: Path
) -> None:
    weights = model_file.with_name("w.safetensors")
    recipe = small_recipe(tmp_path)
    larger = type(recipe)(**{**vars(recipe), "preprocess": type(recipe.preprocess)(long_px=160, short_px=128)})
    export(weights, tmp_path / "large.onnx", card={}, recipe=larger)
    verdict = verify([str(model_file), str(tmp_path / "large.onnx")], pictures=[pages / "images" / "img_1.png"])
    assert np.isnan(verdict.results[-1].map_max)


def test_models_of_which_nothing_can_be_compared_do_not_pass() -> None:
    class Larger(DarkIsText):
        recipe = replace(DarkIsText.recipe, preprocess=Preprocess(long_px=256, short_px=192))

    small, large = _Way("dark", Detector(DarkIsText())), _Way("larger", Detector(Larger()))
    white = np.full((96, 128, 3), 255, np.uint8)
    large.compare(large.answer(white), small.answer(white), Annotation([], np.zeros(0, np.bool_), []))
    (fault,) = large.result(small).faults
    assert fault.startswith("nothing could be compared")
    large.compare(large.answer(page()[0]), small.answer(page()[0]), None)
    assert not large.result(small).faults


def test_a_model_that_no_engine_runs_does_not_pass(
    monkeypatch: pytest.MonkeyPatch, model_file: Path, tmp_path: Path
) -> None:
    for name in ("broken.onnx", "broken.pt"):
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(ModelError, match=rf"broken\{Path(name).suffix}"):
            verify([str(model_file), str(tmp_path / name)])
        assert run(monkeypatch, str(model_file), "--against", str(tmp_path / name)) == 2


def test_options_and_models_that_lack(monkeypatch: pytest.MonkeyPatch, model_file: Path, tmp_path: Path) -> None:
    assert run(monkeypatch, str(model_file), "--images", str(tmp_path)) == 2
    with pytest.raises(ModelError, match="There is no model nothing"):
        verify(["nothing"])


def test_nothing_compared_does_not_pass(monkeypatch: pytest.MonkeyPatch, model_file: Path, pages: Path) -> None:
    labelled = ("--images", str(pages / "images"), "--gt", str(pages / "gt"))
    assert run(monkeypatch, str(model_file), *labelled, "--part", "5:") == 2

"""Eight bits: written where they are good and faster, refused where not."""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from diffbin import Detector, cli, quantize, zoo
from diffbin.config import Source
from diffbin.errors import InputError, ModelError
from diffbin.quantize import Report, export_int8

EXAMPLES = Path(__file__).parents[2] / "examples"
GOOD = Report(pictures=9, hmean_fp32=0.8, hmean_int8=0.797, ms_fp32=20, ms_int8=10, calibrated_on=4)


def test_a_good_report_passes() -> None:
    quantize._check(GOOD, Path("a.onnx"))
    assert GOOD.sentence == (
        "hmean 0.7970 instead of 0.8000 on 9 pictures, 10 ms instead of 20; calibrated on 4 pictures"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hmean_int8": 0.79}, "lose more than 0.005 hmean"),
        ({"ms_int8": 21.0}, "not be faster"),
        ({"hmean_fp32": 0.0, "hmean_int8": 0.0}, "nothing to compare"),
    ],
)
def test_others_are_refused(change: dict[str, float], reason: str) -> None:
    with pytest.raises(ModelError, match=rf"a\.onnx was not written: .*{reason}"):
        quantize._check(replace(GOOD, **change), Path("a.onnx"))  # type: ignore[arg-type]


def test_a_set_without_text_compares_nothing(model_file: Path, tmp_path: Path) -> None:
    for name in ("images", "gt"):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.full((96, 128, 3), 255, np.uint8))
    (tmp_path / "gt" / "a.txt").touch()
    judge = Source(images=str(tmp_path / "images"), labels=str(tmp_path / "gt"))
    report = quantize._compare(model_file, model_file, judge, tmp_path / "images" / "a.png")
    with pytest.raises(ModelError, match="nothing to compare"):
        quantize._check(report, Path("a.onnx"))


def test_folders_without_pictures_and_options_that_lack(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = model_file.with_name("w.safetensors")
    with pytest.raises(InputError, match="no picture to calibrate on"):
        export_int8(weights, tmp_path / "m.onnx", card={}, calibration=tmp_path, judge=Source())
    monkeypatch.setattr(sys, "argv", ["diffbin", "export", str(weights), "--out", str(tmp_path / "m.onnx"), "--int8"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "--int8 needs --calibrate DIR" in capsys.readouterr().err and not (tmp_path / "m.onnx").exists()


@pytest.mark.slow
def test_the_embedded_model_in_eight_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quantize, "TURNS", 3)
    monkeypatch.setattr(quantize, "LARGEST_LOSS", 0.1)  # four pictures are no measure
    folders = ["--calibrate", EXAMPLES, "--images", EXAMPLES, "--gt", EXAMPLES / "gt"]
    command = ["export", zoo.WEIGHTS[zoo.EMBEDDED], "--out", tmp_path / "m.onnx", "--int8", *folders]
    monkeypatch.setattr(sys, "argv", ["diffbin", *map(str, command), "--set", "preprocess.short_px=640"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code and "calibrated on 4 pictures" in capsys.readouterr().out
    for engine in ("onnx", "openvino"):
        detector = Detector(tmp_path / "m.onnx", engine=engine, precision="int8")
        assert "int8" in detector.describe() and detector.preprocess.short_px == 640
        assert "instead of" in detector.engine.card["int8"] and len(detector(EXAMPLES / "img_925.jpg")) > 3


def test_depthwise_kernels_have_all_eight_bits_and_no_others() -> None:
    model = onnx.load(str(zoo.MODELS[zoo.EMBEDDED]))
    stored = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    kernels = {name: array for name, array in stored.items() if array.dtype == np.int8 and array.ndim == 4}
    largest = {name: int(np.abs(array.astype(int)).max()) for name, array in kernels.items()}
    assert {largest[name] for name, array in kernels.items() if array.shape[1] == 1} == {127}
    assert {largest[name] for name, array in kernels.items() if array.shape[1] > 1} == {64}

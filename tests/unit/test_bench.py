"""`diffbin bench`: everything asked for is in the table or listed with its reason. How fast is not asked here."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_cli import Run, io, run

from conftest import DarkIsText
from diffbin.bench import peers, report, subjects
from diffbin.bench.measure import Plan, measure, rendered
from diffbin.errors import ConfigError, DependencyError, InputError
from diffbin.image import load

__all__ = ["io"]  # the fixture
STAGES = {"read", "prepare", "network", "decode", "total"}


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "REST_S", 0)


@pytest.fixture
def pictures(pages: Path) -> list[Path]:
    return sorted((pages / "images").iterdir())


class RapidOCR:
    """Stands in for the library's class: finds two regions in every picture but the first."""

    asked: dict[str, Any]

    def __init__(self, params: dict[str, Any]) -> None:
        type(self).asked = params

    def __call__(self, path: str) -> SimpleNamespace:
        return SimpleNamespace(boxes=None if path.endswith("img_1.png") else np.zeros((2, 4, 2)))


@pytest.fixture
def rapidocr(monkeypatch: pytest.MonkeyPatch) -> type[RapidOCR]:
    module = ModuleType("rapidocr")
    module.RapidOCR = RapidOCR  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rapidocr", module)
    monkeypatch.setattr(peers, "version", lambda package: "1.0")
    return RapidOCR


@pytest.mark.slow
def test_every_combination_is_timed_or_told_of(
    model_file: Path, pictures: list[Path], rapidocr: type[RapidOCR]
) -> None:
    plan = Plan(
        models=(str(model_file), "none"), engines=("onnx", "openvino", "torch"), batches=(1, 2),
        sizes=(None, (64, 128)), threads=(1, 2), peers=("rapidocr",), turns=3, many=2,
    )  # fmt: skip
    turns: list[int] = []
    rows, absent = measure(plan, pictures, progress=lambda done, total: turns.append(done + 10 * total))
    ours, theirs = rows[:16], rows[16:]
    assert turns == [31, 32, 33] and len(rows) == 16 + 3 * 2 and len(absent) == 8 + 24
    for row in ours:
        assert set(row.times) == (STAGES | {"loop", "stream"} if row.subject.batch == 1 else {"network", "stream"})
        assert {len(times) for times in row.times.values()} == {3}
        assert all(row.least()[name] <= median for name, median in row.median().items())
    assert {row.input for row in ours} == {"96x128", "64x96"}
    assert [row.subject.size for row in theirs] == [(96, 128)] * 2 + [(64, 128)] * 2 + [None] * 2
    assert {row.regions for row in theirs} == {1.0} and all(set(row.times) == {"total", "loop"} for row in theirs)
    told = {one.what.split(", ")[0]: one.reason for one in absent}
    assert "exported model" in told[str(model_file)] and "There is no model none" in told["none"]


def test_a_peer_sees_the_same_size_and_threads(rapidocr: type[RapidOCR]) -> None:
    assert peers.open_peer("rapidocr", (736, 1312), 2).input == "short side 736"
    threads = {"EngineConfig.onnxruntime.intra_op_num_threads": 2}
    sizes = {"Det.limit_type": "min", "Det.limit_side_len": 736, "Global.max_side_len": 1312}
    assert rapidocr.asked.items() >= (threads | sizes).items()
    own = peers.open_peer("rapidocr", None, 0)
    assert own.input == "its own" and "a thread a core" in own.by and not set(sizes) & set(rapidocr.asked)


def test_onnxtr_by_its_documented_interface(monkeypatch: pytest.MonkeyPatch, pictures: list[Path]) -> None:
    def predictor(arch: str, *, assume_straight_pages: bool, engine_cfg: Any) -> Any:
        assert arch.startswith("db_") and not assume_straight_pages and engine_cfg.options.intra_op_num_threads == 2
        return lambda pages: [np.zeros((len(pages) + 2, 5, 2)) for _ in pages]

    models = ModuleType("onnxtr.models")
    models.detection_predictor = predictor  # type: ignore[attr-defined]
    models.EngineConfig = lambda session_options: SimpleNamespace(options=session_options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onnxtr", ModuleType("onnxtr"))
    monkeypatch.setitem(sys.modules, "onnxtr.models", models)
    monkeypatch.setattr(peers, "version", lambda package: "1.0")
    assert peers.open_peer("onnxtr", None, 2).count(pictures[0]) == 3
    with pytest.raises(ConfigError, match="no other size"):
        peers.open_peer("onnxtr", (736, 1312), 2)


def test_absent_peers_are_told(monkeypatch: pytest.MonkeyPatch, rapidocr: type[RapidOCR]) -> None:
    def unreachable(params: dict[str, Any]) -> None:
        raise OSError("no network")

    monkeypatch.setattr(sys.modules["rapidocr"], "RapidOCR", unreachable)
    with pytest.raises(DependencyError, match="cannot get its weights: no network"):
        peers.open_peer("rapidocr", None, 0)
    for name in ("rapidocr", "onnxtr"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(DependencyError, match=f"pip install {name}"):
            peers.open_peer(name, None, 0)
    with pytest.raises(ConfigError, match="known are: rapidocr, onnxtr"):
        peers.open_peer("others", None, 0)


def test_threads_of_torch_are_those_of_the_row(model_file: Path, pictures: list[Path]) -> None:
    before = torch.get_num_threads()
    try:
        rows, _ = measure(
            Plan(models=(str(model_file.with_name("w.safetensors")),), threads=(1, 2), turns=1, many=0), pictures
        )
        assert [row.subject.by[-9:] for row in rows] == ["1 threads", "2 threads"]
        for row, threads in zip(rows, (1, 2), strict=True):
            assert set(row.subject.measure(pictures)) == STAGES and torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_the_command_prints_a_table_and_writes_json(io: Run, model_file: Path, pages: Path, tmp_path: Path) -> None:
    options = ("--model", model_file, "--turns", 2, "--many", 2, "--batch", "1,2", "--json", tmp_path / "speed.json")
    code, out, _ = run(*io, "bench", pages / "images", *options, "--engine", "onnx", "--precision", "auto,bf16")
    heading, first, second, note = out.splitlines()
    assert code == 0 and heading.split()[:3] == ["model", "computed", "by"] and heading.endswith("times")
    assert "ONNX Runtime" in first and first.endswith("1.00") and second.endswith("-")
    assert len(heading) == len(first) == len(second)
    assert note.startswith("not measured: ") and "and 1 more" in note and "--engine openvino or torch" in note
    told = json.loads((tmp_path / "speed.json").read_text())
    assert told["pictures"] == ["img_1.png", "img_2.png"] and {"numpy", "onnxruntime"} <= set(
        told["machine"]["versions"]
    )
    assert [row["batch"] for row in told["rows"]] == [1, 2] and len(told["not_measured"]) == 2
    assert (
        set(told["rows"][0]["pictures_per_s"]) == {"network", "loop", "stream"}
        and told["rows"][0]["times_as_long"] == 1
    )


def test_nothing_measured_is_exit_code_2(io: Run, model_file: Path, pages: Path) -> None:
    code, out, _ = run(*io, "bench", pages / "images", "--model", "none", "--device", "cuda")
    assert code == 2 and out.startswith("not measured: none, auto, auto, batch 1: There is no model none")
    for bad in (("--size", "736"), ("--size", "0x9"), ("--batch", "a"), ("--batch", "0"), ("--threads", "0,2")):
        code, _, err = run(*io, "bench", pages / "images", "--model", model_file, *bad)
        assert code == 2 and err.startswith("diffbin: ") and len(err.splitlines()) == 1
    (pages / "images" / "img_3.png").write_bytes(b"not a picture")
    code, _, err = run(*io, "bench", pages / "images", "--model", model_file)
    assert code == 2 and "img_3.png is not a picture" in err


def test_a_recipe_runs_with_random_weights(pictures: list[Path], tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "from diffbin.config import Model, Recipe\n"
        "RECIPE = Recipe(name='own', model=Model(backbone='resnet18_half', lateral_channels=16, smooth_channels=8))\n"
    )
    plan = Plan(models=(), recipes=(str(own),), sizes=((64, 64),), turns=1, many=0)
    (row,), absent = measure(plan, pictures)
    assert row.subject.model == f"{own} (random)" and "PyTorch" in row.subject.by and not absent


def test_what_a_gpu_does_at_first_is_not_timed(pictures: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine stands in for one on a GPU: each batch is run thrice before the turns, when its graph is captured."""
    runs: list[int] = []

    class OnGpu(DarkIsText):
        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            runs.append(len(batch))
            return super().run(batch)

    ours = subjects.Ours.open("dark", OnGpu, size=None, batch=2, threads=0, many=0)
    ours.warm_up(pictures)
    assert runs.count(2) == 3 and runs.count(1) == len(pictures)
    runs.clear()
    monkeypatch.setattr(OnGpu, "describe", lambda engine: "dark is text, cpu")
    ours.warm_up(pictures)
    assert runs.count(2) == 1


@pytest.mark.slow
def test_rendered_pictures_are_the_same_every_time() -> None:
    with rendered() as first, rendered() as second:
        assert [load(path).shape for path in first] == [(720, 1280, 3)] * 4
        assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert not first[0].exists()


def test_ratios_are_to_the_first_row_with_a_whole() -> None:
    rows = [SimpleNamespace(median=lambda ms=ms: {"total": ms} if ms else {}) for ms in (None, 2.0, 5.0)]
    assert report.ratios(rows) == [None, 1.0, 2.5]  # type: ignore[arg-type]


def test_a_picture_that_cannot_be_read_stops_it(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        measure(Plan(), [tmp_path / "none.png"])

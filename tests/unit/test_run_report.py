"""What a run writes down: figures to each logger, pictures, and the page at its end."""

import sys
import time
import types
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from conftest import DarkIsText, page, small_recipe
from diffbin.config import Source
from diffbin.data.annotations import list_pictures
from diffbin.detector import Detector
from diffbin.errors import DependencyError, TrainingError, TrainingWarning
from diffbin.overrides import override
from diffbin.terminal import duration
from diffbin.train import loggers
from diffbin.train.log import RunLog
from diffbin.train.loggers import CsvLogger, Place, TensorBoardLogger, check_loggers, open_loggers, read_csv
from diffbin.train.loop import train
from diffbin.train.losses import LossParts
from diffbin.train.report import CHARTS, write_report
from diffbin.train.report.curves import chart
from diffbin.train.report.sheets import sample_sheet


@pytest.mark.slow
def test_a_run_leaves_pictures_and_a_page(pages: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(small_recipe(pages, eval_every_steps=2, preflight=True), out=out)
    text = (out / "report.html").read_text()
    for part in ("4 of 4 steps", "Score", "Curves", "Found in validation", "The first batch", "optim.lr", "PyTorch"):
        assert part in text, part
    assert text.count("data:image/jpeg;base64,") == 3  # the batch, the first and the last samples
    assert "http://" not in text and "https://" not in text and "<script" not in text  # it needs nothing beside it
    assert [path.name for path in sorted((out / "samples").iterdir())] == ["step_00000002.jpg", "step_00000004.jpg"]
    rows = read_csv(out)
    assert [row["step"] for row in rows if "hmean" in row] == [2, 4] and "seconds" in rows[-1]
    assert any((out / "tensorboard").iterdir())


def test_every_term_of_the_loss_is_summed_written_and_drawn() -> None:
    """Those that someone adds to `LossParts`, too."""
    names = [term.name for term in fields(LossParts)]
    parts = LossParts(*(torch.tensor(float(10**i)) for i in range(len(names))))
    assert float(parts.total) == sum(10**i for i in range(len(names)))
    columns = [f"loss_{name}" for name in names]
    assert [column for column in loggers.COLUMNS if column.startswith("loss_")] == columns
    assert list(CHARTS["Loss"]) == ["loss", *columns]


def test_a_page_of_a_run_that_has_not_begun(tmp_path: Path) -> None:
    text = write_report(tmp_path, small_recipe(tmp_path), state="0 of 4 steps").read_text()
    assert "Settings" in text and "Curves" not in text


def test_samples_show_what_is_found_and_what_is_not(pages: Path) -> None:
    source = Source(images=str(pages / "images"), labels=str(pages / "gt"))
    picture, quads = page(3)
    cv2.imwrite(str(pages / "images" / "img_2.png"), picture)
    elsewhere = [60, 80, 100, 80, 100, 94, 60, 94]
    lines = [",".join(map(str, quad)) + ",word" for quad in (*quads[:2], elsewhere)]
    (pages / "gt" / "gt_img_2.txt").write_text("\n".join(lines))
    sheet = sample_sheet(Detector(DarkIsText()).with_decode(unclip_ratio=0.1), [(source, list_pictures(source, "")[1])])
    assert sheet.shape[1:] == (1280, 3)
    drawn = sheet[30:-30, :640].astype(int)
    for colour in ((0, 200, 83), (235, 30, 60), (255, 150, 0)):  # found, missed, false
        assert (abs(drawn - colour).sum(axis=2) < 60).any(), colour


def test_a_network_that_has_diverged_is_shown(pages: Path) -> None:
    class Nowhere(DarkIsText):
        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.full_like(super().run(batch), np.nan)

    source = Source(images=str(pages / "images"), labels=str(pages / "gt"))
    sheet = sample_sheet(Detector(Nowhere()), [(source, list_pictures(source, "")[0])])
    assert sheet.shape[1:] == (1280, 3)


def test_rows_of_the_csv(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    log = CsvLogger(Place(tmp_path, recipe, 0))
    for step in (20, 40, 60):
        log.write(step, {"loss": step / 10, "hmean": 0.5})
    log.close()
    with (tmp_path / "log.csv").open("a") as file:
        file.write("80,broken of")
    CsvLogger(Place(tmp_path, recipe, 40)).close()  # a run that goes on from step 40
    assert [(row["step"], row["loss"]) for row in read_csv(tmp_path)] == [(20, 2.0), (40, 4.0)]
    assert [line.partition(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()] == ["step", "20", "40"]
    CsvLogger(Place(tmp_path, recipe, 0)).close()  # a new one
    assert not read_csv(tmp_path) and not read_csv(tmp_path / "nothing")


def test_means_of_the_steps(tmp_path: Path) -> None:
    with RunLog(Place(tmp_path, small_recipe(tmp_path), 0), total=22) as log:
        for step in range(1, 23):
            skipped = step == 3
            log.step(step, {"lr": 1.0, "loss": float("nan") if skipped else 2.0}, images=8, skipped=skipped)
    rows = read_csv(tmp_path)
    assert [(row["step"], row["loss"], row["skipped"]) for row in rows] == [(20, 2.0, 1.0), (22, 2.0, 0.0)]
    with RunLog(Place(tmp_path / "other", small_recipe(tmp_path), 0), total=1, enabled=False) as silent:
        silent.step(1, {"loss": 1.0}, images=1)
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_time_aside_is_not_that_of_training(tmp_path: Path) -> None:
    with RunLog(Place(tmp_path, small_recipe(tmp_path), 0), total=1) as log:
        with log.aside():
            time.sleep(1)
        log.step(1, {}, images=10)
    assert read_csv(tmp_path)[0]["images_per_s"] > 20


def test_events_of_the_step_gone_on_from_are_kept(tmp_path: Path) -> None:
    for start, steps in ((0, (2, 3)), (2, (4,))):
        events = TensorBoardLogger(Place(tmp_path, small_recipe(tmp_path), start))
        for step in steps:
            events.write(step, {"hmean": 0.5})
        events.close()
    shown = EventAccumulator(str(tmp_path / "tensorboard"))
    shown.Reload()
    assert [event.step for event in shown.Scalars("hmean")] == [2, 4]


class Service:
    """Stands for the libraries of Weights & Biases and MLflow, and notes what they are told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.info = types.SimpleNamespace(run_id="run7")
        self.id = "run7"

    def module(self, name: str) -> types.ModuleType:
        made = types.ModuleType(name)
        for attribute in ("log", "log_metrics", "log_artifact", "log_dict", "set_experiment", "finish", "end_run"):
            setattr(made, attribute, lambda *a, _n=attribute, **k: self.told.append((_n, a, k)))
        made.init = made.start_run = self.begin  # type: ignore[attr-defined]
        made.Image = str  # type: ignore[attr-defined]
        self.log, self.finish = made.log, made.finish
        return made

    def begin(self, **settings: Any) -> "Service":
        self.told.append(("begin", (), settings))
        return self


@pytest.mark.parametrize(
    ("name", "words"),
    [("wandb", ["begin", "log", "log", "finish"]),
     ("mlflow", ["set_experiment", "begin", "log_dict", "log_metrics", "log_artifact", "end_run"])],
)  # fmt: skip
def test_services_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: list[str]) -> None:
    service = Service()
    monkeypatch.setitem(sys.modules, name, service.module(name))
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    recipe = small_recipe(tmp_path, loggers=(name,))
    check_loggers(recipe.train.loggers)
    with RunLog(Place(tmp_path, recipe, 0), total=4) as log:
        log.write(2, {"loss": 1.0})
        log.picture(2, tmp_path / "a.jpg")
    assert [told[0] for told in service.told] == words
    with RunLog(Place(tmp_path, recipe, 2), total=4):
        pass
    begun = [told[2] for told in service.told if told[0] == "begin"]
    assert "run7" in begun[1].values() and "run7" not in begun[0].values()  # a resumed run goes on there, too


def test_a_service_that_fails_does_not_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __init__(self, _: Place) -> None:
            pass

        def write(self, *_: object) -> None:
            raise ConnectionError("no network\nlong story")

        def close(self) -> None:
            pass

    monkeypatch.setitem(loggers.LOGGERS, "tensorboard", Failing)
    told = pytest.warns(TrainingWarning, match=r"tensorboard failed: no network\. The run goes on")
    with RunLog(Place(tmp_path, small_recipe(tmp_path), 0), total=1) as log, told:
        log.write(1, {"loss": 1.0})
    assert len(read_csv(tmp_path)) == 1


def test_loggers_that_cannot_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(DependencyError, match="pip install wandb"):
        train(small_recipe(tmp_path, loggers=("wandb",)), out=tmp_path / "run")

    def no_login(_: Place) -> None:
        raise PermissionError("not logged in")

    monkeypatch.setitem(loggers.LOGGERS, "mlflow", no_login)
    with pytest.raises(TrainingError, match="mlflow cannot begin: not logged in"):
        open_loggers(("mlflow",), Place(tmp_path, small_recipe(tmp_path), 0))

    class Unreachable(CsvLogger):
        def close(self) -> None:
            super().close()
            raise ConnectionError("no network")

    monkeypatch.setitem(loggers.LOGGERS, "tensorboard", Unreachable)
    with pytest.raises(TrainingError, match="mlflow cannot begin: not logged in"):
        open_loggers(("tensorboard", "mlflow"), Place(tmp_path, small_recipe(tmp_path), 0))


def test_a_page_of_a_set_whose_name_is_in_no_encoding(tmp_path: Path) -> None:
    recipe = override(small_recipe(tmp_path), ["data.root=caf\udce9"])
    assert "caf\\udce9" in write_report(tmp_path, recipe, state="0 of 4 steps").read_text()


def test_loggers_are_set_as_texts(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    assert override(recipe, ["train.loggers=wandb,mlflow"]).train.loggers == ("wandb", "mlflow")
    assert override(override(recipe, ["train.loggers="]), ["train.loggers=wandb"]).train.loggers == ("wandb",)


def test_curves() -> None:
    drawn = chart("Loss", {"a": [(0, 1.0), (20, 0.1)], "b": [(0, float("nan"))]}, log=True)
    assert drawn.count("<polyline") == 1 and "a from 1 to 0.1" in drawn
    assert not chart("Nothing", {"a": [(0, 0.0)]}, log=True) and not chart("Nothing", {})
    many = chart("Long", {"a": [(float(i), 1.0) for i in range(10_000)]})
    assert len(many) < 10_000
    assert "<polyline" in chart("Over powers of ten", {"a": [(-5.0, 1.0), (-1.0, 2.0)]})


def test_durations() -> None:
    assert [duration(s) for s in (3, 99, 600, 7260, 200_000)] == ["3 s", "99 s", "10 min", "2 h 1 min", "2 d 7 h"]

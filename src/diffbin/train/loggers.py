"""Where the figures of a run are written: `log.csv`, TensorBoard, Weights & Biases, MLflow; one small protocol."""

import csv
import importlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

from diffbin.config import Recipe
from diffbin.errors import DependencyError, TrainingError
from diffbin.files import write_whole
from diffbin.plain import to_dict
from diffbin.train.losses import LossParts

CSV = "log.csv"
COLUMNS = (
    *("step", "seconds", "lr", "loss", *(f"loss_{term.name}" for term in fields(LossParts)), "skipped", "images_per_s"),
    *("precision", "recall", "hmean", "hmean_low", "hmean_high", "best_hmean"),
)
PROJECT = "diffbin"  # under which runs are filed elsewhere


class Logger(Protocol):
    """One place that figures are written to."""

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Figures by name, after step `step`."""

    def picture(self, step: int, path: Path) -> None:
        """A picture of samples, a file in the folder of the run, made after step `step`."""

    def close(self) -> None:
        """Nothing is written afterwards."""


@dataclass(frozen=True)
class Place:
    """What a logger is opened for: the folder of a run, which is there, its recipe, and the step it begins at."""

    out: Path
    recipe: Recipe
    start: int


class CsvLogger:
    """Rows of `log.csv`. What a run wrote after the checkpoint that it goes on from is taken out."""

    def __init__(self, place: Place) -> None:
        path = place.out / CSV
        head = io.StringIO(newline="")
        rows = csv.DictWriter(head, COLUMNS)
        rows.writeheader()
        kept = (row for row in read_csv(place.out) if place.start and row["step"] <= place.start)
        rows.writerows({**row, "step": int(row["step"])} for row in kept)
        write_whole(path, head.getvalue().encode())
        self._file = path.open("a", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(self._file, COLUMNS)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """See `Logger`."""
        self._csv.writerow({"step": step, **{name: f"{value:.6g}" for name, value in figures.items()}})
        self._file.flush()

    def picture(self, step: int, path: Path) -> None:
        """See `Logger`; it is a file already."""

    def close(self) -> None:
        """See `Logger`."""
        self._file.close()


def read_csv(out: Path) -> list[dict[str, float]]:
    """The rows of the `log.csv` in a run's folder, each with the figures that it has; none where there is no file."""
    path, rows = out / CSV, list[dict[str, float]]()
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                with suppress(ValueError, TypeError):  # a row that was broken off
                    rows.append({name: float(text) for name, text in row.items() if text and name in COLUMNS})
    return [row for row in rows if "step" in row]


class TensorBoardLogger:
    """Event files in `tensorboard/`."""

    def __init__(self, place: Place) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._events = SummaryWriter(str(place.out / "tensorboard"), purge_step=place.start + 1)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """See `Logger`."""
        for name, value in figures.items():
            self._events.add_scalar(name, value, step)

    def picture(self, step: int, path: Path) -> None:
        """See `Logger`."""
        import cv2
        import numpy as np

        pixels = cv2.imdecode(
            np.fromfile(path, np.uint8), cv2.IMREAD_REDUCED_COLOR_2
        )  # they are stored as PNG, each of them
        if pixels is not None:
            self._events.add_image("samples", pixels[..., ::-1].copy(), step, dataformats="HWC")

    def close(self) -> None:
        """See `Logger`."""
        self._events.close()


class WandbLogger:
    """A run of Weights & Biases; WANDB_MODE, WANDB_PROJECT and its other variables are the user's."""

    def __init__(self, place: Place) -> None:
        import wandb

        self._wandb = wandb
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=place.recipe.name,
            dir=str(place.out),
            config=to_dict(place.recipe),
            id=_old_name(place, "wandb"),
            resume="allow",
        )
        _keep_name(place, "wandb", self._run.id)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """See `Logger`."""
        self._run.log(dict(figures), step=step)

    def picture(self, step: int, path: Path) -> None:
        """See `Logger`."""
        self._run.log({"samples": self._wandb.Image(str(path))}, step=step)

    def close(self) -> None:
        """See `Logger`."""
        self._run.finish()


class MlflowLogger:
    """A run of MLflow; MLFLOW_TRACKING_URI and its other variables are the user's."""

    def __init__(self, place: Place) -> None:
        import mlflow

        self._mlflow = mlflow
        if "MLFLOW_EXPERIMENT_NAME" not in os.environ:
            mlflow.set_experiment(PROJECT)
        run = mlflow.start_run(run_id=_old_name(place, "mlflow"), run_name=place.recipe.name)
        mlflow.log_dict(to_dict(place.recipe), "recipe.json")
        _keep_name(place, "mlflow", run.info.run_id)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """See `Logger`."""
        self._mlflow.log_metrics(dict(figures), step=step)

    def picture(self, step: int, path: Path) -> None:
        """See `Logger`."""
        self._mlflow.log_artifact(str(path), "samples")

    def close(self) -> None:
        """See `Logger`."""
        self._mlflow.end_run()


def _old_name(place: Place, logger: str) -> str | None:
    """What the service calls the run that is gone on with."""
    path = place.out / f"{logger}.txt"
    return path.read_text("utf-8") if place.start and path.exists() else None


def _keep_name(place: Place, logger: str, name: str) -> None:
    write_whole(place.out / f"{logger}.txt", name.encode())


LOGGERS: dict[str, Callable[[Place], Logger]] = {
    "tensorboard": TensorBoardLogger,
    "wandb": WandbLogger,
    "mlflow": MlflowLogger,
}
NEEDED = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb", "mlflow": "mlflow"}  # modules


def check_loggers(names: Sequence[str]) -> None:
    """Raises `DependencyError` for a logger whose library is not installed: before a run, not in its middle."""
    for name in names:
        if name in NEEDED:
            try:
                importlib.import_module(NEEDED[name])
            except ImportError:
                raise DependencyError(
                    f"train.loggers asks for {name}, which is not installed: pip install {name}."
                ) from None


def open_loggers(names: Sequence[str], place: Place) -> dict[str, Logger]:
    """Each by its name. Raises `TrainingError` with the reason of one that cannot begin, as without a login."""
    opened: dict[str, Logger] = {"csv": CsvLogger(place)}
    try:
        for name in names:
            opened[name] = LOGGERS[name](place)
    except Exception as error:  # whatever a service's library raises
        for logger in opened.values():
            with suppress(Exception):  # of which the first error may be the reason
                logger.close()
        raise TrainingError(f"The logger {name} cannot begin: {reason(error)}. Change train.loggers?") from None
    return opened


def reason(error: Exception) -> str:
    """The first line of an error, or its type."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")

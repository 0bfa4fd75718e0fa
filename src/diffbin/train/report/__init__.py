"""The report of a run: one HTML page, made of what lies in the run's folder."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import fields
from html import escape
from pathlib import Path

import torch

from diffbin import __version__
from diffbin.config import Recipe
from diffbin.cores import cores
from diffbin.files import write_text
from diffbin.overrides import to_assignments
from diffbin.terminal import duration
from diffbin.train.loggers import read_csv
from diffbin.train.losses import LossParts
from diffbin.train.report.curves import chart
from diffbin.train.report.page import details, figures, page, picture, table

REPORT, BATCH, SAMPLES = "report.html", "batch.jpg", "samples"  # names in the folder
TERMS = {"prob": "P", "threshold": "T", "binary": "B", "distill": "teacher"}  # by their names in `LossParts`
CHARTS = {  # columns of log.csv, and what their curves are called
    "Score": {"hmean": "hmean", "precision": "precision", "recall": "recall"},
    "Loss": {"loss": "sum", **{f"loss_{term.name}": TERMS.get(term.name, term.name) for term in fields(LossParts)}},
    "Learning rate": {"lr": "rate"},
    "Pictures a second": {"images_per_s": "pictures"},
}
IN_POWERS = "Loss"  # its y axis has powers of ten
Rows = Sequence[Mapping[str, float]]


def write_report(out: Path, recipe: Recipe, *, state: str) -> Path:
    """Writes `report.html` from `log.csv`, `batch.jpg` and `samples/` in a run's folder, and returns its path.

    `state` says how far the run is. Raises `InputError` where it cannot be written.
    """
    rows = read_csv(out)
    time = f", {duration(rows[-1]['seconds'])}" if rows and "seconds" in rows[-1] else ""
    sections = {
        "Score": _score([row for row in rows if "hmean" in row]),
        "Curves": _charts(rows),
        "Found in validation pictures": _samples(sorted((out / SAMPLES).glob("*.jpg"))),
        "The first batch": picture(
            out / BATCH, "Crops with what is to be learned: kernels, their borders, ignored regions"
        ),
        "Settings": details(
            "All settings", table(("setting", "value"), [a.split("=", 1) for a in to_assignments(recipe)])
        ),
        "Machine": table((), _machine()),
    }
    write_text(out / REPORT, page(recipe.name, quiet=f"{state}{time}", sections=sections))
    return out / REPORT


def _score(judged: Rows) -> str:
    if not judged:
        return ""
    last, columns = judged[-1], ("step", "hmean", "hmean_low", "hmean_high", "precision", "recall", "best_hmean")
    told = {
        "hmean": f"{last['hmean']:.3f}",
        "95 % interval": f"{last['hmean_low']:.3f} to {last['hmean_high']:.3f}",
        "precision": f"{last['precision']:.3f}",
        "recall": f"{last['recall']:.3f}",
        "hmean, best threshold": f"{last['best_hmean']:.3f}",
    }
    every = [[f"{row['step']:.0f}", *(f"{row[name]:.4f}" for name in columns[1:])] for row in judged]
    note = (
        '<p class="quiet">Of the last validation, at IoU 0.5 and the score threshold of the recipe. The best threshold '
        "is chosen on these very pictures and flatters.</p>"
    )
    return figures(told) + note + details("All validations", table(columns, every))


def _charts(rows: Rows) -> str:
    drawn = []
    for title, names in CHARTS.items():
        curves = {text: [(row["step"], row[name]) for row in rows if name in row] for name, text in names.items()}
        curves = {text: points for text, points in curves.items() if points}
        svg = chart(title, curves, log=title == IN_POWERS)
        if svg:
            drawn.append(f"<figure><figcaption>{escape(title)}{_keys(list(curves))}</figcaption>{svg}</figure>")
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else ""


def _keys(names: Sequence[str]) -> str:
    sample = '<svg viewBox="0 0 26 10" aria-hidden="true"><polyline class="curve{0}" points="0,5 26,5"/></svg>'
    keys = (f'<span class="key">{sample.format(i)}{escape(name)}</span>' for i, name in enumerate(names))
    return "".join(keys) if len(names) > 1 else ""


def _samples(sheets: Sequence[Path]) -> str:
    if not sheets:
        return ""
    shown = [
        picture(path, f"{path.stem}: regions found, missed, and false, beside the map P")
        for path in (sheets[0], sheets[-1])
    ]
    first = details(f"After {_step(sheets[0])}", shown[0]) if len(sheets) > 1 else ""
    return f"<p>After {_step(sheets[-1])}</p>{shown[-1]}{first}"


def _step(sheet: Path) -> str:
    return f"step {int(sheet.stem.removeprefix('step_'))}"


def _machine() -> list[tuple[str, str]]:
    gpus = {torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
    return [
        ("computer", f"{platform.system()} {platform.machine()}, {cores()} cores"),
        ("GPU", ", ".join(sorted(gpus)) or "none"),
        ("software", f"diffbin {__version__}, PyTorch {torch.__version__}, Python {platform.python_version()}"),
    ]

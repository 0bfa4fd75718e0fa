"""The model card: what a trained model is, where it came from, and how good it was found to be."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from diffbin import __version__
from diffbin.config import Recipe
from diffbin.cores import cores
from diffbin.detector import Detector
from diffbin.files import write_text
from diffbin.image import Resize
from diffbin.metrics.evaluate import Report
from diffbin.model.cost import cost
from diffbin.overrides import to_assignments


def texts(start: str, recipe: Recipe, score: Report | None, *, steps: int, minutes: float) -> dict[str, str]:
    """The card that travels in the ONNX file; `score` is that of the held-back pictures."""
    sources = ", ".join(f"{source.images} (part {source.part or 'all'})" for source in recipe.data.train)
    size = Resize.ordinary(recipe.preprocess).padded
    parameters, multiply_adds = cost(recipe.model, size)
    told = {
        "summary": f"{start}, trained further on pictures of its owner; DBNet with {recipe.model.backbone}",
        "trained on": sources,
        "training": f"{steps} steps of {recipe.data.batch_size} crops of {recipe.augment.crop_px} pixels, "
        f"{recipe.train.precision}, {minutes:.0f} minutes on {hardware()}; {datetime.now(UTC):%Y-%m-%d}, "
        f"diffbin {__version__}",
        "validation": "none: no picture was held back",
        "cost": f"{parameters / 1e6:.1f} million parameters in training; {multiply_adds / 1e9:.1f} GMAC for a picture "
        f"of 1280 x 720, which goes in as {size[1]} x {size[0]}",
        "limits": "known for pictures like those it was trained on; thresholds and input size were chosen on these",
    }
    if score:
        told["validation"] = (
            f"hmean {score.fixed.hmean:.3f} (precision {score.fixed.precision:.3f}, recall {score.fixed.recall:.3f}; "
            f"95 % interval {score.interval_text}) on {score.pictures} pictures that were held back, at IoU 0.5"
        )
    return told


def hardware() -> str:
    """What it was trained on, in words."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"{cores()} cores of {platform.machine()}"


def write(path: Path, told: dict[str, str], rows: Sequence[tuple[str, Detector, Report]], recipe: Recipe) -> None:
    """The same as a page, with the scores before and after and all settings."""
    facts = "\n".join(f"- **{name}**: {text}" for name, text in told.items())
    settings = "\n".join(to_assignments(recipe))
    write_text(path, f"# Model card\n\n{facts}\n\n{table(rows)}\n## Settings\n\n```\n{settings}\n```\n")


def table(rows: Sequence[tuple[str, Detector, Report]]) -> str:
    """Name, input and score of each, as Markdown; "" without any."""
    if not rows:
        return ""
    lines = [
        "| on the held-back pictures | short side | hmean | 95 % interval | precision | recall |",
        "|---|" + "---|" * 5,
    ]
    for name, detector, score in rows:
        hmean, precision, recall = (
            f"{value:.3f}" for value in (score.fixed.hmean, score.fixed.precision, score.fixed.recall)
        )
        lines.append(
            f"| {name} | {detector.preprocess.short_px} | {hmean} | {score.interval_text} | {precision} | {recall} |"
        )
    return "\n".join(lines) + "\n"

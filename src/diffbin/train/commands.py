"""The commands `diffbin synth`, `train`, `export` and `recipes`: from data to a model file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from diffbin.errors import InputError
from diffbin.terminal import need_torch, progress

SetOption = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, as optim.lr=1e-3; may be repeated.")]


def synth(
    out: Annotated[Path, typer.Option(help="Folder for images/ and gt/.")],
    count: Annotated[int, typer.Option(min=1, help="Pictures to render.")] = 100,
    format_: Annotated[str, typer.Option("--format", help="Format of the labels: icdar.")] = "icdar",
    backgrounds: Annotated[str, typer.Option(help="Folder of photographs without text.")] = "",
    fonts: Annotated[str, typer.Option(help="Folder of fonts; those of the system unless given.")] = "",
    unit: Annotated[str, typer.Option(help="What is labelled: word or line.")] = "word",
    seed: Annotated[int, typer.Option(min=0, help="Picture i is that of seed + i.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 = as many as there are cores.")] = 0,
    assignments: SetOption = None,
) -> None:
    """Render pictures of text with exact labels."""
    from diffbin.config import from_dict
    from diffbin.data.synth import Synth, render_set
    from diffbin.overrides import override

    if format_ != "icdar":
        raise InputError(f"--format is {format_}; labels are written as icdar.")
    config = from_dict(Synth, {"backgrounds": backgrounds, "fonts": fonts, "unit": unit})
    config = override(config, assignments or [])
    with progress() as bar:
        task = bar.add_task("rendering", total=count)
        render_set(
            config, out=out, count=count, seed=seed, workers=workers,
            progress=lambda done: bar.update(task, completed=done),
        )  # fmt: skip


def train(
    recipe: Annotated[str, typer.Argument(help="A name of `diffbin recipes`, or a .py file that defines RECIPE.")],
    assignments: SetOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/RECIPE unless given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --out stopped.")] = False,
    weights: Annotated[
        str | None, typer.Option(help="Start from these: a model's name, a checkpoint, .safetensors, or official .pth.")
    ] = None,
    backbone: Annotated[
        Path | None, typer.Option(help="Start the backbone from this .pth: torchvision's, oCLIP's, or a detector's.")
    ] = None,
) -> None:
    """Train by a recipe."""
    from diffbin import recipes
    from diffbin.overrides import override

    need_torch("Training")
    from diffbin.train import devices
    from diffbin.train.loop import train as run
    from diffbin.train.start import read_start

    resolved = override(recipes.load(recipe), assignments or [])
    start = read_start(resolved, weights=weights, backbone=backbone)
    last = run(resolved, out=out or Path("runs") / resolved.name, resume=resume, start=start)
    if devices.is_first():
        print(f"Done. The model is {last}; make it small and fast with: diffbin export {last} --out model.onnx")


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of a run, or .safetensors.")],
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")],
    card: Annotated[Path | None, typer.Option(help="JSON file of texts by name: the model card.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Also write the weights as .safetensors.")] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="In eight bits, if that is faster and loses less than 0.005 hmean.")
    ] = False,
    calibrate: Annotated[Path | None, typer.Option(help="With --int8: folder of pictures of the kind to come.")] = None,
    images: Annotated[Path | None, typer.Option(help="With --int8: folder of pictures to score on.")] = None,
    gt: Annotated[Path | None, typer.Option(help="With --int8: folder of their labels.")] = None,
    format_: Annotated[str, typer.Option("--format", help="Format of the labels, as in eval.")] = "icdar",
    part: Annotated[str, typer.Option(help="Slice of the pictures to score on, as 900: or 0:900.")] = "",
    assignments: SetOption = None,
) -> None:
    """Write a trained model as ONNX, with its settings and card inside, checked against PyTorch."""
    need_torch("Exporting")
    from diffbin.config import Source, from_dict
    from diffbin.export import export as write
    from diffbin.model.checkpoints import read_weights, write_weights
    from diffbin.overrides import override

    stored, trained = read_weights(checkpoint)
    recipe = override(stored, assignments or [])
    if int8:
        if not (calibrate and images and gt):
            raise InputError("--int8 needs --calibrate DIR, and --images DIR and --gt DIR to compare the models on.")
        from diffbin.quantize import export_int8

        judge = from_dict(Source, {"format": format_, "images": str(images), "labels": str(gt), "part": part})
        report = export_int8(checkpoint, out, card=_read_card(card), calibration=calibrate, judge=judge, recipe=recipe)
        print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {report.sentence}")
    else:
        difference = write(checkpoint, out, card=_read_card(card), recipe=recipe)
        print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, differs from PyTorch by at most {difference:.1e}")
    if weights:
        write_weights(weights, recipe, trained)
        print(f"{weights}: {weights.stat().st_size / 1e6:.1f} MB")


def _read_card(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        card = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"The model card {path} cannot be read: {error}.") from None
    if not isinstance(card, dict) or not all(isinstance(text, str) for text in card.values()):
        raise InputError(f"The model card {path} must be one JSON object of texts.")
    return card


def list_recipes() -> None:
    """List what can be trained."""
    from diffbin import recipes

    for name in recipes.names():
        print(f"{name}\n    {recipes.describe(name)}")

"""The command `diffbin`. Thin: each command reads its options and calls one function of the package.

Exit codes: 0 done; 1 some pictures of several failed; 2 nothing was done, for a reason told in one sentence; 130 broken
off at the keyboard.
"""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from diffbin import __version__
from diffbin.errors import DependencyError, DiffbinError, InputError, SmallTextWarning
from diffbin.zoo import commands

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(commands.app, name="zoo")
app.command("models")(commands.list_models)
app.command("info")(commands.info)
ModelOption = Annotated[
    str, typer.Option(help="A name of `diffbin models` or `diffbin zoo list`, an .onnx file, or a checkpoint.")
]
TileOption = Annotated[
    str,
    typer.Option(
        help="Large pictures: auto looks at them in tiles; off, whole; a number is the tiles' side in pixels."
    ),
]
_PLAIN = warnings.showwarning
SetOption = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, as optim.lr=1e-3; may be repeated.")]


def main() -> None:
    """Entry point: errors of ours become one sentence and an exit code, warnings of ours a sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", SmallTextWarning)
            warnings.showwarning = _show_warning
            app()
    except DiffbinError as error:
        print(f"diffbin: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("diffbin: broken off.", file=sys.stderr)
        sys.exit(130)


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    if issubclass(category, SmallTextWarning):
        print(f"diffbin: {message}", file=sys.stderr)
    else:
        _PLAIN(message, category, *place, **more)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"diffbin {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Finds text in pictures with DBNet (differentiable binarization)."""


@app.command()
def detect(
    sources: Annotated[list[str], typer.Argument(help="Pictures, folders (searched below), or globs.")],
    model: ModelOption = "diffbin-words",
    out: Annotated[Path | None, typer.Option(help="Folder for the answers; without it they are printed.")] = None,
    format_: Annotated[str, typer.Option("--format", help="json or icdar.")] = "json",
    polygons: Annotated[
        bool | None, typer.Option("--polygons/--quads", help="Shape of the regions; the model's own unless given.")
    ] = None,
    score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least score; the model's own unless given.")
    ] = None,
    draw: Annotated[bool, typer.Option("--draw", help="Also write each picture with its regions drawn.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="Threads that compute one picture; 0 = all cores.")] = 0,
    tile: TileOption = "off",
) -> None:
    """Find text. Prints or writes one answer a picture, in pixels of the upright original."""
    from diffbin import batch
    from diffbin.detector import Detector

    batch.check_format(format_)
    if draw and out is None:
        raise InputError("--draw writes pictures; say where with --out DIR.")
    jobs = batch.plan(sources, out, format_)
    detector = Detector(model, threads=threads, tile=tile)
    changes: dict[str, Any] = {} if polygons is None else {"shape": "polygon" if polygons else "quad"}
    if score is not None:
        changes["score_threshold"] = score
    failed = batch.run(detector.with_decode(**changes), jobs, format_, draw_regions=draw)
    for reason in failed:
        print(f"diffbin: {reason}", file=sys.stderr)
    if failed and len(jobs) == 1:
        raise typer.Exit(2)
    if failed:
        print(f"diffbin: {len(failed)} of {len(jobs)} pictures failed; they are listed above.", file=sys.stderr)
        raise typer.Exit(1)


@app.command("eval")
def evaluate_(
    images: Annotated[Path, typer.Option(help="Folder of pictures.")],
    gt: Annotated[Path, typer.Option(help="Folder of label files.")],
    model: ModelOption = "diffbin-words",
    format_: Annotated[str, typer.Option("--format", help="Format of the labels: icdar or totaltext.")] = "icdar",
    part: Annotated[str, typer.Option(help="Slice of the pictures in name order, as 900: or 0:900.")] = "",
    matching: Annotated[str, typer.Option(help="greedy (as ICDAR) or maximum.")] = "greedy",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    tile: TileOption = "off",
) -> None:
    """Score a model on labelled pictures: precision, recall, hmean at IoU 0.5."""
    from diffbin.config import Source, from_dict
    from diffbin.detector import Detector
    from diffbin.metrics.evaluate import evaluate
    from diffbin.metrics.iou import MATCHINGS

    if matching not in MATCHINGS:
        raise InputError(f"--matching is {matching}; it must be one of {', '.join(MATCHINGS)}.")
    source = from_dict(Source, {"format": format_, "images": str(images), "labels": str(gt), "part": part})
    with _progress() as bar:
        task = bar.add_task("scoring", total=None)
        report = evaluate(
            Detector(model, tile=tile),
            [source],
            "",
            matching="maximum" if matching == "maximum" else "greedy",
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        print(json.dumps(report.to_dict(), indent=1))
        return
    low, high = report.interval
    print(
        f"{report.pictures} pictures, {report.ms_per_picture:.0f} ms a picture, {report.matching} matching, IoU > 0.5"
    )
    for label, s in (("fixed", report.fixed), ("best over sweep*", report.best)):
        print(f"{label:17} score >= {s.threshold:.2f}  P {s.precision:.4f}  R {s.recall:.4f}  H {s.hmean:.4f}")
    print(f"95 % interval of the fixed H: {low:.4f} to {high:.4f}\n* threshold chosen on these very pictures")


@app.command()
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
    from diffbin.config import from_dict, override
    from diffbin.data.synth import Synth, render_set

    if format_ != "icdar":
        raise InputError(f"--format is {format_}; labels are written as icdar.")
    config = from_dict(Synth, {"backgrounds": backgrounds, "fonts": fonts, "unit": unit})
    config = override(config, assignments or [])
    with _progress() as bar:
        task = bar.add_task("rendering", total=count)
        render_set(
            config, out=out, count=count, seed=seed, workers=workers,
            progress=lambda done: bar.update(task, completed=done),
        )  # fmt: skip


@app.command()
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
    from diffbin.config import override

    _need_torch("training")
    from diffbin.train.loop import train as run
    from diffbin.train.start import read_start

    resolved = override(recipes.load(recipe), assignments or [])
    start = read_start(resolved, weights=weights, backbone=backbone)
    last = run(resolved, out=out or Path("runs") / resolved.name, resume=resume, start=start)
    print(f"Done. The model is {last}; make it small and fast with: diffbin export {last} --out model.onnx")


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of a run, or .safetensors.")],
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")],
    card: Annotated[Path | None, typer.Option(help="JSON file of texts by name: the model card.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Also write the weights as .safetensors.")] = None,
    assignments: SetOption = None,
) -> None:
    """Write a trained model as ONNX, with its settings and card inside, checked against PyTorch."""
    _need_torch("exporting")
    from diffbin.config import override
    from diffbin.export import export as write
    from diffbin.model.checkpoints import read_weights, write_weights

    stored, trained = read_weights(checkpoint)
    recipe = override(stored, assignments or [])
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


@app.command("recipes")
def list_recipes() -> None:
    """List what can be trained."""
    from diffbin import recipes

    for name in recipes.names():
        print(f"{name}\n    {recipes.describe(name)}")


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _need_torch(what: str) -> None:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep; spinning, they starve the loader
    try:
        import lightning_fabric  # noqa: F401
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise DependencyError(f"{what.capitalize()} needs {error.name}: pip install 'diffbin[train]'.") from None


if __name__ == "__main__":
    main()

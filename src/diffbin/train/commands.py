"""The commands `diffbin synth`, `train`, `export` and `recipes`: from data to a model file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import TaskID

from diffbin import options
from diffbin.errors import InputError
from diffbin.terminal import counting, need_torch, progress

if TYPE_CHECKING:
    from diffbin.config import Recipe
    from diffbin.train.start import Start

SetOption = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, as optim.lr=1e-3; may be repeated.")]


def synth(
    out: Annotated[Path, typer.Option(help="Folder for images/ and gt/.")],
    count: Annotated[int, typer.Option(min=1, help="Pictures to render.")] = 100,
    backgrounds: Annotated[str, typer.Option(help="Folder of photographs without text.")] = "",
    images: Annotated[str, typer.Option(help="Write on these pictures instead, beside the text that is there.")] = "",
    gt: Annotated[str, typer.Option(help="With --images: folder or file of their labels, which are kept.")] = "",
    format_: Annotated[str, typer.Option("--format", help="Format of --gt, as in eval; new ones are icdar.")] = "icdar",
    part: Annotated[str, typer.Option(help="Slice of --images in name order, as 0:900 or !9::10.")] = "",
    fonts: Annotated[str, typer.Option(help="Folder of fonts; those of the system unless given.")] = "",
    unit: Annotated[str, typer.Option(help="What is labelled: word or line.")] = "word",
    seed: Annotated[int, typer.Option(min=0, help="Picture i is that of seed + i.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 = as many as there are cores.")] = 0,
    assignments: SetOption = None,
) -> None:
    """Render pictures of text with exact labels."""
    from diffbin.data.synth import Synth, render_set
    from diffbin.overrides import override
    from diffbin.plain import from_dict

    if bool(images) != bool(gt) or (not images and (part or format_ != "icdar")):
        raise InputError("Give --images with --gt, their labels, or neither; --part and --format are theirs.")
    name, _, of = format_.partition(":")
    originals = {"format": name, "images": images, "labels": gt, "part": part, "unit": of or unit}
    config = from_dict(Synth, {"backgrounds": backgrounds, "originals": originals, "fonts": fonts, "unit": unit})
    config = override(config, assignments or [])
    with counting("rendering", count) as told:
        render_set(config, out=out, count=count, seed=seed, workers=workers, progress=told)


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="A name of `diffbin recipes`, or a .py file that defines RECIPE.")
    ] = None,
    assignments: SetOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; else runs/RECIPE, or runs/IMAGES with --from.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --out stopped.")] = False,
    find_lr: Annotated[
        bool, typer.Option("--find-lr", help="Look for a good learning rate, in runs of 32 steps, instead of training.")
    ] = False,
    weights: Annotated[
        str | None, typer.Option(help="Start from these: a model's name, a checkpoint, .safetensors, or official .pth.")
    ] = None,
    backbone: Annotated[
        Path | None,
        typer.Option(help="Start the backbone from this .pth: torchvision's, timm's, oCLIP's, or a detector's."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--from", help="Instead of a recipe: train this model further on --images and --gt.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="With --from: folder of one's own pictures.")] = None,
    gt: Annotated[Path | None, typer.Option(help="With --from: folder or file of their labels.")] = None,
    format_: Annotated[str, typer.Option("--format", help="With --from: format of the labels, as in eval.")] = "icdar",
) -> None:
    """Train by a recipe; or, with --from, train a model further on pictures of one's own."""
    need_torch("Training")
    if find_lr and resume:
        raise InputError("--find-lr looks for the rate of a new run; leave --resume out.")
    if (recipe is None) == (model is None):
        raise InputError("Give a recipe, or --from MODEL with --images DIR and --gt DIR.")
    if recipe is None:
        if not (model and images and gt):
            raise InputError("--from MODEL needs --images DIR and --gt DIR.")
        if weights or backbone:
            raise InputError("--from says what to start from; leave --weights and --backbone out.")
        named = images.resolve() if images.name in ("", "..") else images
        out = out or Path("runs") / named.name
        _train_further(model, images, gt, format_, assignments or [], out, resume, find_lr)
        return
    if images or gt:
        raise InputError("--images and --gt go with --from; a recipe names its pictures: --set data.root=DIR.")
    _train_by_recipe(recipe, assignments or [], out, resume, weights, backbone, find_lr)


def _train_by_recipe(
    recipe: str,
    assignments: list[str],
    out: Path | None,
    resume: bool,
    weights: str | None,
    backbone: Path | None,
    find_lr: bool,
) -> None:
    from diffbin import recipes
    from diffbin.overrides import override
    from diffbin.train import devices
    from diffbin.train.loop import train as run
    from diffbin.train.start import read_start

    resolved = override(recipes.load(recipe), assignments)
    start, folder = read_start(resolved, weights=weights, backbone=backbone), out or Path("runs") / resolved.name
    if find_lr:
        _look_for_rate(resolved, folder, start)
        return
    last = run(resolved, out=folder, resume=resume, start=start)
    if devices.is_first():
        code = f" --code {recipe if recipe.endswith('.py') else 'FILE.py'}"
        own = code if resolved.model.backbone.startswith("own:") else ""
        print(f"Done. The model is {last}; make it small and fast with: diffbin{own} export {last} --out model.onnx")


def _train_further(
    model: str, images: Path, gt: Path, format_: str, assignments: list[str], out: Path, resume: bool, find_lr: bool
) -> None:
    from diffbin.train import devices
    from diffbin.train.finetune import finetune, plan

    source = options.labelled(images, gt, format_)
    planned = plan(model, source, assignments)
    if devices.is_first():
        print(planned.sentence, flush=True)
    if find_lr:
        _look_for_rate(planned.recipe, out, planned.start)
        return
    bar = progress()
    tasks: dict[str, TaskID] = {}

    def show(name: str, done: int, total: int) -> None:
        bar.start()  # not before: training shows a bar of its own
        if name not in tasks:
            tasks[name] = bar.add_task(name, total=total)
        bar.update(tasks[name], completed=done)

    try:
        outcome = finetune(planned, out=out, resume=resume, progress=show)
    finally:
        bar.stop()
    if outcome:
        print(outcome.told)


def _look_for_rate(recipe: "Recipe", out: Path, start: "Start | None") -> None:
    from diffbin.train import devices
    from diffbin.train.rates import PAGE, find_rate

    with counting("trying rates") as told:
        found = find_rate(recipe, out=out, start=start, progress=told)
    if devices.is_first():
        print(f"{found.sentence} The curve is in {out / PAGE}.")


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of a run, .safetensors, or a model's name.")],
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")],
    card: Annotated[
        Path | None,
        typer.Option(
            help="JSON file of texts by name, the model card; unless given, that of a named model, or of a run by "
            "--from whose model.safetensors is exported."
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Also write the weights as .safetensors.")] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="In eight bits, if that is faster and loses less than 0.005 hmean.")
    ] = False,
    calibrate: Annotated[Path | None, typer.Option(help="With --int8: folder of pictures of the kind to come.")] = None,
    images: Annotated[Path | None, typer.Option(help="With --int8: folder of pictures to score on.")] = None,
    gt: Annotated[Path | None, typer.Option(help="With --int8: folder or file of their labels.")] = None,
    format_: Annotated[str, typer.Option("--format", help="Format of the labels, as in eval.")] = "icdar",
    part: Annotated[str, typer.Option(help="Slice of the pictures to score on, as 900: or 0:900.")] = "",
    assignments: SetOption = None,
) -> None:
    """Write a trained model as ONNX, with its settings and card inside, checked against PyTorch."""
    need_torch("Exporting")
    from diffbin import zoo
    from diffbin.export import export as write
    from diffbin.export import former
    from diffbin.files import check_file
    from diffbin.model.checkpoints import read_weights, write_weights
    from diffbin.overrides import override

    check_file(out, ".onnx")
    if weights:
        check_file(weights, ".safetensors")
    weights_file = zoo.weights_of(str(checkpoint))
    stored, trained = read_weights(weights_file)
    recipe = override(stored, assignments or [])
    told = _read_card(card) if card else zoo.card_of(str(checkpoint))
    if not card:  # its figures may be of eight bits, which are told anew, and of other settings
        told = {name: text for name, text in (former(told) if assignments else told).items() if "int8" not in name}
    if int8:
        if not (calibrate and images and gt):
            raise InputError("--int8 needs --calibrate DIR, and --images DIR and --gt DIR to compare the models on.")
        from diffbin.quantize import export_int8

        judge = options.labelled(images, gt, format_, part)
        report = export_int8(weights_file, out, card=told, calibration=calibrate, judge=judge, recipe=recipe)
        print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {report.sentence}")
    else:
        if calibrate or images or gt:
            raise InputError("--calibrate, --images and --gt are for --int8, which is not given.")
        difference = write(weights_file, out, card=told, recipe=recipe)
        print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, differs from PyTorch by at most {difference:.1e}")
    if weights:
        write_weights(weights, recipe, trained)
        print(f"{weights}: {weights.stat().st_size / 1e6:.1f} MB")


def _read_card(path: Path) -> dict[str, str]:
    try:
        card = json.loads(path.read_text("utf-8-sig"))
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

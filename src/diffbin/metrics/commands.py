"""The commands `diffbin eval` and `diffbin tune`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from diffbin import options
from diffbin.errors import InputError, warn
from diffbin.terminal import counting, need_torch

if TYPE_CHECKING:
    from diffbin.metrics.evaluate import Report
    from diffbin.metrics.iou import Matching

Labels = Annotated[
    str,
    typer.Option(
        "--format",
        help="icdar, icdar2013, mlt, td500, totaltext, ctw1500, synthtext, cocotext, cocotext_val, textocr, "
        "hiertext (words), hiertext:line, labelme, paddleocr, mmocr, coco.",
    ),
]
Answers = Annotated[
    Path | None,
    typer.Option(
        help="Score the answers in this folder, of any detector: .json of detect --out, or .txt with lines of "
        "x1,y1,...,xn,yn[,score]. No model is run."
    ),
]
WORST = 5  # pictures that are named


def evaluate(
    ctx: typer.Context,
    images: Annotated[Path, typer.Option(help="Folder of pictures.")],
    gt: Annotated[Path, typer.Option(help="Folder or file of their labels.")],
    model: options.Model = "diffbin-words",
    answers: Answers = None,
    format_: Labels = "icdar",
    part: Annotated[str, typer.Option(help="Slice of the pictures in name order, as 900: or 0:900.")] = "",
    matching: Annotated[str, typer.Option(help="greedy (as ICDAR), maximum, or deteval (as Total-Text).")] = "greedy",
    size: options.Size = None,
    settings: options.Settings = None,
    engine: options.Engine = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = 0,
    tile: options.Tile = "off",
    draw: Annotated[
        Path | None,
        typer.Option(help="Also write each picture to this folder, what is found, missed and false outlined."),
    ] = None,
    hard: Annotated[
        Path | None, typer.Option(help="Also write a CSV file of how hard each picture is: a source's picture_weights.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a model, or answers in files, on labelled pictures: precision, recall, hmean at IoU 0.5, or by DetEval."""
    from diffbin.data.picture_weights import write_weights
    from diffbin.detector import Detector
    from diffbin.files import check_file
    from diffbin.metrics.evaluate import evaluate as run
    from diffbin.metrics.outcome import OutcomeFolder
    from diffbin.settings import adjusted

    sources, way = [options.labelled(images, gt, format_, part)], _matching(matching)
    if hard:
        check_file(hard)  # before the pictures are scored, not after
    outcomes = OutcomeFolder(_beside(draw, images, way)) if draw else None
    if answers:
        judged: Detector | Path = _alone(answers, ctx)
    else:
        detector = Detector(model, engine=engine, device=device, precision=precision, threads=threads, tile=tile)
        judged = adjusted(detector, settings, size=size)
    with counting("scoring") as told:
        watch = outcomes.add if outcomes else (lambda *_: None)
        report = run(judged, sources, "", matching=way, watch=watch, progress=told)
    if hard:
        write_weights(hard, report.each)
    if as_json:
        print(json.dumps(report.to_dict(), indent=1))
        return
    _tell(report)
    if outcomes:
        worst = ", ".join(f"{name} ({errors})" for errors, name in outcomes.worst(WORST))
        print(f"Drawn in {draw}; most errors: {worst or 'none'}")


def _matching(text: str) -> "Matching":
    from diffbin.metrics.iou import Matching

    if text not in get_args(Matching):
        raise InputError(f"--matching is {text}; it must be one of {', '.join(get_args(Matching))}.")
    return cast(Matching, text)


def _tell(report: "Report") -> None:
    rule = "DetEval as of Total-Text" if report.matching == "deteval" else f"{report.matching} matching, IoU > 0.5"
    time = "" if report.ms_per_picture is None else f", {report.ms_per_picture:.0f} ms a picture"
    print(f"{report.pictures} pictures{time}, {rule}")
    for label, s in (("fixed", report.fixed), ("best over sweep*", report.best)):
        print(f"{label:17} score >= {s.threshold:.2f}  P {s.precision:.4f}  R {s.recall:.4f}  H {s.hmean:.4f}")
    if report.heights:
        print(f"recall by height of the text, px: {', '.join(map(str, report.heights))}")
    print(f"95 % interval of the fixed H: {report.interval_text}\n* threshold chosen on these very pictures")


def _beside(draw: Path, images: Path, matching: str) -> Path:
    """The folder to draw into. `InputError` where that cannot be."""
    if draw.resolve() == images.resolve():
        raise InputError(f"--draw is the folder of the pictures, {draw}; what is drawn would be one of them.")
    if matching == "deteval":
        raise InputError("--draw shows what is found by IoU, and not what DetEval counts; leave out one of them.")
    return draw


def _alone(answers: Path, ctx: typer.Context) -> Path:
    """The folder of answers. `InputError` where there is none, or something is asked of a model, which is not run."""
    of_model = ("model", "size", "settings", "engine", "device", "precision", "threads", "tile")
    given = {name: ctx.get_parameter_source(name) for name in of_model}
    asked = [name for name, source in given.items() if source and source.name != "DEFAULT"]
    if asked:
        option = asked[0].replace("settings", "set")
        raise InputError(f"--answers scores what is there, and runs no model; leave out --{option}.")
    if not answers.is_dir():
        raise InputError(f"There is no folder of answers {answers}.")
    return answers


def tune(
    model: Annotated[str, typer.Argument(help="A name of `diffbin models`, an .onnx file, or a checkpoint.")],
    images: Annotated[Path, typer.Option(help="Folder of labelled pictures to choose on.")],
    gt: Annotated[Path, typer.Option(help="Folder or file of their labels.")],
    format_: Annotated[str, typer.Option("--format", help="Format of the labels, as in eval.")] = "icdar",
    part: Annotated[str, typer.Option(help="Slice of the pictures, as 900: or 0:900.")] = "",
    sizes: Annotated[str, typer.Option(help="Short sides of the input to try, in pixels: 608,736,1024.")] = "",
    out: Annotated[Path | None, typer.Option(help="Also write the model with these settings: an .onnx file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Choose input size and thresholds of a model on labelled pictures, by hmean at IoU 0.5."""
    from diffbin.detector import Detector
    from diffbin.files import check_file
    from diffbin.metrics.evaluate import FEWEST, list_labelled
    from diffbin.metrics.tune import choose, sizes_around
    from diffbin.metrics.tune import tune as run

    if out:
        need_torch("Writing a model")
        check_file(out, ".onnx")  # before settings are tried, not after
    detector = Detector(model)
    source = options.labelled(images, gt, format_, part)
    pictures, tried = list_labelled([source], ""), _sizes(sizes) or sizes_around(detector.preprocess.short_px)
    with counting("trying") as count:
        settings = run(detector, pictures, tried, progress=count)
    if len(pictures) < FEWEST:
        warn(f"{len(pictures)} pictures are too few to choose settings on; take {FEWEST} at least, better 100.")
    if not settings[0].score.regions:
        raise InputError(f"There is no text to choose settings by in {gt}: no region, or all are ignored.")
    chosen = choose(settings)
    if not chosen.score.hits:
        raise InputError(f"{model} finds nothing that is labelled in {gt}, whatever the settings.")
    if as_json:
        print(json.dumps({"chosen": chosen.to_dict(), "tried": [setting.to_dict() for setting in settings]}, indent=1))
    else:
        for setting in settings:
            print(f"{'*' if setting is chosen else ' '} {setting}")
        print("* chosen: the smallest input within 0.005 of the best. The scores flatter: they are of these pictures.")
    if out:
        from diffbin.export import with_settings

        recipe = replace(detector.engine.recipe, preprocess=chosen.preprocess, decode=chosen.decode)
        told = f"chosen by diffbin tune on {len(pictures)} pictures of {images} (part {part or 'all'}): {chosen}"
        with_settings(model, out, recipe, chosen=f"{told}; the score flatters, it is of these very pictures")
    if not as_json:
        print(f"{out} has these settings." if out else f"diffbin export ... {chosen.options}")


def _sizes(text: str) -> list[int]:
    from diffbin.legibility import LARGEST_SIZE

    try:
        found = [int(size) for size in text.split(",")] if text else []
    except ValueError:
        found = [0]
    if any(not 32 <= size <= LARGEST_SIZE for size in found):
        raise InputError(f"--sizes is {text}; it must be short sides in pixels, 32 to {LARGEST_SIZE}, as 608,736,1024.")
    return found

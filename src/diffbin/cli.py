"""The command `diffbin`. Thin: each command reads its options and calls one function of the package.

Exit codes: 0 done; 1 some pictures of several failed, or `verify` found a difference; 2 nothing was done, for a reason
told in one sentence; 130 broken off at the keyboard.
"""

import errno
import json
import logging
import os
import sys
import warnings
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from diffbin import __version__, options, recipes
from diffbin.bench import commands as benchmarking
from diffbin.data import commands as data
from diffbin.errors import DependencyError, DiffbinError, DiffbinWarning, InputError
from diffbin.metrics import commands as scoring
from diffbin.serve import commands as serving
from diffbin.terminal import BROKEN_OFF, counting
from diffbin.train import commands as training
from diffbin.zoo import commands as zoo

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(zoo.app, name="zoo")
app.command("models")(zoo.list_models)
app.command("info")(zoo.info)
app.command("recipes")(training.list_recipes)
app.command()(training.synth)
app.command()(data.pack)
app.command()(training.train)
app.command()(training.export)
app.command()(benchmarking.bench)
app.command("eval")(scoring.evaluate)
app.command()(scoring.tune)
app.command()(serving.serve)
_PLAIN = warnings.showwarning


def main() -> None:
    """Entry point: errors of ours become one sentence and an exit code, warnings of ours a sentence."""
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of odd metadata in pictures; what matters is an error
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    if sys.stderr is None:  # closed; print would take the other one
        sys.stderr = open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: SIM115, PTH123
    if isinstance(sys.stdout, TextIOWrapper):  # else it is closed
        # A terminal gets what it can show; files and programs get UTF-8 in any locale, as answers in XML say they do.
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", DiffbinWarning)
            warnings.showwarning = _show_warning
            _run()
    except DiffbinError as error:
        print(f"diffbin: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"diffbin: The output cannot be written: {error.strerror}.", file=sys.stderr)
        os._exit(2)  # what is still in its buffer would fail again at an orderly end
    except KeyboardInterrupt:
        _break_off()
    except SystemExit as stop:
        if stop.code == BROKEN_OFF:  # Typer has seen the interrupt first
            _break_off()
        raise


def _run() -> None:
    """The command. Raises `DependencyError` where OpenCV fails, whose packages overwrite each other's files."""
    try:
        app()
    except (ImportError, AttributeError) as error:
        if _opencv_works():
            raise
        raise DependencyError(
            f"OpenCV does not work here ({error}). Only one of its packages may be installed: pip uninstall "
            "opencv-python opencv-contrib-python opencv-python-headless opencv-contrib-python-headless; "
            "then pip install opencv-python-headless."
        ) from None


def _opencv_works() -> bool:
    try:
        import cv2
    except (ImportError, AttributeError):
        return False
    return hasattr(cv2, "imdecode")


def _break_off() -> NoReturn:
    """Ends at once: threads of libraries, in the middle of a computation, can keep an orderly exit waiting for ever."""
    with suppress(OSError):
        print("diffbin: broken off.", file=sys.stderr)
        sys.stdout.flush()
    os._exit(BROKEN_OFF)


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    if issubclass(category, DiffbinWarning):
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
    code: Annotated[
        Path | None, typer.Option(help="Run this Python file first: that of a checkpoint's own backbone.")
    ] = None,
) -> None:
    """Finds text in pictures with DBNet (differentiable binarization)."""
    if code:
        recipes.run(code)


@app.command()
def detect(
    sources: Annotated[list[str], typer.Argument(help="Pictures, PDFs, folders (searched below), or globs.")],
    model: options.Model = "diffbin-words",
    out: Annotated[Path | None, typer.Option(help="Folder for the answers; without it they are printed.")] = None,
    format_: Annotated[
        str,
        typer.Option("--format", help="json, icdar, csv, coco, page, alto, hocr, or labelme to correct answers in."),
    ] = "json",
    polygons: options.Polygons = None,
    score: options.Score = None,
    draw: Annotated[bool, typer.Option("--draw", help="Also write each picture with its regions drawn.")] = False,
    crop: Annotated[bool, typer.Option("--crop", help="Also write each region, cut out and set straight.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Pass over pictures with a file of their answer's name in --out.")
    ] = False,
    size: options.Size = None,
    settings: options.Settings = None,
    engine: options.Engine = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = 0,
    tile: options.Tile = "again",
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say what computes the map, and why no GPU does.")
    ] = False,
) -> None:
    """Find text. Prints or writes one answer a picture, in pixels of the upright original."""
    from diffbin import batch
    from diffbin.answers import ANSWERS, Output
    from diffbin.detector import Detector
    from diffbin.files import make_folder
    from diffbin.image import SUFFIXES
    from diffbin.settings import adjusted

    output = Output(folder=out, format=format_, draw=draw, crop=crop, resume=resume)
    jobs = batch.plan(sources, output)
    if out:
        if out.suffix.lower() in ANSWERS | SUFFIXES and not out.exists():
            raise InputError(f"--out {out} would be a folder; one answer is written so: diffbin detect ... > {out}")
        make_folder(out)  # before any text is looked for, not after
    count = len(jobs)
    if resume:
        jobs = batch.unanswered(jobs, format_)
        print(f"diffbin: {count - len(jobs)} of {count} pictures have an answer already.", file=sys.stderr)
        if not jobs:
            return
    if verbose:
        logging.basicConfig(format="diffbin: %(message)s")
        logging.getLogger("diffbin").setLevel(logging.INFO)
    detector = Detector(model, engine=engine, device=device, precision=precision, threads=threads, tile=tile)
    if verbose:
        print(f"diffbin: {model} by {detector.describe()}", file=sys.stderr)
    detector = adjusted(detector, settings, size=size, score=score, polygons=polygons)
    failed = batch.run(detector, jobs, output)
    for reason in failed:
        print(f"diffbin: {reason}", file=sys.stderr)
    if failed and count > 1:
        print(f"diffbin: {len(failed)} of {count} pictures failed; they are listed above.", file=sys.stderr)
    if failed:
        raise typer.Exit(2 if len(failed) == count else 1)


@app.command()
def label(
    pictures: Annotated[Path, typer.Argument(help="Folder of pictures, none below it.")],
    out: Annotated[Path, typer.Option(help="Folder for the labels, a text file a picture; a call broken off goes on.")],
    model: options.Model = "diffbin-words",
    keep: Annotated[float, typer.Option(min=0, max=1, help="Regions of this score and more become labels.")] = 0.8,
    ignore: Annotated[float, typer.Option(min=0, max=1, help="Those of this one and more, do-not-care.")] = 0.4,
    empty: Annotated[
        bool, typer.Option("--empty", help="Also label pictures without a sure region, which are left out else.")
    ] = False,
    polygons: options.Polygons = None,
    settings: options.Settings = None,
    engine: options.Engine = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = 0,
    tile: options.Tile = "again",
) -> None:
    """Label pictures by a model, in the format icdar, to train another model on (pseudo-labels)."""
    from diffbin.detector import Detector
    from diffbin.pseudo_labels import Rule, label_pictures
    from diffbin.settings import adjusted

    said = [] if polygons is None else ["--polygons" if polygons else "--quads"]
    said += [f"--set {setting}" for setting in settings or []] + ([f"--tile {tile}"] if tile != "again" else [])
    rule = Rule(model, keep=keep, ignore=ignore, empty=empty, options=" ".join(said))
    detector = Detector(model, engine=engine, device=device, precision=precision, threads=threads, tile=tile)
    detector = adjusted(detector, settings, polygons=polygons)
    with counting("labelling") as told:
        tally = label_pictures(detector, pictures, out, rule, progress=told)
    print(
        f"{tally.labelled} labelled, {tally.left_out} left out, {tally.there} done before, {len(tally.failed)} failed"
    )
    for reason in tally.failed:
        print(f"diffbin: {reason}", file=sys.stderr)
    if tally.failed:
        raise typer.Exit(1 if tally.labelled or tally.left_out or tally.there else 2)


@app.command()
def verify(
    model: Annotated[str, typer.Argument(help="A name of `diffbin models`, an .onnx file, or a checkpoint.")],
    pictures: Annotated[list[str] | None, typer.Argument(help="Pictures; a few rendered ones unless given.")] = None,
    against: Annotated[
        list[str] | None, typer.Option(help="Another model to compare with it, as its int8 export; may be repeated.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of labelled pictures, to compare hmean too.")] = None,
    gt: Annotated[Path | None, typer.Option(help="Folder or file of their labels.")] = None,
    format_: Annotated[str, typer.Option("--format", help="Format of the labels, as in eval.")] = "icdar",
    part: Annotated[str, typer.Option(help="Slice of the labelled pictures, as 900: or 0:900.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare a model by all engines and precisions here, and with its exports: maps, regions, hmean."""
    from diffbin import batch
    from diffbin.answers import Output
    from diffbin.verify import table
    from diffbin.verify import verify as run

    if (images is None) != (gt is None):
        raise InputError("--images DIR and --gt DIR go together.")
    jobs = batch.plan(pictures, Output()) if pictures else []
    verdict = run(
        [model, *(against or [])],
        pictures=[job.picture for job in jobs],
        labelled=options.labelled(images, gt, format_, part) if images else None,
    )
    print(json.dumps(verdict.to_dict(), indent=1) if as_json else table(verdict))
    if not verdict.passed:
        raise typer.Exit(1)


if __name__ == "__main__":
    main()

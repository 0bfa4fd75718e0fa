"""The command `diffbin bench`."""

import json
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from diffbin import zoo
from diffbin.errors import ConfigError, InputError
from diffbin.terminal import counting

Size = tuple[int, int]


def bench(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Pictures, folders or globs; four are rendered unless given.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="As in detect; may be repeated. The embedded model unless given.")
    ] = None,
    recipe: Annotated[
        list[str] | None, typer.Option(help="Its network with random weights, by torch; may be repeated.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="Engines as in detect, with commas between; so all that follows.")
    ] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, bf16, fp16, int8; auto is that of the model.")] = "auto",
    size: Annotated[str, typer.Option(help="h x w that pictures are fitted into, as 736x1312; else the model's.")] = "",
    batch: Annotated[str, typer.Option(help="Pictures that the network sees at once, as 1,4.")] = "1",
    threads: Annotated[str, typer.Option(help="Threads that compute one picture; 0 = one a core.")] = "0",
    device: Annotated[
        str, typer.Option(help="cpu, cuda or tensorrt; auto takes a GPU where the engine has one.")
    ] = "auto",
    peers: Annotated[str, typer.Option(help="Other detectors on the same pictures: rapidocr, onnxtr.")] = "",
    turns: Annotated[int, typer.Option(min=1, help="How often each is timed; medians are told.")] = 7,
    many: Annotated[
        int, typer.Option(min=0, help="Pictures one after the other for the throughput; 0 leaves it out.")
    ] = 16,
    json_: Annotated[Path | None, typer.Option("--json", help="Also write everything to this file.")] = None,
) -> None:
    """Time detection by stage and end to end, on every combination of what is asked for, by turns."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: its threads must not spin meanwhile
    from diffbin.answers import Output
    from diffbin.batch import plan as jobs
    from diffbin.bench import report
    from diffbin.bench.measure import Plan, measure, rendered
    from diffbin.files import check_file, write_whole

    plan = Plan(
        models=model or ([] if recipe else [zoo.EMBEDDED]), recipes=recipe or [],
        engines=_texts(engine), precisions=_texts(precision), device=device,
        sizes=[_size(text) for text in _texts(size)] or [None],
        batches=_numbers("batch", batch), threads=_numbers("threads", threads),
        peers=_texts(peers), turns=turns, many=many,
    )  # fmt: skip
    if json_:
        check_file(json_)
    files = [job.picture for job in jobs(sources, Output()) if isinstance(job.picture, Path)] if sources else []
    if sources and not files:
        raise InputError(f"There is no picture in {', '.join(sources)}; of documents draw the pages first.")
    found = nullcontext(files) if sources else rendered()
    with found as pictures, counting("measuring", turns) as told:
        rows, absent = measure(plan, pictures, progress=told)
    print(report.table(rows, absent))
    if json_:
        write_whole(json_, json.dumps(report.to_dict(rows, absent, pictures), indent=1).encode())
    if not rows:
        raise typer.Exit(2)


def _texts(option: str) -> list[str]:
    return [text.strip() for text in option.split(",") if text.strip()]


def _numbers(name: str, option: str) -> list[int]:
    texts = _texts(option)
    if not texts or not all(text.isdecimal() for text in texts):
        raise ConfigError(f"--{name} is {option!r}; give whole numbers with commas between, as 1,4.")
    return [int(text) for text in texts]


def _size(text: str) -> Size:
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise ConfigError(f"--size is {text}; give h x w in pixels, as 736x1312.")
    return int(height), int(width)

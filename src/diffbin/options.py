"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from diffbin.config import Source
from diffbin.plain import from_dict


def labelled(images: Path | None, gt: Path | None, format_: str, part: str = "") -> Source:
    """The labelled pictures that `--images`, `--gt`, `--format`, as `hiertext` or `hiertext:line`, and `--part` name.

    Raises `ConfigError`.
    """
    name, _, unit = format_.partition(":")
    source = {"format": name, "unit": unit or "word", "images": str(images), "labels": str(gt), "part": part}
    return from_dict(Source, source)


Model = Annotated[
    str, typer.Option(help="A name of `diffbin models` or `diffbin zoo list`, an .onnx file, or a checkpoint.")
]
Engine = Annotated[str, typer.Option(help="onnx, openvino or torch; auto takes the fastest that is installed.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or tensorrt; auto takes a GPU where the engine has one.")]
Precision = Annotated[str, typer.Option(help="fp32, bf16, fp16 or int8; auto is that of the model.")]
Threads = Annotated[int, typer.Option(min=0, help="Threads that compute one picture; 0 = one a core.")]
Tile = Annotated[
    str,
    typer.Option(
        help="again looks once more where most text is small, letters are too large, text is not level or none is "
        "found, unless a size is given; auto so too, and in tiles; a number is their side in pixels; off looks once."
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        min=32, max=4096, help="Short side of the input, pixels: more for smaller text; the model's own unless given."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Another setting, as decode.unclip_ratio=1.8; `diffbin info MODEL` lists them."),
]
Score = Annotated[float | None, typer.Option(min=0, max=1, help="Least score; the model's own unless given.")]
Polygons = Annotated[
    bool | None, typer.Option("--polygons/--quads", help="Shape of the regions; the model's own unless given.")
]

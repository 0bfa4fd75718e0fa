"""The command `diffbin pack`."""

from pathlib import Path
from typing import Annotated

import typer

from diffbin import options
from diffbin.terminal import counting


def pack(
    images: Annotated[Path, typer.Option(help="Folder of pictures.")],
    gt: Annotated[Path, typer.Option(help="Folder or file of their labels.")],
    out: Annotated[Path, typer.Option(help="Folder to make, for the shards.")],
    format_: Annotated[str, typer.Option("--format", help="Format of the labels, as in eval.")] = "icdar",
    part: Annotated[str, typer.Option(help="Slice of the pictures in name order, as 0:900 or !9::10.")] = "",
    shard_mb: Annotated[int, typer.Option(min=1, help="Megabytes of a shard.")] = 256,
    decoded: Annotated[
        bool, typer.Option("--decoded", help="Store pixels: some 30 times the space, and no decoding in training.")
    ] = False,
) -> None:
    """Pack labelled pictures into shards, for training on many or fast."""
    from diffbin.data.pack import pack as run

    source = options.labelled(images, gt, format_, part)
    with counting("packing") as told:
        shards = run(source, out=out, shard_mb=shard_mb, decoded=decoded, progress=told)
    size = sum(shard.stat().st_size for shard in shards) / 1e6
    print(f"{out}: {len(shards)} {'shard' if len(shards) == 1 else 'shards'}, {size:.0f} MB")

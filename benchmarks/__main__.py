"""Every benchmark that needs no data set: `python -m benchmarks [--write]`; `--write` renews docs/speed.{json,md}.

`python -m benchmarks PART ...` measures some parts anew and keeps the other figures: engines, rewrites, stream, serve,
soak, runtime, decode, data, loader, synth. Those whose libraries would disturb each other run as processes of their
own.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import synth

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BENCH = (
    "--model diffbin-words --model diffbin-words-fp32 --engine openvino,onnx --precision auto,bf16 "
    "--threads 2 --many 16 --turns 9 --peers rapidocr"
)


GPU_BENCH = (
    "--model ~/.cache/diffbin/dbnet_resnet18_fpnc_1200e_icdar2015.safetensors --engine torch --device cuda "
    "--precision bf16 --size 736x1280 --batch 1,2,4,8,16,32 --many 512"
)


def measure_engines() -> dict[str, Any]:
    """By `diffbin bench`, on the example pictures."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bench.json"
        program = str(Path(sys.executable).parent / "diffbin")
        subprocess.run([program, "bench", "examples", *BENCH.split(), "--json", str(out)], check=True, cwd=ROOT)
        told = json.loads(out.read_text())
    kept = ("model", "by", "input", "median_ms", "pictures_per_s", "times_as_long")
    return {"machine": told["machine"], "rows": [{key: row[key] for key in kept} for row in told["rows"]]}


def alone(module: str, *options: str) -> Any:
    """What a benchmark prints that runs in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *options, "--json"], check=True, stdout=subprocess.PIPE, cwd=ROOT
    )
    return json.loads(done.stdout)


PARTS: Mapping[str, Callable[[], Any]] = {
    "engines": measure_engines,
    "rewrites": lambda: alone("rewrites"),
    "stream": lambda: alone("stream"),
    "serve": lambda: [alone("serve", "--engine", engine) for engine in ("openvino", "onnx")],
    "soak": lambda: [alone("soak", "--engine", engine) for engine in ("onnx", "openvino")],
    "runtime": lambda: alone("runtime"),
    "decode": lambda: alone("decode"),
    "data": lambda: alone("data"),
    "loader": lambda: alone("loader"),
    "synth": synth.measure,
}


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """As Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def engine_rows(rows: Sequence[dict[str, Any]]) -> list[list[object]]:
    """Milliseconds by stage, pictures a second, and how many times as long as the first."""
    stages, ways = ("read", "prepare", "network", "decode", "total"), ("loop", "stream")

    def cells(figures: dict[str, float], names: Sequence[str]) -> list[str]:
        return [f"{figures[name]:.1f}" if name in figures else "" for name in names]

    return [
        [
            row["model"],
            row["by"],
            row["input"],
            *cells(row["median_ms"], stages),
            *cells(row["pictures_per_s"], ways),
            f"{row['times_as_long']:.2f}",
        ]
        for row in rows
    ]


def rewrite_rows(figures: dict[str, Any]) -> list[list[object]]:
    """What was rewritten, in what, and milliseconds before and after."""
    paths = [
        [f"{network}, {engine}", *times] for network, by in figures["path"].items() for engine, times in by.items()
    ]
    folds = [
        [f"{network}, PyTorch, BatchNorm folded", before, "", after]
        for network, (before, after) in figures["folding"].items()
    ]
    before, after = figures["normalising"]
    return [*paths, *folds, ["normalising by look-up, 720 x 1280", before, "", after]]


def sample_rows(figures: dict[str, Any]) -> list[list[object]]:
    """How a training sample is made, milliseconds by stage, and samples a second."""
    names = {  # by what they are compared with
        "chain": {
            "chain": "separate steps at full size",
            "text": "one warp, from picture files",
            "packed": "the same, from shards of pixels",
            "scale": 'from files, `crop="scale"`, blur and noise too',
        },
        "whole": {"whole": "3840 x 2160, decoded whole", "reduced": "the same, as small as the crop allows"},
    }
    stages = (("read",), ("decode",), ("turn", "resize", "cut", "place", "warp"), ("colour", "distort"), ("targets",))
    by_way = {**figures, **figures["large"]}

    def cells(row: dict[str, float]) -> list[str]:
        sums = [sum(row.get(stage, 0.0) for stage in group) for group in (*stages, ("batch",), ("total",))]
        return [f"{value:.2f}" for value in sums]

    return [
        [name, *cells(row := by_way[way]), row["samples_per_s"], f"{by_way[base]['total'] / row['total']:.1f}"]
        for base, ways in names.items()
        for way, name in ways.items()
    ]


def page(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    runtimes, loader, drawn, soak = (figures[name] for name in ("runtime", "loader", "synth", "soak"))
    words, measures = drawn["words_each"], ("map", "regions", "ms", "contours_ms", "naive_ms", "times_faster")
    stages = ("read, ms", "prepare", "network", "decode", "in all", "a second, loop", "stream", "times as long")
    engines = table(("model", "by", "input", *stages), engine_rows(figures["engines"]["rows"]))
    rewrites = table(("what", "as drawn, ms", "head rewritten", "neck too"), rewrite_rows(figures["rewrites"]))
    streams = table(
        ("way", "pictures a second", "times the loop"),
        [[name, row["pictures_per_s"], row["times_the_loop"]] for name, row in figures["stream"].items()],
    )
    held = " and ".join(str(served["memory_mb"]) for served in figures["serve"])
    serving = table(
        ("engine", "clients", "pictures a second", "ms to an answer, median", "95 of 100 within, ms"),
        [
            [served["engine"], name, row["pictures_per_s"], row["median_ms"], row["late_ms"]]
            for served in figures["serve"]
            for name, row in served["rows"].items()
        ],
    )
    decoding = table(
        ("map", "regions", "ms", "of it contours, ms", "naive, ms", "times faster"),
        [[row[column] for column in measures] for row in figures["decode"]],
    )
    samples = table(
        ("way", "read, ms", "decode", "warp", "colour", "label maps", "batch", "in all", "a second", "times faster"),
        sample_rows(figures["data"]),
    )
    columns = ("store", "workers", "by", "samples_per_s", "first_s", "launches_ms")
    loaders = table(
        ("store", "workers", "by", "samples a second", "first batch after, s", "small calls, ms"),
        [[row[column] for column in columns] for row in loader["rows"]],
    )
    memory = table(
        ("engine", "most held after 200, MB", "after 2,000, MB", "growth, %", "pictures a second"),
        [
            [row["engine"], *(after["peak_mb"] for after in row["after"].values()), row["growth_percent"],
             row["pictures_per_s"]]
            for row in soak
        ],
    )  # fmt: skip
    return f"""# Speed

Made by `python -m benchmarks --write` from `speed.json`: two cores of an x86 server, medians, runs by turns. Figures
of a shared machine differ from day to day, and tables may be of different machines; each is of one run.

## From file to regions

`diffbin bench examples {BENCH}`

{engines}

What deploying a network changes in it, at 736 x 1312, each answering the same:

{rewrites}

## On a GPU

No figure has been measured yet. This measures ResNet-18 in bf16, the network alone and, as `stream`, from files to
regions, with a thread a core that loads and decodes. The weights are official ones: with random ones the network takes
as long, but its noise takes some twenty times as long to decode.

```sh
diffbin zoo get dbnet_resnet18_fpnc_1200e_icdar2015
diffbin bench examples {GPU_BENCH}
```

## Many pictures

The example pictures over and over, at the embedded model's own size:

{streams}

Memory over pictures of random sizes, scaled to a short side of 320 (`python -m benchmarks.soak`):

{memory}

## Over HTTP

`diffbin serve` on the same two cores as its clients, which send the example pictures one after the other, beside a
detector in a loop on the same bytes (`python -m benchmarks.serve`). At the end it holds {held} MB.

{serving}

## Decoding

Decoding the reference's maps (736 x 1312, one core) and drawn ones against a naive loop with masks of the size of the
map. Threshold and contours, which no decoder is without, take their part of it:

{decoding}

## Training samples

640 x 640 with label maps, from the example pictures, whose JPEG is progressive; time of one core. The first way is the
yardstick: the steps of MMOCR 1.0 one by one, each at full size (`benchmarks/chain.py`); its `warp` is flip, turn,
resize, cut and resize again.

{samples}

Loaded by processes, as training does, or by threads of the training process: samples a second, and how long 3,000 small
calls of PyTorch take meanwhile in the thread that trains; alone they take {loader["launches_alone_ms"]} ms:

{loaders}

## PyTorch and rendering

| what | figure |
|---|---|
| ResNet-18 at 736 x 1280, ONNX Runtime | {runtimes["onnx_ms"]} ms |
| the same, PyTorch | {runtimes["torch_ms"]} ms, {runtimes["times_faster"]} times as long |
| rendered pictures, 640 x 640, {words} words each | {drawn["pictures_per_s_and_core"]} a second and core |
"""


def main(*arguments: str) -> None:
    """Measures, prints, and with `--write` writes."""
    asked = [argument for argument in arguments if argument != "--write"]
    stored = DOCS / "speed.json"
    figures = json.loads(stored.read_text()) if asked else {}
    for name in asked or PARTS:
        figures[name] = PARTS[name]()
        print(json.dumps({name: figures[name]}, indent=1))
    if "--write" in arguments:
        stored.write_text(json.dumps(figures, indent=1) + "\n")
        (DOCS / "speed.md").write_text(page(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])

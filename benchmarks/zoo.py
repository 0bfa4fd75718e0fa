"""What each row of the zoo costs, and the page `docs/zoo.md`: `python -m benchmarks.zoo [--write] [--data FOLDER]`.

Each row runs a picture of 1280 x 720 at its own test size, with random weights, on two threads, in a process of its own
for each engine: the median of the runs and the most memory that the process held. Deformable ResNet-50 is also timed by
turns with the plain one. `--data` is a folder with `icdar2015_train` and `msra_td500_train`, on whose held-back
pictures the models that come with the package, and ppocrv6_small, which has to be installed, are scored anew; without
it the scores of `docs/zoo.json` stay.
`--write` renews `docs/zoo.{json,md}`, `--page` the page (and the scores, with `--data`) from the figures that are
there.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: its threads must not spin

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.decode import median_ms
from diffbin import Detector, recipes
from diffbin.config import Model, Recipe, Source
from diffbin.engines import Engine, Runtime
from diffbin.engines.onnx import OnnxEngine
from diffbin.engines.torch import TorchEngine
from diffbin.export import add_metadata, to_onnx
from diffbin.image import Resize
from diffbin.metrics.evaluate import evaluate
from diffbin.model.cost import cost
from diffbin.model.dbnet import DBNet
from diffbin.model.deform import DeformConv2d
from diffbin.published import Published

DOCS = Path(__file__).parents[1] / "docs"
PICTURE, THREADS, TURNS = (720, 1280), 2, 5
SIZES = ((736, 1280), (1024, 1824))  # (h, w) of the multiply-adds
ENGINES = ("torch", "onnx")
LINES = (
    Source(images="msra_td500_train/images", labels="msra_td500_train/gt", part="9::10", unit="line"),
    "every tenth of MSRA-TD500's 300 training pictures",
)
VALIDATION = {
    "diffbin-words": (
        Source(images="icdar2015_train/images", labels="icdar2015_train/gt", part="900:"),
        "ICDAR2015 training pictures 901 to 1000",
    ),
    "diffbin-lines": LINES,
    "ppocrv6_small": LINES,
}
COLUMNS = (
    "recipe", "trained on", "parameters, M", "GMAC at 736 x 1280", "at 1024 x 1824",
    "published P / R / hmean", "by", "official weights", "measured hmean",
)  # fmt: skip


def rows() -> Iterator[Recipe]:
    """Published rows first, then our own; a recipe that trains another's network further is no row."""
    loaded = [recipes.load(name) for name in recipes.names()]
    yield from sorted(loaded, key=lambda recipe: recipes.published(recipe.name) is None)


def network_of(recipe: Recipe) -> DBNet:
    """With random weights; deformable taps move by some pixels, as trained ones do."""
    torch.manual_seed(0)
    network = DBNet(recipe.model).eval()
    for module in network.modules():
        if isinstance(module, DeformConv2d):
            torch.nn.init.normal_(module.conv_offset.bias)  # type: ignore[arg-type]  # it has one
    return network


def batch_of(recipe: Recipe) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Noise at the row's test size."""
    size = Resize.fit(PICTURE, recipe.preprocess).padded
    return np.random.default_rng(0).normal(size=(1, 3, *size)).astype(np.float32)


def run_one(name: str, engine: str, model: str) -> dict[str, float]:
    """Milliseconds and peak memory of this process, which does nothing else."""
    recipe = recipes.load(name)
    torch.set_num_threads(THREADS)
    made: Engine = (
        TorchEngine(network_of(recipe), recipe)
        if engine == "torch"
        else OnnxEngine(Path(model), Runtime(threads=THREADS))
    )
    batch = batch_of(recipe)
    made.run(batch)
    (ms,) = median_ms(TURNS, lambda: made.run(batch))
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    return {"ms": round(ms), "peak_mib": round(int(peak[1]) / 1024) if peak else 0}


def measure_costs() -> dict[str, Any]:
    """By row and engine; rows that differ in training alone are measured once."""
    measured: dict[tuple[Model, tuple[int, ...]], dict[str, Any]] = {}
    answer = {}
    for recipe in rows():
        size = Resize.fit(PICTURE, recipe.preprocess).padded
        key = (recipe.model, size)
        if key not in measured:
            measured[key] = {"size": list(size), **_measure_row(recipe)}
            print(recipe.name, measured[key], file=sys.stderr)
        answer[recipe.name] = measured[key]
    return answer


def _measure_row(recipe: Recipe) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        model.write_bytes(add_metadata(to_onnx(network_of(recipe)), recipe, {}).SerializeToString())
        figures = {}
        for engine in ENGINES:
            command = [sys.executable, "-m", "benchmarks.zoo", "--one", recipe.name, engine, str(model)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=DOCS.parent)
            figures[engine] = json.loads(done.stdout)
    return figures


def measure_deform() -> dict[str, float]:
    """ResNet-50 with and without deformable convolution, by turns in one process, at their test size."""
    torch.set_num_threads(THREADS)
    pair = [recipes.load(f"dbnet_resnet50{kind}_1200e_icdar2015") for kind in ("", "-dcnv2_fpnc")]
    plain, deformable = (TorchEngine(network_of(recipe), recipe) for recipe in pair)
    batch = batch_of(pair[0])
    plain.run(batch), deformable.run(batch)
    plain_ms, deformable_ms = median_ms(TURNS, lambda: plain.run(batch), lambda: deformable.run(batch))
    return {
        "plain_ms": round(plain_ms),
        "deformable_ms": round(deformable_ms),
        "ratio": round(deformable_ms / plain_ms, 2),
    }


def measure_scores(root: str) -> dict[str, Any]:
    """Of models as the plain install runs them."""
    scores = {}
    for model, (source, told) in VALIDATION.items():
        detector = Detector(model, engine="onnx", tile="off")
        fixed = evaluate(detector, [source], root).to_dict()["fixed"]
        figures = {key: fixed[key] for key in ("precision", "recall", "hmean", "hmean_interval")}
        scores[detector.engine.recipe.name] = {"on": told, **figures}
    return scores


def page(figures: dict[str, Any]) -> str:
    """The page, from the recipes and the measured figures."""
    networks = "\n".join(_network_row(recipe, figures["scores"].get(recipe.name)) for recipe in rows())
    times = "\n".join(_time_row(recipe.name, figures["costs"][recipe.name]) for recipe in rows())
    deform = figures["deform"]
    return f"""# The zoo

Made by `python -m benchmarks.zoo --write` from the recipes and from `zoo.json`. `diffbin zoo get NAME` installs a row
that has official weights, `diffbin train NAME` trains any.

Published figures are others' words: the best over score thresholds on the test set (MMOCR 1.0), or the paper's.
"Measured" is our own figure at the model's fixed threshold, on held-back training pictures and not
on the test set, so it is not to be compared with the others; it is empty where we have no weights
to measure. Multiply-adds are those of the probability path.

{_line(COLUMNS)}
{"|---" * len(COLUMNS)}|
{networks}

{_scores_text(figures["scores"])}

## Time and memory

A picture of 1280 x 720 at the row's own test size, {figures["machine"]}, {THREADS} threads: the median of {TURNS} runs
of the network alone, and the most memory that the process held, libraries and weights included. All in single
precision; diffbin_words and diffbin_lines ship in eight bits, too, which is faster: see [speed](speed.md).

| recipe | input | PyTorch, ms | MiB | ONNX Runtime, ms | MiB |
|---|---|---|---|---|---|
{times}

Deformable convolution in plain PyTorch: ResNet-50 at 1024 x 1824 takes {deform["deformable_ms"]} ms with it and
{deform["plain_ms"]} ms without, by turns in one process: {deform["ratio"]} times.
"""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _network_row(recipe: Recipe, score: dict[str, Any] | None) -> str:
    published = recipes.published(recipe.name)
    costs = [cost(recipe.model, size) for size in SIZES]
    sets = ", ".join(dict.fromkeys((source.images or "rendered").split("/")[0] for source in recipe.data.train))
    gmacs = [f"{c.multiply_adds / 1e9:.1f}" for c in costs]
    shown = f"{score['hmean']:.3f}" if score else ""
    return _line([recipe.name, sets, f"{costs[0].parameters / 1e6:.2f}", *gmacs, *_published_cells(published), shown])


def _published_cells(published: Published | None) -> list[str]:
    if published is None:
        return ["", "", ""]
    figures = (published.precision, published.recall, published.hmean)
    told = " / ".join(f"{figure:.4f}".lstrip("0") for figure in figures) if published.hmean else ""
    return [told, published.source, "yes" if published.weights else "no"]


def _scores_text(scores: dict[str, Any]) -> str:
    return "\n".join(
        f"Measured, {name}: precision {s['precision']:.3f}, recall {s['recall']:.3f}, hmean {s['hmean']:.3f} "
        f"(95 % interval {s['hmean_interval'][0]:.3f} to {s['hmean_interval'][1]:.3f}) on {s['on']}."
        for name, s in scores.items()
    )


def _time_row(name: str, figures: dict[str, Any]) -> str:
    height, width = figures["size"]
    cells = [str(figures[engine][key]) for engine in ENGINES for key in ("ms", "peak_mib")]
    return _line([name, f"{height} x {width}", *cells])


def main() -> None:
    """Prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="renew docs/zoo.json and docs/zoo.md")
    parser.add_argument("--page", action="store_true", help="renew docs/zoo.md from the figures that are there")
    parser.add_argument("--data", help="folder with icdar2015_train and msra_td500_train")
    parser.add_argument("--one", nargs=3, metavar=("RECIPE", "ENGINE", "ONNX"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    cv2.setNumThreads(THREADS)
    if options.one:
        print(json.dumps(run_one(*options.one)))
        return
    stored = json.loads((DOCS / "zoo.json").read_text()) if (DOCS / "zoo.json").exists() else {"scores": {}}
    if options.data:
        stored["scores"] = measure_scores(options.data)
    if not options.page:
        stored |= {"machine": "an x86 server", "deform": measure_deform(), "costs": measure_costs()}
        print(json.dumps(stored, indent=1))
    if options.write or options.page:
        (DOCS / "zoo.json").write_text(json.dumps(stored, indent=1) + "\n")
        (DOCS / "zoo.md").write_text(page(stored))


if __name__ == "__main__":
    main()

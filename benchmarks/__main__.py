"""Every benchmark that needs no data set: `python -m benchmarks [--write]`; `--write` renews docs/speed.{json,md}."""

import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2

from benchmarks import data, decode, runtime, synth

DOCS = Path(__file__).parents[1] / "docs"


def measure() -> dict[str, Any]:
    """All figures."""
    runtimes = runtime.measure()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        data.make_pictures(Path(folder))
        crops = {name: data.measure(folder, folder, config, 100) for name, config in data.CROPS.items()}
    return {"machine": platform.machine(), "runtime": runtimes, "decode": decode.measure(), "data": crops,
            "synth": synth.measure()}  # fmt: skip


def page(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    runtimes, crops, drawn = figures["runtime"], figures["data"], figures["synth"]
    words = drawn["words_each"]
    columns = ("map", "regions", "ms", "contours_ms", "naive_ms", "times_faster")
    rows = "\n".join(f"| {' | '.join(str(row[column]) for column in columns)} |" for row in figures["decode"])
    return f"""# Speed

Made by `python -m benchmarks --write` from `speed.json`: two cores of an x86 server, medians, runs by turns. Figures
of a shared machine differ from day to day; the ratios hold.

| what | figure |
|---|---|
| ResNet-18 at 736 x 1280, ONNX Runtime | {runtimes["onnx_ms"]} ms |
| the same, PyTorch | {runtimes["torch_ms"]} ms, {runtimes["times_faster"]} times as long |
| augmented samples with label maps, 640 x 640, `crop="text"` | {crops["text"]["samples_per_s"]} a second and core |
| the same, `crop="scale"` | {crops["scale"]["samples_per_s"]} a second and core |
| label maps alone | {crops["text"]["targets_per_s"]} sets a second and core |
| rendered pictures, 640 x 640, {words} words each | {drawn["pictures_per_s_and_core"]} a second and core |

Decoding the reference's maps (736 x 1312, one core) and drawn ones against a naive loop with masks of the size of the
map. Threshold and contours, which no decoder is without, take their part of it:

| map | regions | ms | of it contours, ms | naive, ms | times faster |
|---|---|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    measured = measure()
    print(json.dumps(measured, indent=1))
    if "--write" in sys.argv:
        (DOCS / "speed.json").write_text(json.dumps(measured, indent=1) + "\n")
        (DOCS / "speed.md").write_text(page(measured))

"""What each rewrite of the network for detection brings, on its own: `python -m benchmarks.rewrites [--json]`.

The paper's ResNet-18 and one of half its width with a thin neck, at 736 x 1312, random weights, two threads, medians
by turns. Each rewrite answers as the original does to 1e-5; here its time is measured, in each engine that it concerns.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads

import cv2
import numpy as np
import onnx
import torch
from torch import Tensor, nn

from benchmarks.decode import median_ms
from diffbin.config import Model, Preprocess, Recipe
from diffbin.engines import Runtime
from diffbin.engines.onnx import OnnxEngine
from diffbin.engines.openvino import OpenVinoEngine
from diffbin.engines.torch import folded
from diffbin.export import add_metadata, trace
from diffbin.image import Resize
from diffbin.model.dbnet import DBNet
from diffbin.model.prob_path import ProbPath

NETWORKS = {
    "ResNet-18": Model(),
    "half-width ResNet-18": Model(backbone="resnet18_half", lateral_channels=64, smooth_channels=16),
}
SIZE, THREADS, REST_S = (736, 1312), 2, 0.15


class Original(nn.Module):
    """The probability path as the paper draws it."""

    def __init__(self, network: DBNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        return self.network.prob(pictures)


def rested(task: Callable[[], object]) -> float:
    """Milliseconds of one run, after a rest: ONNX Runtime's threads spin on for a while and slow what comes next."""
    time.sleep(REST_S)
    start = time.perf_counter()
    task()
    return 1000 * (time.perf_counter() - start)


def race(turns: int, *tasks: Callable[[], object]) -> list[float]:
    """Median milliseconds of each task by turns, rested."""
    for task in tasks:
        task()
    times = [[rested(task) for task in tasks] for _ in range(turns)]
    return [round(float(np.median(column)), 1) for column in zip(*times, strict=True)]


def measure_path(config: Model, turns: int) -> dict[str, list[float]]:
    """[as drawn, with the head of 1x1 convolutions, with the neck without its widest maps too] by engine."""
    network = DBNet(config).eval()
    head_only = ProbPath(network)
    head_only.neck = network.neck  # type: ignore[assignment]
    head_only.join = network.det_head.binarize[:2]  # type: ignore[assignment]
    batch = np.random.default_rng(0).normal(size=(1, 3, *SIZE)).astype(np.float32)
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{i}.onnx" for i in range(3)]
        for file, path in zip(files, (Original(network).eval(), head_only, ProbPath(network)), strict=True):
            onnx.save(add_metadata(trace(path), Recipe(name="r", model=config), {}), str(file))
        plain = [OnnxEngine(file, Runtime(threads=THREADS)) for file in files]
        figures["ONNX Runtime fp32"] = race(turns, *(lambda e=engine: e.run(batch) for engine in plain))
        for precision in ("fp32", "bf16"):
            runtime = Runtime(threads=THREADS, precision=precision)
            fast = [OpenVinoEngine(file, runtime) for file in files]
            figures[f"OpenVINO {precision}"] = race(turns, *(lambda e=engine: e.run(batch) for engine in fast))
    return figures


@torch.inference_mode()
def measure_folding(config: Model, turns: int) -> list[float]:
    """BatchNorm apart, and folded into the convolutions, in PyTorch: [before, after]."""
    torch.set_num_threads(THREADS)
    path = ProbPath(DBNet(config)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch = torch.randn(1, 3, *SIZE).contiguous(memory_format=torch.channels_last)
    fold = folded(path)
    return race(turns, lambda: path(batch), lambda: fold(batch))


def measure_normalising(turns: int) -> list[float]:
    """Arithmetic on a resized picture, and a look-up of the 256 levels: [before, after]."""
    config = Preprocess()
    picture = np.random.default_rng(0).integers(0, 256, (720, 1280, 3)).astype(np.uint8)
    resize = Resize.fit((720, 1280), config)

    def arithmetic() -> None:
        small = cv2.resize(picture, resize.resized[::-1], interpolation=cv2.INTER_LINEAR)
        batch = np.zeros((1, 3, *resize.padded), np.float32)
        for channel, (mean, std) in enumerate(zip(config.mean_rgb, config.std_rgb, strict=True)):
            target = batch[0, channel, : resize.resized[0], : resize.resized[1]]
            np.subtract(small[:, :, channel], np.float32(mean), out=target)
            target *= np.float32(1 / std)

    return [round(ms, 2) for ms in median_ms(5 * turns, arithmetic, lambda: resize.apply(picture, config))]


def measure(turns: int = 9) -> dict[str, Any]:
    """Milliseconds before and after."""
    return {
        "path": {name: measure_path(config, turns) for name, config in NETWORKS.items()},
        "folding": {name: measure_folding(config, turns) for name, config in NETWORKS.items()},
        "normalising": measure_normalising(turns),
    }


def main() -> None:
    """Prints lines or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    figures = measure()
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {pairs}" for name, pairs in figures.items()))


if __name__ == "__main__":
    main()

"""ResNet-18 DBNet at 736 x 1280, ONNX Runtime against PyTorch: `python -m benchmarks.runtime [--json]`.

Random weights, probability map only, all cores, medians by turns. Both run in one process, one after the other.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: its threads must not spin while ORT works

import numpy as np

from benchmarks.decode import median_ms
from diffbin.config import Recipe
from diffbin.engines.onnx import OnnxEngine
from diffbin.engines.torch import TorchEngine
from diffbin.export import export
from diffbin.model.checkpoints import write_weights
from diffbin.model.dbnet import DBNet


def measure(turns: int = 7) -> dict[str, float]:
    """Median milliseconds a picture, and their ratio."""
    recipe = Recipe(name="resnet18")
    network = DBNet(recipe.model)
    batch = np.random.default_rng(0).normal(size=(1, 3, 736, 1280)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        weights, model = Path(folder) / "w.safetensors", Path(folder) / "m.onnx"
        write_weights(weights, recipe, network.state_dict())
        export(weights, model, card={})
        plain, exported = TorchEngine(network, recipe), OnnxEngine(model)
        plain.run(batch), exported.run(batch)  # warm up
        torch_ms, onnx_ms = median_ms(turns, lambda: plain.run(batch), lambda: exported.run(batch))
    return {"torch_ms": round(torch_ms, 1), "onnx_ms": round(onnx_ms, 1), "times_faster": round(torch_ms / onnx_ms, 2)}


def main() -> None:
    """Prints a line or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    result = measure()
    print(json.dumps(result) if options.json else f"ResNet-18 at 736 x 1280: {result}")


if __name__ == "__main__":
    main()

"""Models through PyTorch: a checkpoint of a training run, or a network at hand."""

from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from diffbin.config import Recipe
from diffbin.engines import Runtime
from diffbin.engines.graphs import CudaCapture, Graphs
from diffbin.errors import ConfigError, DependencyError
from diffbin.model import checkpoints
from diffbin.model.dbnet import DBNet
from diffbin.model.prob_path import ProbPath

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchEngine:
    """A network as an engine: a copy of its probability path, BatchNorm folded into the convolutions, channels last.

    On a GPU, shapes that come again and again are run by CUDA graphs, but for a network at hand: one in training needs
    the memory itself.
    """

    def __init__(self, network: DBNet, recipe: Recipe, runtime: Runtime | None = None) -> None:
        """On the device of the network unless `runtime` says otherwise. Raises `ConfigError`, `DependencyError`."""
        own = next(network.parameters()).device
        self.device = own if runtime is None or runtime.device == "auto" else _device(runtime.device)
        self.precision = _precision(runtime.precision if runtime else "auto", self.device)
        dtype = DTYPES[self.precision]
        path = folded(ProbPath(network)).to(self.device, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        forward = _Forward(path, self.device, dtype)
        by_graphs = runtime is not None and self.device.type == "cuda"
        self._run = Graphs(forward.run, CudaCapture(forward, self.device)).run if by_graphs else forward.run
        self.recipe = recipe
        self.card = {"summary": f"a network of recipe {recipe.name}, not exported"}
        if runtime and runtime.threads:
            torch.set_num_threads(runtime.threads)  # PyTorch has one setting for the whole process

    @classmethod
    def load(cls, path: Path, runtime: Runtime = Runtime()) -> "TorchEngine":  # noqa: B008  # frozen
        """The averaged weights of a checkpoint, or else its weights; on a GPU where there is one."""
        recipe, weights = checkpoints.read_weights(path)
        network = checkpoints.build(recipe, weights, source=str(path))
        return cls(network.to(_device(runtime.device)), recipe, runtime)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        return self._run(batch)

    def describe(self) -> str:
        """See `Engine.describe`."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        return f"PyTorch {torch.__version__}, {name}, {self.precision}, {torch.get_num_threads()} threads"


@dataclass(frozen=True, eq=False)
class _Forward:
    """The probability path on a device. Not the engine itself, which would hold what holds it, and so GPU memory."""

    path: ProbPath
    device: torch.device
    dtype: torch.dtype

    def __call__(self, pictures: Tensor) -> Tensor:
        """`(n, 3, h, w)` float32 on the device -> P `(n, 1, h, w)` float32 there."""
        prob: Tensor = self.path(pictures.to(self.dtype, memory_format=torch.channels_last))
        return prob

    @torch.inference_mode()
    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        pictures = torch.from_numpy(batch).to(self.device, non_blocking=True)  # converted there, where that is fast
        prob: NDArray[np.float32] = self(pictures).cpu().numpy()
        return prob


def folded(path: ProbPath) -> ProbPath:
    """A copy in which each BatchNorm that follows a convolution is part of it.

    But for a backbone of one's own, which may do something between the two, or take them in another order.
    """
    path = deepcopy(path)
    ours = type(path.backbone).__module__.startswith("diffbin.")
    for place, parent in list(path.named_modules()):
        if place.partition(".")[0] == "backbone" and not ours:
            continue
        for (first, conv), (second, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, first, fuse_conv_bn_eval(conv, norm))
                setattr(parent, second, nn.Identity())
    return path


def _device(asked: str) -> torch.device:
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if asked == "tensorrt":
        raise DependencyError("TensorRT runs exported models: take --engine onnx.")
    if asked == "cuda" and not torch.cuda.is_available():
        raise DependencyError(
            f"PyTorch {torch.__version__} finds no GPU here; leave --device out, or take --device cpu."
        )
    return torch.device(asked)


def _precision(asked: str, device: torch.device) -> str:
    if asked == "int8" or (asked == "fp16" and device.type == "cpu"):
        raise ConfigError(f"PyTorch does not compute in {asked} on {device.type} here; take fp32 or bf16.")
    return "fp32" if asked == "auto" else asked

"""What runs a network: one small seam, so that the detector does not know which library computes the map."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from diffbin.config import Recipe, check_range


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What computes the map. "auto" takes the fastest that is there; what is asked for and absent is an error."""

    engine: Literal["auto", "openvino", "onnx", "torch"] = "auto"
    device: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"  # "auto" = that of the file
    threads: int = 0  # that compute one picture; 0 = one a core

    def __post_init__(self) -> None:
        check_range("from 0 to 1024", self, ("threads",))


class Engine(Protocol):
    """A loaded model."""

    recipe: Recipe  # what it was trained by; its `preprocess` and `decode` are the model's own settings
    card: dict[str, str]  # the model card: what it was trained on, how long, its score
    precision: str  # what it computes in: fp32, bf16, fp16 or int8

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(n, 3, h, w)` float32 normalised RGB, sides multiples of 32 -> P `(n, 1, h, w)` float32 in
        [0, 1], `h` and `w` divided by the stride of its map, `recipe.model.map_stride`.

        Safe to be called from several threads at once.
        """

    def describe(self) -> str:
        """Library with its version, device, precision and threads, as `ONNX Runtime 1.32.0, cpu, int8, 2 threads`."""

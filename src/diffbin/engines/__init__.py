"""What runs a network: one small seam, so that the detector does not know which library computes the map."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diffbin.config import Recipe


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

"""Models through PyTorch: a checkpoint of a training run, or a network at hand."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from diffbin.config import Recipe
from diffbin.model import checkpoints
from diffbin.model.dbnet import DBNet


class TorchEngine:
    """A network as an engine, on the device where it is. It is left in evaluation mode."""

    def __init__(self, network: DBNet, recipe: Recipe) -> None:
        self.network: DBNet = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe = recipe
        self.card = {"summary": f"a network of recipe {recipe.name}, not exported"}

    @classmethod
    def load(cls, path: Path) -> "TorchEngine":
        """The averaged weights of a checkpoint, or else its weights."""
        recipe, weights = checkpoints.read_weights(path)
        return cls(checkpoints.build(recipe, weights, source=str(path)), recipe)

    @torch.inference_mode()
    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        pictures = torch.from_numpy(batch).to(next(self.network.parameters()).device, memory_format=torch.channels_last)
        prob: NDArray[np.float32] = self.network.prob(pictures).cpu().numpy()
        return prob

"""A trained network whose answers another one learns from (distillation, Hinton et al., arXiv 1503.02531)."""

from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor

from diffbin import zoo
from diffbin.engines.torch import folded
from diffbin.errors import ModelError
from diffbin.model import checkpoints
from diffbin.model.prob_path import ProbPath
from diffbin.train.inputs import normalise


class Teacher:
    """The probability path of a model, frozen, on the device and in the precision of the run."""

    def __init__(self, model: str, fabric: Fabric) -> None:
        """`model` is a name or a file, as `--weights` takes it. Raises `ModelError`."""
        path = zoo.weights_of(model)
        if path.suffix in (".pth", ".onnx"):
            raise ModelError(
                f"The teacher {path} is neither a checkpoint of diffbin nor .safetensors; install an official .pth by "
                "`diffbin zoo import`, and give its name."
            )
        recipe, weights = checkpoints.read_weights(path)
        recipe = replace(recipe, model=replace(recipe.model, map_stride=1))  # the loss is of whole maps
        network = folded(ProbPath(checkpoints.build(recipe, weights, source=str(path)))).requires_grad_(False)
        self._network = network.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._preprocess, self._fabric = recipe.preprocess, fabric

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Crops `(n, 3, h, w)` uint8 RGB, normalised as this model wants them -> P `(n, h, w)` float32."""
        batch = normalise(pictures, self._preprocess)
        with self._fabric.autocast():
            prob: Tensor = self._network(batch)
        return prob[:, 0].float()

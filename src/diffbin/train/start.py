"""What training starts from: nothing, a trained network, or a trained backbone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from diffbin import zoo
from diffbin.config import Recipe
from diffbin.errors import ConfigError
from diffbin.model import official
from diffbin.model.checkpoints import Weights, read_weights


@dataclass(frozen=True)
class Start:
    """Trained weights to begin with: of the whole network, or of the `part` whose names begin so."""

    weights: Weights
    source: str  # the file, for errors
    part: Literal["", "backbone."] = ""


def read_start(recipe: Recipe, *, weights: str | None, backbone: Path | None) -> Start | None:
    """Weights of the whole network by a model's name or a file, or of the backbone alone from an official file.

    Raises `ConfigError` if both are given, `ModelError` for a file that cannot be read.
    """
    if weights and backbone:
        raise ConfigError("--weights and --backbone both say what to start from; give one of them.")
    if backbone:
        return Start(official.backbone(official.read(backbone), recipe), str(backbone), "backbone.")
    if not weights:
        return None
    path = zoo.weights_of(weights)
    if path.suffix == ".pth":
        return Start(official.to_native(official.read(path), recipe)[0], str(path))
    return Start(read_weights(path)[1], str(path))

"""Models through ONNX Runtime, on the CPU. The file carries its own settings: nothing is needed beside it."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from diffbin.config import Recipe, from_dict
from diffbin.errors import ConfigError, ModelError

METADATA_KEY = "diffbin"  # of the JSON that `diffbin export` writes into the model: recipe, card, version


class OnnxEngine:
    """A model exported by `diffbin export`. `threads` computes one picture; 0 = as many as there are cores."""

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        if not path.is_file():
            raise ModelError(f"There is no model {path}.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_mem_pattern = False  # a plan for each shape: no faster, and memory grows with their number
        options.log_severity_level = 3  # errors only; they come as exceptions anyway
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own classes are not public
            raise ModelError(f"{path} is not an ONNX model, or it is damaged ({_first_line(error)}).") from None
        self.recipe, self.card = _read_metadata(self._session.get_modelmeta().custom_metadata_map, path)
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        prob: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0]
        return prob


def _read_metadata(metadata: dict[str, str], path: Path) -> tuple[Recipe, dict[str, str]]:
    if METADATA_KEY not in metadata:
        raise ModelError(f"{path} was not made by `diffbin export`: it does not say how to prepare its input.")
    try:
        content = json.loads(metadata[METADATA_KEY])
        return from_dict(Recipe, content["recipe"]), dict(content["card"])
    except (ValueError, KeyError, TypeError, ConfigError) as error:
        raise ModelError(f"The settings in {path} cannot be read ({error}); was it made by a later version?") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

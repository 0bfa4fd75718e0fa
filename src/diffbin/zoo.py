"""Models by name, and how a model is found: a name of the table, an ONNX file, or a checkpoint."""

from pathlib import Path

from diffbin.engines import Engine
from diffbin.errors import DependencyError, ModelError

EMBEDDED = "diffbin-words"
_FOLDER = Path(__file__).parent / "models"
MODELS = {EMBEDDED: _FOLDER / "diffbin-words.onnx"}  # each carries its own card and settings
WEIGHTS = {EMBEDDED: _FOLDER / "diffbin-words.safetensors"}  # the same weights, to train further from
CHECKPOINTS = (".pt", ".safetensors")


def load(model: str | Path = EMBEDDED, *, threads: int = 0) -> Engine:
    """The engine of a model: a name of `MODELS`, a path to an exported `.onnx`, or to a checkpoint (needs torch).

    Raises `ModelError` if there is none or it cannot be used, `DependencyError` if a checkpoint is given without torch.
    """
    path = MODELS.get(str(model), Path(model))
    if path.suffix in CHECKPOINTS:
        return _load_checkpoint(path)
    if not path.is_file():
        raise ModelError(f"There is no model {model}; give a file, or one of: {', '.join(MODELS)}.")
    from diffbin.engines.onnx import OnnxEngine

    return OnnxEngine(path, threads=threads)


def _load_checkpoint(path: Path) -> Engine:
    try:
        from diffbin.engines.torch import TorchEngine
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"{path} is a checkpoint, and running it needs {error.name}: pip install 'diffbin[train]', "
            "or export it to ONNX first."
        ) from None
    return TorchEngine.load(path)

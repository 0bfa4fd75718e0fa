"""Models by name, and how a model is found: embedded, installed by `diffbin zoo get`, an ONNX file, or a checkpoint."""

import os
from pathlib import Path

from diffbin import recipes
from diffbin.engines import Engine
from diffbin.errors import DependencyError, ModelError

EMBEDDED = "diffbin-words"
_FOLDER = Path(__file__).parents[1] / "models"
MODELS = {EMBEDDED: _FOLDER / "diffbin-words.onnx"}  # each carries its own card and settings
WEIGHTS = {EMBEDDED: _FOLDER / "diffbin-words.safetensors"}  # the same weights, to train further from
CHECKPOINTS = (".pt", ".safetensors")


def load(model: str | Path = EMBEDDED, *, threads: int = 0) -> Engine:
    """The engine of a model: see `find`. Raises `ModelError` if there is none or it cannot be used.

    Raises `DependencyError` if a checkpoint is given without torch.
    """
    path = find(model)
    if path.suffix in CHECKPOINTS:
        return _load_checkpoint(path)
    from diffbin.engines.onnx import OnnxEngine

    return OnnxEngine(path, threads=threads)


def find(model: str | Path) -> Path:
    """The file of a model: a name of `MODELS` or of an installed model, an exported `.onnx`, or a checkpoint."""
    name = str(model)
    for path in (MODELS.get(name, Path(model)), installed(name)):
        if path.is_file():
            return path
    if name in recipes.names() and (published := recipes.published(name)):
        way = f"diffbin zoo get {name}" if published.weights else f"diffbin train {name} (no weights are published)"
        raise ModelError(f"The model {name} is not on this machine; get it with: {way}.")
    known = ", ".join([*MODELS, *installed_names()])
    raise ModelError(f"There is no model {name}; give a file, one of {known}, or a row of `diffbin zoo list`.")


def weights_of(model: str) -> Path:
    """The file to train further from: the weights of a named or installed model, or the given file."""
    native = installed(model).with_suffix(".safetensors")
    return WEIGHTS.get(model, native if not Path(model).is_file() and native.is_file() else Path(model))


def cache() -> Path:
    """Where models are installed: `$DIFFBIN_CACHE`, or `diffbin` in the user's cache folder."""
    if folder := os.environ.get("DIFFBIN_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffbin"


def installed(name: str) -> Path:
    """The file of an installed model, whether it is there or not."""
    return cache() / f"{Path(name).name}.onnx"


def installed_names() -> list[str]:
    """The installed models."""
    return sorted(path.stem for path in cache().glob("*.onnx"))


def _load_checkpoint(path: Path) -> Engine:
    try:
        from diffbin.engines.torch import TorchEngine
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"{path} is a checkpoint, and running it needs {error.name}: pip install 'diffbin[train]', "
            "or export it to ONNX first."
        ) from None
    return TorchEngine.load(path)

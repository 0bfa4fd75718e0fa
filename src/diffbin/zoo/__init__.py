"""Models by name, and how a model is found: embedded, installed by `diffbin zoo get`, an ONNX file, or a checkpoint."""

import logging
import os
import re
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

from diffbin import recipes
from diffbin.engines import Engine, Runtime
from diffbin.errors import (
    DependencyError,
    DeviceError,
    DiffbinError,
    EngineWarning,
    ModelError,
    warn,
    way_to_install,
)

EMBEDDED = "diffbin-words"
_FOLDER = Path(__file__).parents[1] / "models"
MODELS = {  # each carries its own card and settings; in eight bits unless the name says otherwise
    name: _FOLDER / f"{name}.onnx" for name in (EMBEDDED, "diffbin-words-fp32", "diffbin-lines", "diffbin-lines-fp32")
}
WEIGHTS = {name: _FOLDER / f"{name.removesuffix('-fp32')}.safetensors" for name in MODELS}  # to train further from
CHECKPOINTS = (".pt", ".safetensors")
_LOG = logging.getLogger(__name__)


def load(model: str | Path = EMBEDDED, runtime: Runtime = Runtime()) -> Engine:  # noqa: B008  # frozen
    """The engine of a model: see `find`. "auto" takes the first of these that is there and can run the file: ONNX
    Runtime on a GPU, OpenVINO, ONNX Runtime on the CPU. A checkpoint is run by PyTorch, on a GPU where it has one.

    An `EngineWarning` tells of a GPU that is there and does not start; why else none is taken, is logged as "info".
    Raises `ModelError` if there is no model or it cannot be used, `DependencyError` if an engine or a device that is
    asked for is not there, `ConfigError` for a precision that it cannot compute in.
    """
    path = find(model)
    if path.suffix in CHECKPOINTS:
        if runtime.engine not in ("auto", "torch"):
            raise ModelError(
                f"{path} is a checkpoint; export it for --engine {runtime.engine}, or take --engine torch."
            )
        return _open("torch", path, runtime)
    if runtime.engine == "torch":
        weights = weights_of(str(model))
        way = f"; of this one: --model {weights}" if weights.suffix in CHECKPOINTS else ""
        raise ModelError(f"{path} is an exported model; PyTorch runs checkpoints: .pt or .safetensors{way}.")
    if runtime.device == "auto" and runtime.engine != "openvino":
        try:
            return _open("onnx", path, replace(runtime, device="cuda"))
        except DeviceError as error:
            warn(f"The CPU computes, not the GPU. {error}", EngineWarning)
        except DiffbinError as error:  # no GPU, or not for this file or precision; it was not asked for
            _LOG.info("No GPU is taken. %s", error)
        runtime = replace(runtime, device="cpu")
    if runtime.engine == "auto":
        return _open_on_cpu(path, runtime) if runtime.device == "cpu" else _open("onnx", path, runtime)
    return _open(runtime.engine, path, runtime)


def _open_on_cpu(path: Path, runtime: Runtime) -> Engine:
    if find_spec("openvino"):
        with suppress(ModelError):  # one of deformable convolution, or damaged, of which the next engine tells
            return _open("openvino", path, runtime)
    return _open("onnx", path, runtime)


def _open(engine: str, path: Path, runtime: Runtime) -> Engine:
    try:
        if engine == "openvino":
            from diffbin.engines.openvino import OpenVinoEngine

            return OpenVinoEngine(path, runtime)
        if engine == "torch":
            from diffbin.engines.torch import TorchEngine

            return TorchEngine.load(path, runtime)
    except ModuleNotFoundError as error:
        extra = {"openvino": "openvino", "torch": "train"}[engine]
        also = " A checkpoint can be exported to ONNX instead." if engine == "torch" else ""
        raise DependencyError(
            f"Running {path} by {engine} needs {error.name}: {way_to_install(extra)}.{also}"
        ) from None
    from diffbin.engines.onnx import OnnxEngine

    return OnnxEngine(path, runtime)


def find(model: str | Path) -> Path:
    """The file of a model: a name of `MODELS` or of an installed model, an exported `.onnx`, or a checkpoint."""
    name = str(model)
    given = MODELS.get(name, Path(model))
    if os.path.isfile(given):  # noqa: PTH113  # False where pathlib raises: no permission, too long a name
        return given
    if os.path.isfile(there := installed(name)):  # noqa: PTH113  # looked for last: not everybody has a cache folder
        return there
    if name in recipes.names() and (published := recipes.published(name)):
        way = f"diffbin zoo get {name}" if published.weights else f"diffbin train {name} (no weights are published)"
        raise ModelError(f"The model {name} is not on this machine; get it with: {way}.")
    known = [*MODELS, *installed_names()]
    if name in MODELS:
        raise ModelError(f"{given} is not there: install the package by pip; from within a zip it has no models.")
    near = "".join(f" (did you mean {other}?)" for other in get_close_matches(name, known, n=1, cutoff=0.9))
    raise ModelError(
        f"There is no model {name}{near}; give a file, one of {', '.join(known)}, or a row of `diffbin zoo list`."
    )


def weights_of(model: str) -> Path:
    """The file to train further from: the weights of a named or installed model, or the given file."""
    if model in WEIGHTS or os.path.isfile(model):  # noqa: PTH113
        return WEIGHTS.get(model, Path(model))
    native = installed(model).with_suffix(".safetensors")
    return native if os.path.isfile(native) else Path(model)  # noqa: PTH113


def card_of(model: str) -> dict[str, str]:
    """The card of a named or installed model, or of a run from one by its `model.safetensors`; {} for any other.

    Raises `ModelError`.
    """
    given = Path(model)
    of_run = given.name == "model.safetensors"
    path = given.with_suffix(".onnx") if of_run else MODELS.get(model, installed(model))
    return _open("onnx", path, Runtime(device="cpu")).card if os.path.isfile(path) else {}  # noqa: PTH113


def cache() -> Path:
    """Where models are installed: `$DIFFBIN_CACHE`, or `diffbin` in the user's cache folder.

    Raises `ModelError` for a user who has no such folder, as in a container under a number that has no account.
    """
    if folder := os.environ.get("DIFFBIN_CACHE"):
        return Path(folder)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffbin"
    except RuntimeError:
        raise ModelError(
            "This user has no home folder to look for installed models in; set DIFFBIN_CACHE to a folder for them."
        ) from None


def installed(name: str) -> Path:
    """The file of an installed model, whether it is there or not; for a path, which names none, it is never there."""
    return cache() / (re.sub(r"[/\\]", ",", name) + ".onnx")


def installed_names() -> list[str]:
    """The installed models."""
    with suppress(PermissionError):  # of another user's home, before Python 3.13
        return sorted(path.stem for path in cache().glob("*.onnx"))
    return []

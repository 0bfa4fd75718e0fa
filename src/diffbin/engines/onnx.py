"""Models through ONNX Runtime, on a CPU or an NVIDIA GPU. The file carries its own settings."""

import ctypes
import json
import os
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from diffbin.config import Recipe
from diffbin.engines import Runtime
from diffbin.errors import ConfigError, DependencyError, DeviceError, ModelError
from diffbin.plain import from_dict

METADATA_KEY = "diffbin"  # of the JSON that `diffbin export` writes into the model: recipe, card, precision, version
LEARNED_FROM = (32 << 20) - (8 << 10)  # bytes: the most that glibc learns from, less what it adds
_LOADING = Lock()
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
FAILURES = ("RuntimeError", "RuntimeException", "EPFail")  # of a provider; those of files have other names


class OnnxEngine:
    """A model exported by `diffbin export`, on the CPU unless `runtime` says otherwise.

    Raises `ModelError` for a file that cannot be used, `ConfigError` for a precision that it cannot be computed in,
    `DependencyError` for a device that is not there, of its kinds `DeviceError` for one that is and does not start.
    """

    def __init__(self, path: Path, runtime: Runtime = Runtime()) -> None:  # noqa: B008  # frozen
        if not path.is_file():
            raise ModelError(f"There is no model {path}.")
        keep_freed_memory()
        self.device = "cpu" if runtime.device == "auto" else runtime.device
        self._session = _session(path, self.device, runtime.threads)
        self.recipe, self.card, stored = read_metadata(self._session.get_modelmeta().custom_metadata_map, path)
        self.precision = choose_precision(runtime.precision, stored, path, others=())
        self._path, self._runtime = path.absolute(), runtime
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        prob: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0]
        return prob

    def __reduce__(self) -> tuple[type["OnnxEngine"], tuple[Path, Runtime]]:
        """For another process, which reads the file itself."""
        return OnnxEngine, (self._path, self._runtime)

    def describe(self) -> str:
        """See `Engine.describe`."""
        threads = f"{self._runtime.threads} threads" if self._runtime.threads else "a thread a core"
        return f"ONNX Runtime {onnxruntime.__version__}, {self.device}, {self.precision}, {threads}"


def keep_freed_memory() -> None:
    """Lets the C library of Linux, glibc, keep up to 64 MB of freed memory for the next picture.

    It learns from what is freed (mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD): after one block just below 32 MB
    it takes blocks of up to that from its heap, and leaves twice as much there. Before, it gives the memory of each
    picture back to the system, to get it anew page by page: 3,650 of them, 8 of 46 ms with ONNX Runtime. Other
    libraries learn nothing from it, and the block is never touched.
    """
    np.empty(LEARNED_FROM, np.uint8)


def _session(path: Path, device: str, threads: int) -> Any:
    provider = _provider(device)
    missing = "" if device == "cpu" else _load_libraries()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_mem_pattern = False  # a plan for each shape: no faster, and memory grows with every new size
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as fast, and leaves cores to others
    options.log_severity_level = 3  # errors only; they come as exceptions anyway
    silent = f"ONNX Runtime has {provider}, but it does not start here"
    try:  # without "fallback", by which it prints to stdout and goes on without the provider, even in a later run
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider], enable_fallback=0)
    except Exception as error:  # ONNX Runtime's own classes are not public
        if device != "cpu" and type(error).__name__ in FAILURES:
            raise DeviceError(f"{silent} ({_reason(error)}); use --device cpu.") from None
        raise ModelError(f"{path} is not an ONNX model, or it is damaged ({_reason(error)}).") from None
    if provider not in session.get_providers():  # one whose libraries are not found is left out without an error
        raise DeviceError(
            f"{silent}: {missing or 'a library of CUDA, cuDNN or TensorRT is missing'}. "
            "pip install 'onnxruntime-gpu[cuda,cudnn]' brings those of CUDA and cuDNN; or use --device cpu."
        )
    return session


def _load_libraries() -> str:
    """Loads those of CUDA and cuDNN that pip has installed, where ONNX Runtime itself would not look. Returns what it
    prints of those that are missing, its first line."""
    with _LOADING, redirect_stdout(StringIO()) as told:  # stdout is that of all threads
        if hasattr(onnxruntime, "preload_dlls"):  # since 1.21
            onnxruntime.preload_dlls()
    return told.getvalue().partition("\n")[0]


def _provider(device: str) -> str:
    """Raises `DependencyError` unless it is part of this ONNX Runtime, and there is what it runs on."""
    there = [name for name, provider in PROVIDERS.items() if provider in onnxruntime.get_available_providers()]
    if device not in there:
        raise DependencyError(
            f"This ONNX Runtime has no {PROVIDERS[device]} for --device {device}; it has {', '.join(there)}. "
            "For an NVIDIA GPU: pip uninstall onnxruntime; pip install 'onnxruntime-gpu[cuda,cudnn]'."
        )
    if device != "cpu" and not finds_gpu():  # before ONNX Runtime tries, which then writes to the terminal
        raise DependencyError(f"There is no NVIDIA GPU with its driver for --device {device}; use --device cpu.")
    return PROVIDERS[device]


def finds_gpu() -> bool:
    """Whether NVIDIA's driver is installed and finds a GPU."""
    try:
        return bool(ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1").cuInit(0) == 0)
    except OSError:
        return False


def read_metadata(metadata: dict[str, str], path: Path) -> tuple[Recipe, dict[str, str], str]:
    """Recipe, card and precision of an exported model. Raises `ModelError`."""
    if METADATA_KEY not in metadata:
        raise ModelError(f"{path} was not made by `diffbin export`: it does not say how to prepare its input.")
    try:
        content: dict[str, Any] = json.loads(metadata[METADATA_KEY])
        recipe, card = from_dict(Recipe, content["recipe"]), dict(content["card"])
    except (ValueError, KeyError, TypeError, ConfigError) as error:
        raise ModelError(f"The settings in {path} cannot be read ({error}); was it made by a later version?") from None
    return recipe, card, str(content.get("precision", "fp32"))


def choose_precision(asked: str, stored: str, path: Path, *, others: tuple[str, ...]) -> str:
    """The precision to compute in; `others` are those that the engine can make of fp32. Raises `ConfigError`."""
    can = (stored, *others) if stored == "fp32" else (stored,)
    if asked == "auto":
        return stored
    if asked in can:
        return asked
    if stored == "int8":
        raise ConfigError(
            f"{path} is in eight bits and computed in int8 only, not in {asked}; take the model in single precision, "
            "of the embedded ones diffbin-words-fp32 and diffbin-lines-fp32."
        )
    way = {
        "int8": "make such a file with: diffbin export --int8",
        "bf16": "take --engine openvino or torch",
        "fp16": "take --engine torch on a GPU",
        "fp32": "take the file that it was made from",
    }
    raise ConfigError(f"{path} is computed in {' or '.join(can)} here, not in {asked}; {way[asked]}.")


def _reason(error: Exception) -> str:
    """What CUDA or cuDNN says, which stands between a C++ function and a place in its source; else the first line."""
    text = str(error).strip()
    failure = re.search(r"\w+ failure \d+: [^;\n]*", text)
    return (failure[0] if failure else text.partition("\n")[0]).strip() or type(error).__name__

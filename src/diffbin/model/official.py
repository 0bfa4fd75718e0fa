"""Checkpoints of others, read without running what they carry, and given our names.

Known are the files of MMOCR (`backbone.*`, `neck.lateral_convs.*`, `det_head.*`: our own names), of the paper's
repository (`decoder.in5.weight`, `decoder.binarize.*`), and of backbones alone (torchvision's and timm's names, and
those of EfficientNet-PyTorch).
"""

import pickle
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffbin.config import Recipe
from diffbin.errors import ModelError
from diffbin.model import backbones, efficientnet_names
from diffbin.model.checkpoints import Weights, reason_of

MAX_BYTES = 2 << 30
PREFIXES = ("model.module.", "module.", "model.")  # of parallel training and of trainers around the network
UNUSED = ("fc.", "smooth.", "attnpool.", "head.", "classifier.")  # parts of a backbone's classifier
PAPER_MARK = "decoder.in5.weight"
# The paper's repository feeds pictures as OpenCV reads them (BGR), less this mean, by 255.
PAPER_MEAN_RGB, PAPER_STD_RGB = (104.00698793, 116.66876762, 122.67891434), (255.0, 255.0, 255.0)


class _Inert:
    """Stands in for each class and function that a training run of MMOCR leaves in its files: it does nothing."""

    def __new__(cls, *_: object) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


# The histories of a run's log, arrays and the functions over them. None of the real ones is called.
INERT = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "numpy.dtype",
    "__builtin__.getattr",
    "builtins.getattr",
)


def read(path: Path) -> Weights:
    """The tensors of a `.pth` by their stored names, in single precision, prefixes of wrappers taken off.

    Nothing in the file is run: besides tensors and plain values it may name the classes that a training run of MMOCR
    leaves there, for which idle ones stand in; whatever else it names is refused. Raises `ModelError`.
    """
    if not path.is_file():
        raise ModelError(f"There is no checkpoint {path}.")
    if path.stat().st_size > MAX_BYTES:
        raise ModelError(f"{path} has {path.stat().st_size} bytes; checkpoints of up to {MAX_BYTES} are read.")
    if (unpacked := _unpacked_bytes(path)) > MAX_BYTES:
        raise ModelError(f"{path} holds {unpacked} bytes when unpacked; checkpoints of up to {MAX_BYTES} are read.")
    try:
        with torch.serialization.safe_globals([(_Inert, name) for name in INERT]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged or hostile file raises is not ours to foresee
        raise ModelError(_refusal(path, error)) from None
    tensors = _tensors(content)
    if not tensors:
        raise ModelError(f"{path} holds no weights: neither a table of tensors nor one under `state_dict`.")
    held = sum(4 * w.numel() for w in tensors.values())  # a few stored numbers may stand for any number of them
    if held > MAX_BYTES or any(w.layout != torch.strided for w in tensors.values()):
        raise ModelError(
            f"{path} has weights of {held} bytes, or sparse ones; dense ones of up to {MAX_BYTES} are read."
        )
    return {_bare(name): w.float() if w.is_floating_point() else w for name, w in tensors.items()}


def _unpacked_bytes(path: Path) -> int:
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError):  # an old file, or damaged: torch tells
        return 0


def _refusal(path: Path, error: Exception) -> str:
    told = reason_of(error)
    named = re.search(r"(?:GLOBAL|function|class) (\S+)", told) if isinstance(error, pickle.UnpicklingError) else None
    if named:
        return f"{path} asks for {named[1]} when it is read. Weights need no such thing: the file was not loaded."
    return f"{path} is not a PyTorch checkpoint, or it is damaged ({told[:200]})."


def _tensors(content: Any) -> Weights:
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        return {}
    return {str(name): w for name, w in content.items() if isinstance(w, Tensor)}


def _bare(name: str) -> str:
    prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def to_native(weights: Weights, recipe: Recipe) -> tuple[Weights, Recipe]:
    """Official weights under our names, and the recipe with the preprocessing that they were trained with."""
    if PAPER_MARK not in weights:
        renamed = {re.sub(r"^bbox_head\.", "det_head.", name): w for name, w in weights.items()}  # before MMOCR 1.0
        return renamed, recipe
    native = {new: w for name, w in weights.items() if (new := _paper_name(name))}
    for first in ("det_head.binarize.0.weight", "det_head.threshold.0.weight"):
        if first in native:  # the paper's repository joins the levels from c5 to c2
            native[first] = torch.cat(native[first].chunk(4, dim=1)[::-1], dim=1)
    if "backbone.conv1.weight" in native:
        native["backbone.conv1.weight"] = native["backbone.conv1.weight"].flip(1)  # BGR to RGB
    preprocess = replace(recipe.preprocess, mean_rgb=PAPER_MEAN_RGB, std_rgb=PAPER_STD_RGB)
    return _with_counters(native), replace(recipe, preprocess=preprocess)


def _paper_name(name: str) -> str | None:
    """Our name of an entry of the paper's layout; None for what its network does not use; others as they are."""
    if name.startswith("backbone."):
        bare = name.removeprefix("backbone.")
        return None if bare.startswith(UNUSED) else name.replace(".conv2_offset.", ".conv2.conv_offset.")
    if match := re.fullmatch(r"decoder\.in([2-5])\.weight", name):
        return f"neck.lateral_convs.{int(match[1]) - 2}.conv.weight"
    if match := re.fullmatch(r"decoder\.out([2-5])(?:\.0)?\.weight", name):
        return f"neck.smooth_convs.{int(match[1]) - 2}.conv.weight"
    return re.sub(
        r"^decoder\.thresh\.", "det_head.threshold.", re.sub(r"^decoder\.binarize\.", "det_head.binarize.", name)
    )


def _with_counters(weights: Weights) -> Weights:
    """Adds the step counters of BatchNorm, which files of old PyTorch lack and nothing here reads."""
    counters = {
        name.replace("running_mean", "num_batches_tracked"): torch.tensor(0)
        for name in weights
        if name.endswith("running_mean")
    }
    return {**counters, **weights}


def backbone(weights: Weights, recipe: Recipe) -> Weights:
    """The weights of a backbone alone, under the names of the whole network; offsets that it lacks are zero.

    `weights` is a file of torchvision's names, of timm's, of EfficientNet-PyTorch, of oCLIP, or of a whole detector.
    """
    wanted = backbones.make(recipe.model.backbone).state_dict()
    if recipe.model.backbone.startswith("efficientnet_lite0"):
        weights = {efficientnet_names.native(name): w for name, w in weights.items()}
    if any(name.startswith("backbone.") and name not in wanted for name in weights):  # of a whole detector
        weights = {name.removeprefix("backbone."): w for name, w in weights.items() if name.startswith("backbone.")}
    kept = {
        name: w
        for name, w in _with_counters(weights).items()
        if name in wanted or not (name.startswith(UNUSED) or name.endswith("num_batches_tracked"))
    }
    offsets = {name: torch.zeros(w.shape) for name, w in wanted.items() if ".conv_offset." in name}
    return {f"backbone.{name}": w for name, w in {**offsets, **kept}.items()}

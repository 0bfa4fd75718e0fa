"""The backbones by the names that recipes use. Each answers c2 to c5 and has their `channels`.

A Python file may add one of its own under a name that begins with `own:`. The name is all that a checkpoint has of it.
"""

import traceback
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial

import torch
from torch import Tensor, nn

from diffbin.errors import DiffbinError, ModelError
from diffbin.model.clip_resnet import CLIPResNet
from diffbin.model.efficientnet import EfficientNetLite0
from diffbin.model.lcnet import LCNetV4
from diffbin.model.resnet import resnet18, resnet18_dcnv2, resnet18_half, resnet50, resnet50_dcnv2

BACKBONES: dict[str, Callable[[], nn.Module]] = {
    "efficientnet_lite0": EfficientNetLite0,
    "efficientnet_lite0_fused": partial(EfficientNetLite0, fused=True),
    "efficientnet_lite0_slim": partial(EfficientNetLite0, slim=True),
    "lcnetv4": LCNetV4,
    "resnet18": resnet18,
    "resnet18_dcnv2": resnet18_dcnv2,
    "resnet18_half": resnet18_half,
    "resnet50": resnet50,
    "resnet50_dcnv2": resnet50_dcnv2,
    "resnet50_oclip": CLIPResNet,
}
STRIDES = (4, 8, 16, 32)  # of c2 to c5
TRIED = (1, 3, 64, 96)  # the shape of what a backbone of one's own is tried on


def make(name: str) -> nn.Module:
    """A new backbone: `(n, 3, h, w)` normalised RGB -> c2 .. c5, with their `channels`.

    Raises `ModelError` for a name that is not there, and for one of one's own that fails or answers other shapes.
    """
    if name not in BACKBONES:
        near = "".join(f" (did you mean {other}?)" for other in get_close_matches(name, BACKBONES, n=1))
        raise ModelError(
            f"There is no backbone {name} here{near}. The Python file that defines it is run only if you name it: "
            "diffbin --code FILE.py COMMAND ...; in Python, import it first."
        )
    if not name.startswith("own:"):
        return BACKBONES[name]()
    try:
        backbone = BACKBONES[name]()
        _try(name, backbone)
    except DiffbinError:
        raise
    except Exception as error:  # whatever a person's own code raises
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
        place = frames[-1]  # in that code, or here where torch refuses what it is made of
        told = f"{type(error).__name__}: {error}, in line {place.lineno} of {place.filename}"
        raise ModelError(f"The backbone {name} fails on a picture of {TRIED}: {told}.") from error
    return backbone


def _try(name: str, backbone: nn.Module) -> None:
    channels = getattr(backbone, "channels", None)
    if not isinstance(channels, list | tuple) or len(channels) != len(STRIDES):
        raise ModelError(f"The backbone {name} has no four `channels`, those of c2 to c5, but {channels!r}.")
    n, _, height, width = TRIED
    wanted = [(n, c, height // stride, width // stride) for c, stride in zip(channels, STRIDES, strict=True)]
    with torch.no_grad():
        answer = backbone.eval()(torch.zeros(TRIED))
    backbone.train()
    features = answer if isinstance(answer, list | tuple) else [answer]
    found = [tuple(f.shape) if isinstance(f, Tensor) else type(f).__name__ for f in features]
    if found != wanted:
        raise ModelError(
            f"The backbone {name} answers a picture of {TRIED} with {found}; c2 to c5, at strides {STRIDES} and of "
            f"its `channels`, are {wanted}."
        )

"""DBNet text detection. The names below load on first use, so `import diffbin` costs nothing."""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffbin.detections import Detection as Detection
    from diffbin.detections import Detections as Detections
    from diffbin.detector import Detector as Detector
    from diffbin.errors import DiffbinError as DiffbinError

# ONNX Runtime's packages tell their maker of each process and model, since 1.29 on all systems (its Privacy.md).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

_HOMES = {
    "Detection": "diffbin.detections",
    "Detections": "diffbin.detections",
    "Detector": "diffbin.detector",
    "DiffbinError": "diffbin.errors",
}

__all__ = ["Detection", "Detections", "Detector", "DiffbinError", "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'diffbin' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

"""A detector's settings, as the options of a command have them."""

from collections.abc import Sequence
from dataclasses import dataclass

from diffbin.config import Decode, Preprocess
from diffbin.detector import Detector
from diffbin.overrides import override


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Those of a model that may be others than its own."""

    preprocess: Preprocess
    decode: Decode


def adjusted(
    detector: Detector,
    settings: Sequence[str] | None = None,
    *,
    size: int | None = None,
    score: float | None = None,
    polygons: bool | None = None,
) -> Detector:
    """The detector as the options of a command have it; of None the model's own stays. `settings` are texts like
    `decode.unclip_ratio=1.8`. Raises `ConfigError` for what is no setting, or none of its values."""
    if settings:
        asked = override(Settings(preprocess=detector.preprocess, decode=detector.decode), settings)
        detector = Detector(detector.engine, decode=asked.decode, preprocess=asked.preprocess, tile=detector.tile)
    changes: dict[str, object] = {} if polygons is None else {"shape": "polygon" if polygons else "quad"}
    if score is not None:
        changes["score_threshold"] = score
    return (detector.with_size(size) if size else detector).with_decode(**changes)

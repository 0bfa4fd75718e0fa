"""The inference path, top to bottom."""

from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from diffbin import zoo
from diffbin.config import Decode, Preprocess, Runtime, from_dict, to_dict
from diffbin.decode import decode
from diffbin.detections import Detections
from diffbin.engines import Engine
from diffbin.image import ImageSource, Resize, load


class Detector:
    """Finds text in pictures.

        detector = Detector()                  # the embedded model; no network, no torch
        detections = detector("street.jpg")    # a path, bytes, an RGB array, a Pillow image, or a list of them
        for region in detections: region.polygon, region.score

    `model` is a name of `diffbin models` or `diffbin zoo list`, an exported `.onnx`, or a checkpoint. `decode` and
    `preprocess` replace the model's own settings. `engine` is "onnx", "openvino" or "torch", `device` "cpu", "cuda" or
    "tensorrt", `precision` "fp32", "bf16", "fp16" or "int8"; "auto" takes the fastest that is there, and `describe`
    says which. `threads` compute one picture, 0 = one a core. One detector may be shared by threads. Raises
    `ModelError`; `DependencyError` for an engine or a device that is not there, `ConfigError` for a precision.
    """

    def __init__(
        self,
        model: str | Path | Engine = zoo.EMBEDDED,
        *,
        decode: Decode | None = None,
        preprocess: Preprocess | None = None,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        threads: int = 0,
    ) -> None:
        if isinstance(model, str | Path):
            asked = {"engine": engine, "device": device, "precision": precision, "threads": threads}
            model = zoo.load(model, from_dict(Runtime, asked))
        self.engine = model
        self.decode = decode or self.engine.recipe.decode
        self.preprocess = preprocess or self.engine.recipe.preprocess

    def describe(self) -> str:
        """What computes the map: library, device, precision, threads."""
        return self.engine.describe()

    def with_decode(self, **changes: object) -> "Detector":
        """The same model with other decoding settings, as `with_decode(shape="polygon", score_threshold=0.7)`.

        Raises `ConfigError` for an unknown setting or a value of the wrong type.
        """
        changed = from_dict(Decode, {**to_dict(self.decode), **changes})
        return Detector(self.engine, decode=changed, preprocess=self.preprocess)

    @overload
    def __call__(self, source: list[ImageSource]) -> list[Detections]: ...
    @overload
    def __call__(self, source: ImageSource) -> Detections: ...
    def __call__(self, source: ImageSource | list[ImageSource]) -> Detections | list[Detections]:
        """The text of a picture, or of each of a list, in reading order, in pixels of the upright original.

        Raises `InputError` when a picture cannot be read, `LimitError` when it is too large.
        """
        if isinstance(source, list):
            return [self.detect(item) for item in source]
        return self.detect(source)

    def detect(self, source: ImageSource) -> Detections:
        """The text of one picture; see `__call__`."""
        picture = load(source)
        resize = Resize.fit((picture.shape[0], picture.shape[1]), self.preprocess)
        prob = self.prob(picture)
        found = decode(prob, self.decode, scale=resize.scale, size=resize.original)
        return found.clip().in_reading_order()

    def prob(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`(h, w, 3)` uint8 RGB -> P `(resized h, resized w)` float32 in [0, 1], at the size the network saw."""
        resize = Resize.fit((picture.shape[0], picture.shape[1]), self.preprocess)
        return resize.crop(self.engine.run(resize.apply(picture, self.preprocess))[0, 0])

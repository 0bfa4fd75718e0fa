"""The inference path, top to bottom."""

from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from diffbin import tiling, zoo
from diffbin.config import Decode, Preprocess, from_dict, to_dict
from diffbin.decode import decode
from diffbin.detections import Detections
from diffbin.engines import Engine
from diffbin.image import ImageSource, Resize, load


class Detector:
    """Finds text in pictures.

        detector = Detector()                  # the embedded model; no network, no torch
        detections = detector("street.jpg")    # a path, bytes, an RGB array, a Pillow image, or a list of them
        for region in detections: region.polygon, region.score

    `model` is a name of `diffbin models`, an exported `.onnx`, or a checkpoint. `decode` and `preprocess` replace the
    model's own settings. `tile` says how large pictures are looked at: "off" whole, "auto" in tiles where their text
    would be lost, a number in tiles of that side in pixels. One detector may be shared by threads. Raises `ModelError`,
    and `ConfigError` for another `tile`.
    """

    def __init__(
        self,
        model: str | Path | Engine = zoo.EMBEDDED,
        *,
        decode: Decode | None = None,
        preprocess: Preprocess | None = None,
        threads: int = 0,
        tile: str | int = "off",
    ) -> None:
        self.engine = zoo.load(model, threads=threads) if isinstance(model, str | Path) else model
        self.decode = decode or self.engine.recipe.decode
        self.preprocess = preprocess or self.engine.recipe.preprocess
        self.tile: tiling.Tile = "off" if tile == "off" else tiling.parse(tile)

    def with_decode(self, **changes: object) -> "Detector":
        """The same model with other decoding settings, as `with_decode(shape="polygon", score_threshold=0.7)`.

        Raises `ConfigError` for an unknown setting or a value of the wrong type.
        """
        changed = from_dict(Decode, {**to_dict(self.decode), **changes})
        return Detector(self.engine, decode=changed, preprocess=self.preprocess, tile=self.tile)

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
        """The text of one picture; see `__call__`. Warns, `SmallTextWarning`, of a large one that `tile` would help."""
        picture = load(source)
        resize = Resize.fit((picture.shape[0], picture.shape[1]), self.preprocess)
        if side := self._tile_side(resize, str(source) if isinstance(source, str | Path) else "The picture"):
            found = tiling.detect(picture, side, self.engine, self.preprocess, self.decode)
        else:
            found = decode(self.prob(picture), self.decode, scale=resize.scale, size=resize.original)
        return found.clip().in_reading_order()

    def _tile_side(self, resize: Resize, name: str) -> int:
        """Side of the tiles in pixels of the picture, 0 when it is looked at whole."""
        if self.tile != "off":
            return tiling.side(resize, self.tile, self.preprocess)
        if resize.loses_text(self.preprocess):
            tiling.warn(resize, name)
        return 0

    def prob(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`(h, w, 3)` uint8 RGB -> P `(resized h, resized w)` float32 in [0, 1], at the size the network saw."""
        resize = Resize.fit((picture.shape[0], picture.shape[1]), self.preprocess)
        return resize.crop(self.engine.run(resize.apply(picture, self.preprocess))[0, 0])

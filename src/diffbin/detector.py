"""The inference path, top to bottom."""

from collections.abc import Generator, Iterable
from contextlib import closing
from copy import copy
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from diffbin import legibility, pages, tiling, zoo
from diffbin.config import Decode, Preprocess
from diffbin.decode import decode, in_doubt, slant
from diffbin.detections import Detections
from diffbin.engines import Engine, Runtime
from diffbin.errors import ConfigError, ModelError
from diffbin.files import MAX_BYTES, Readable, read_open
from diffbin.image import ImageSource, Loaded, Resize, load_for
from diffbin.legibility import LARGEST_SIZE
from diffbin.plain import from_dict, to_dict
from diffbin.rgb import Picture

if TYPE_CHECKING:
    from diffbin.stream import Result


class Detector:
    """Finds text in pictures.

        detector = Detector()                  # the embedded model; no network, no torch
        detections = detector("street.jpg")    # a path, bytes, an open file, an RGB array, a Pillow image, or a list
        for region in detections: region.polygon, region.score

    `model` is a name of `diffbin models` or `diffbin zoo list`, an exported `.onnx`, or a checkpoint. `decode` and
    `preprocess` replace the model's own settings. `engine` is "onnx", "openvino" or "torch", `device` "cpu", "cuda" or
    "tensorrt", `precision` "fp32", "bf16", "fp16" or "int8"; "auto" takes the fastest that is there, and `describe`
    says which. `threads` compute one picture, 0 = one a core. `tile` says how pictures are looked at whose text would
    be lost: "again" once more, at a larger size where most of it is small, at smaller ones where nothing is found or
    letters are too large, and turned where much of it runs up or down or lies askew, unless `preprocess` has another
    size than the model's; "auto" so, or very large ones in tiles; a number in tiles of that side in pixels; "off" as
    all others. Pages of documents, see `diffbin.pages`, are seen at their own size, up to 4.4 million pixels, unless
    `preprocess` has another than the model's. One detector may be shared by threads. Raises `ModelError`;
    `DependencyError` for an engine or a device that is not there, `ConfigError` for a precision, a number of threads or
    a `tile`.
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
        tile: str | int = "again",
    ) -> None:
        if isinstance(model, str | Path):
            asked = {"engine": engine, "device": device, "precision": precision, "threads": threads}
            model = zoo.load(model, from_dict(Runtime, asked))
        if not hasattr(model, "recipe"):
            raise ModelError(f"A model is a name, a path or an engine, not {type(model).__name__}.")
        self.engine = model
        self.decode = decode or self.engine.recipe.decode
        own = self.engine.recipe.preprocess
        self.preprocess = self._given = preprocess or own  # the second stays where sizes follow each other
        self._sized = (self.preprocess.short_px, self.preprocess.long_px) != (own.short_px, own.long_px)
        self.tile: tiling.Tile = "again" if tile == "again" else tiling.parse(tile)

    def describe(self) -> str:
        """What computes the map: library, device, precision, threads."""
        return self.engine.describe()

    def with_decode(self, **changes: object) -> "Detector":
        """The same model with other decoding settings, as `with_decode(shape="polygon", score_threshold=0.7)`.

        Raises `ConfigError` for an unknown setting or a value of the wrong type.
        """
        changed = from_dict(Decode, {**to_dict(self.decode), **changes})
        return self._with(decode=changed)

    def with_size(self, short_px: int) -> "Detector":
        """The same model for pictures of another short side, in pixels, the long side in proportion.

        A larger input shows smaller text, in more time. Pages of documents, too, are then seen at this size. Raises
        `ConfigError` where it is no whole number from 1 to 4096.
        """
        whole = isinstance(short_px, Integral) and not isinstance(short_px, bool)
        if not whole or not 1 <= short_px <= LARGEST_SIZE:
            raise ConfigError(f"The size is {short_px!r}; it must be a whole number from 1 to {LARGEST_SIZE}.")
        preprocess = self._given.resized(int(short_px))
        return self._with(preprocess=preprocess, _sized=True)

    def _with(self, **changes: object) -> "Detector":
        changed = copy(self)
        vars(changed).update(changes)
        return changed

    @overload
    def __call__(self, source: list[Any]) -> list[Detections]: ...
    @overload
    def __call__(self, source: ImageSource) -> Detections: ...
    def __call__(self, source: ImageSource | list[Any]) -> Detections | list[Detections]:
        """The text of a picture, or of each of a list, in reading order, in pixels of the upright original.

        Raises `InputError` when a picture cannot be read, `LimitError` when it is too large.
        """
        if isinstance(source, list):
            with closing(self.stream(source)) as results:
                return [result.get() for result in results]
        return self.detect(source)

    def stream(
        self, source: Iterable[ImageSource], *, batch_size: int = 1, workers: int = 1, runs: int = 2
    ) -> Generator["Result", None, None]:
        """The text of many pictures, in their order, while later ones are under way; the source may be endless.

            for result in detector.stream(paths):
                if result.error: print(result.source, result.error)
                else: print(result.source, len(result.get()))

        A picture that cannot be read is a result with its `InputError`. At most `workers + (runs + 1) * batch_size`
        pictures are under way. Leaving the loop, by Ctrl-C too, ends all threads.

        batch_size  pictures of equal padded shape that the network sees at once; more are for GPUs
        workers     threads that load and decode; one keeps up with a CPU
        runs        batches that the network computes at once; the second fills the pauses of the first
        """
        from diffbin.stream import stream

        return stream(self, source, batch_size=batch_size, workers=workers, runs=runs)

    def detect(self, source: ImageSource) -> Detections:
        """The text of one picture; see `__call__`. `SmallTextWarning` tells where tiles or a larger size would help."""
        if isinstance(source, Readable):
            source = read_open(source, MAX_BYTES)  # a second look could not
        loaded = self.load(source)
        found = self.in_tiles(loaded)
        if found is not None:
            return found
        resize, batch = self.prepare(loaded)
        prob = self.engine.run(batch)[0, 0]
        return self.answer(prob, resize, batch=batch, source=source, picture=loaded.picture)

    def load(self, source: ImageSource) -> Loaded:
        """As much of a picture as is looked at. Raises `InputError`, `LimitError`."""
        loaded = load_for(source, None if self._takes_tiles else self.preprocess)
        return loaded._replace(is_page=isinstance(source, pages.Page))

    @property
    def _takes_tiles(self) -> bool:
        return self.tile not in ("off", "again")

    def in_tiles(self, loaded: Loaded) -> Detections | None:
        """The text of a picture that is looked at in tiles; None for any other."""
        if not self._takes_tiles:
            return None
        side = tiling.side(self._fit(loaded), self.tile, self.preprocess, self.engine.recipe.preprocess)
        if not side:
            return None
        found = tiling.detect(loaded.picture, side, self.engine, self.preprocess, self.decode)
        return found.clip().in_reading_order(self.decode.reading)

    def _fit(self, loaded: Loaded) -> Resize:
        fit = pages.fit if loaded.is_page and not self._sized else Resize.fit
        return fit(loaded.size, self.preprocess)

    def prob(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`(h, w, 3)` uint8 RGB -> P `(resized h, resized w)` float32 in [0, 1], both divided by the map's stride."""
        resize, batch = self.prepare(self.load(picture))
        return resize.crop(self.engine.run(batch)[0, 0])

    def prepare(self, loaded: Loaded) -> tuple[Resize, NDArray[np.float32]]:
        """A picture as the network's input, `(1, 3, padded h, padded w)` float32, with the way back."""
        resize = self._fit(loaded)
        return resize, resize.apply(loaded.picture, self.preprocess)

    def answer(
        self,
        prob: NDArray[np.float32],
        resize: Resize,
        *,
        batch: NDArray[np.float32],
        source: ImageSource,
        picture: Picture | None = None,
    ) -> Detections:
        """As `regions`; where text is too small, too large, not level or not found, it looks again, or warns, as `tile`
        says.

        `batch` is what `prepare` made. Without `picture`, or where that has fewer pixels, it is loaded again for a
        closer look, so that a stream need not hold all that are under way. What is looked at again depends on what has
        the model's own least score, whatever score is asked for.
        """
        look = legibility.Look(batch, resize, source, picture, resize.original)
        prob = resize.crop(prob)
        found = self._decoded(prob, resize, self._unsure if self._looks_again else self._lenient)
        if self._looks_again and (degrees := slant(found)) and legibility.may_turn(resize.original, degrees):
            found = self._from_two_sides(look, prob, found, degrees)
        else:
            found = self._seen(look, prob, found)
        return found.filter(self.decode.score_threshold)

    def _from_two_sides(
        self, look: legibility.Look, prob: NDArray[np.float32], found: Detections, degrees: float
    ) -> Detections:
        """The text of a picture as it is or turned, whichever is seen better, and what runs along in the other; `found`
        is that of `prob`, the map of the first look without the padded strip."""
        side = look.turned(degrees, self.preprocess)
        side_prob = side.resize.crop(self.engine.run(side.batch)[0, 0])
        side_found = self._decoded(side_prob, side.resize, self._unsure)
        first, second = self._sure(found), self._sure(side_found)
        if legibility.surer(second, first):
            main = side.upright(self._seen(side, side_prob, side_found))
            other = legibility.along(first)
        else:
            main = self._seen(look, prob, found)
            other = side.upright(legibility.along(second))
        joined = legibility.joined(main, other, self.engine.recipe.decode.score_threshold)
        return joined.in_reading_order(self.decode.reading)

    def _seen(self, look: legibility.Look, prob: NDArray[np.float32], found: Detections) -> Detections:
        """The text of a picture; `prob` is the map of its first look, less the padded strip, and `found` its text."""
        resize = look.resize
        found, whole = found.filter(self._lenient.score_threshold), None
        large = self._farther(look.batch, resize) if self._looks_again and self._in_doubt(prob, found) else found[:0]
        found = self._joined(found, large)
        if resize.ratio >= legibility.SHRUNK:  # nearly all photographs: nothing is measured of them
            return found
        while (wanted := legibility.wanted_ratio(self._sure(found), resize)) > resize.ratio and self._looks_again:
            whole = look.whole() if whole is None else whole
            if whole is None:
                return found
            closer = Resize.by(resize.original, wanted, legibility.of_few_shapes(self.preprocess))
            prob, resize = self._closer(whole, closer, prob), closer
            found = self._joined(self._decoded(prob, resize, self._lenient), large)
        if not self._takes_tiles and resize.loses_text(self.preprocess, self.engine.recipe.preprocess):
            legibility.warn_of_size(look.source, resize, look.size)
        elif wanted > resize.ratio:
            legibility.warn_of_found(look.source, look.size, wanted, self.preprocess)
        return found

    @property
    def _unsure(self) -> Decode:
        """What finds all that `_lenient` does, and what tells how text runs."""
        own = self.engine.recipe.decode.score_threshold * legibility.UNSURE_RATIO
        return replace(self.decode, score_threshold=min(self.decode.score_threshold, own))

    @property
    def _lenient(self) -> Decode:
        """What finds all that is sure, and all that is asked for."""
        least = min(self.decode.score_threshold, self.engine.recipe.decode.score_threshold)
        return replace(self.decode, score_threshold=least)

    def _sure(self, found: Detections) -> Detections:
        return found.filter(self.engine.recipe.decode.score_threshold)

    @property
    def _looks_again(self) -> bool:
        return self.tile == "auto" or (self.tile == "again" and not self._sized)

    def _in_doubt(self, prob: NDArray[np.float32], found: Detections) -> bool:
        stride = self.engine.recipe.model.map_stride
        return not len(self._sure(found)) or in_doubt(prob, self.decode.mask_threshold, stride)

    def _farther(self, batch: NDArray[np.float32], resize: Resize) -> Detections:
        """Text that is too large for the first look, seen from farther and farther away."""
        large = Detections([], np.zeros(0, np.float32), resize.original)
        for ratio in legibility.FARTHER:
            farther = Resize.by(resize.original, resize.ratio * ratio, self.preprocess)
            prob = farther.crop(self.engine.run(legibility.from_farther(batch, resize, farther))[0, 0])
            large = self._joined(large, legibility.large(self._decoded(prob, farther, self._lenient), farther))
        return large

    def _joined(self, near: Detections, far: Detections) -> Detections:
        if not len(far):
            return near
        least = self.engine.recipe.decode.score_threshold
        return legibility.joined(near, far, least).in_reading_order(self.decode.reading)

    def _closer(self, picture: Picture, resize: Resize, coarse: NDArray[np.float32]) -> NDArray[np.float32]:
        """The map of another look, with the large text of the one before, whose map is `coarse`."""
        fine = resize.crop(self.engine.run(resize.apply(picture, self.preprocess))[0, 0])
        tiling.add_large(fine, coarse, self.decode.mask_threshold, self.engine.recipe.model.map_stride)
        return fine

    def regions(self, prob: NDArray[np.float32], resize: Resize) -> Detections:
        """P `(padded h, padded w)` float32, both divided by the map's stride -> its text in reading order, in pixels of
        the upright original."""
        return self._decoded(resize.crop(prob), resize, self.decode)

    def _decoded(self, prob: NDArray[np.float32], resize: Resize, settings: Decode) -> Detections:
        own, size = self.engine.recipe, resize.original
        stride, known = own.model.map_stride, own.preprocess
        found = decode(prob, settings, scale=resize.scale, size=size, stride=stride, known=known)
        return found.clip().in_reading_order(self.decode.reading)

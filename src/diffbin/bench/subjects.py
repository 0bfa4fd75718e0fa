"""What is timed: a detector of ours, or a peer."""

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffbin import recipes, zoo
from diffbin.bench.peers import Peer, Size, open_peer
from diffbin.config import Preprocess
from diffbin.cores import cores
from diffbin.detector import Detector
from diffbin.engines import Engine, Runtime
from diffbin.errors import DependencyError, way_to_install

P = ParamSpec("P")
T = TypeVar("T")
Times = dict[str, float]  # milliseconds a picture, by what was timed

BATCHES_IN_A_ROW = 4  # at least, where many pictures are timed
GPU_WARM_UPS = 2  # turns that are not timed: at the first runs of a shape, engines on a GPU capture or build
REST_S = 0.15  # ONNX Runtime's threads spin a while after a run and slow down whatever is timed next
WAYS: Mapping[str, Callable[[Detector, list[Path], int], object]] = {  # through many pictures, in batches of so many
    "loop": lambda detector, pictures, _: [detector.detect(picture) for picture in pictures],
    "stream": lambda detector, pictures, n: [
        result.get() for result in detector.stream(pictures, batch_size=n, workers=_loaders(detector))
    ],
}


def _loaders(detector: Detector) -> int:
    """Threads that load and decode: one keeps up with a CPU; a GPU is fed by all cores."""
    return cores() if _on_gpu(detector) else 1


def _on_gpu(detector: Detector) -> bool:
    return "cpu" not in detector.describe()


@dataclass(frozen=True)
class Ours:
    """A detector of ours. A batch of one is timed by stage and end to end, of a larger one the network alone."""

    model: str
    detector: Detector
    by: str  # library, device, precision, threads
    batch: int
    threads: int  # 0 = the engine's choice
    many: int

    @classmethod
    def open(
        cls, model: str, engine: Callable[[], Engine], *, size: Size | None, batch: int, threads: int, many: int
    ) -> "Ours":
        """With the model's own preprocessing, but for the size."""
        loaded = engine()
        detector = Detector(loaded, preprocess=_fitted(loaded.recipe.preprocess, size), tile="off")
        return cls(model, detector, detector.describe(), batch, threads, many)

    @property
    def size(self) -> Size:
        """What pictures are fitted into, `(h, w)` of a wide one."""
        return self.detector.preprocess.short_px, self.detector.preprocess.long_px

    def warm_up(self, pictures: Sequence[Path]) -> tuple[str, float]:
        """Does each picture once: what the network sees of the first, `h x w`, and the mean number of regions."""
        self._set_threads()
        height, width = self._input(pictures[0]).shape[2:]
        self._network(pictures[0])
        regions = statistics.mean(len(self.detector.detect(picture)) for picture in pictures)
        for _ in range(GPU_WARM_UPS if _on_gpu(self.detector) else 0):
            self.measure(pictures)
        return f"{height}x{width}", regions

    def measure(self, pictures: Sequence[Path]) -> Times:
        """Times everything once; what takes a single picture, on the first."""
        self._set_threads()
        times = self._stages(pictures[0]) if self.batch == 1 else self._network(pictures[0])
        several = _several(pictures, self.many, self.batch)
        for name, way in WAYS.items():
            if several and (name != "loop" or self.batch == 1):  # a loop knows no batches
                times[name] = _rested_ms(way, self.detector, several, self.batch) / len(several)
        return times

    def _set_threads(self) -> None:
        """PyTorch has one setting for the whole process."""
        if self.threads and "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(self.threads)

    def _input(self, path: Path) -> NDArray[np.float32]:
        """The network's input, `(batch, 3, h, w)` float32: the picture, as often as there is room."""
        return np.repeat(self.detector.prepare(self.detector.load(path))[1], self.batch, axis=0)

    def _network(self, path: Path) -> Times:
        return {"network": _rested_ms(self.detector.engine.run, self._input(path)) / self.batch}

    def _stages(self, path: Path) -> Times:
        """What `Detector.detect` does, one after the other, and then as it does it."""
        detector, times = self.detector, Times()
        time.sleep(REST_S)
        loaded, times["read"] = _timed(detector.load, path)
        (resize, batch), times["prepare"] = _timed(detector.prepare, loaded)
        prob, times["network"] = _timed(detector.engine.run, batch)
        _, times["decode"] = _timed(detector.regions, prob[0, 0], resize)
        times["total"] = _rested_ms(detector.detect, path)
        return times


@dataclass(frozen=True)
class Theirs:
    """A peer, end to end."""

    model: str
    peer: Peer
    size: Size | None  # None = its own
    many: int
    batch: int = 1

    @classmethod
    def open(cls, name: str, size: Size | None, *, threads: int, many: int) -> "Theirs":
        """See `open_peer`."""
        return cls(name, open_peer(name, size, threads), size, many)

    @property
    def by(self) -> str:
        """See `Ours`."""
        return self.peer.by

    def warm_up(self, pictures: Sequence[Path]) -> tuple[str, float]:
        """See `Ours`."""
        return self.peer.input, statistics.mean(map(self.peer.count, pictures))

    def measure(self, pictures: Sequence[Path]) -> Times:
        """See `Ours`."""
        times = {"total": _rested_ms(self.peer.count, pictures[0])}
        several = _several(pictures, self.many, self.batch)
        if several:
            times["loop"] = _rested_ms(lambda: [self.peer.count(picture) for picture in several]) / len(several)
        return times


Subject = Ours | Theirs


def random_engine(name: str, runtime: Runtime) -> Engine:
    """A recipe's network with random weights: as fast as a trained one, but its map is noise to be decoded.

    Raises `ConfigError` for an unknown recipe, `DependencyError` without PyTorch.
    """
    recipe = recipes.load(name)
    try:
        import torch

        from diffbin.model.checkpoints import write_weights
        from diffbin.model.dbnet import DBNet
    except ModuleNotFoundError as error:
        raise DependencyError(f"A recipe's network needs {error.name}: {way_to_install('train')}.") from None
    torch.manual_seed(0)
    with TemporaryDirectory() as folder:
        weights = Path(folder) / f"{recipe.name}.safetensors"
        write_weights(weights, recipe, DBNet(recipe.model).state_dict())
        return zoo.load(weights, runtime)


def _fitted(config: Preprocess, size: Size | None) -> Preprocess:
    return replace(config, short_px=min(size), long_px=max(size)) if size else config


def _several(pictures: Sequence[Path], many: int, batch: int) -> list[Path]:
    """At least `many` of them, and some batches, over and over again; none if `many` is 0."""
    return list(islice(cycle(pictures), max(many, BATCHES_IN_A_ROW * batch) if many else 0))


def _timed(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    """What `work` returns, and its milliseconds."""
    start = time.perf_counter()
    result = work(*args, **kwargs)
    return result, 1000 * (time.perf_counter() - start)


def _rested_ms(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> float:
    time.sleep(REST_S)
    return _timed(work, *args, **kwargs)[1]

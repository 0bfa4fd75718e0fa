"""The training set: global sample numbers in, crops with their label maps out, in batches.

Sample `g` is a pure function of the recipe, its seed and `g`; step `t` takes samples `t * batch_size` onwards. So a run
resumes at any step, and neither the number of workers nor their order changes what is learned from. The first part of
this file knows no torch; the loader at its end does.
"""

import itertools
import math
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffbin.config import Augment, Recipe, Source
from diffbin.cores import cores
from diffbin.data import worker
from diffbin.data.augment import augment
from diffbin.data.sample import Sample
from diffbin.data.sources import SampleSource, draw_index, open_source
from diffbin.data.targets import TargetMaps, make_targets
from diffbin.errors import ConfigError, DiffbinError, TrainingError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ATTEMPTS = 50  # draws for one sample before the data is held to be unusable
ORDER, DRAW, SIDE = 0, 1, 2  # streams of random numbers
AHEAD, TAKEN = 4, 2  # batches that a process keeps ready, at most; those that are trained on, or on their way
BYTES_OF_PIXEL = 8  # in a batch
GRACE_S = 10.0  # between the signal that asks a loader to end and its end
SHARED = Path("/dev/shm")  # where processes hand them over on Linux


@dataclass(frozen=True, eq=False)
class Example:
    """One input of the network: `picture` `(s, s, 3)` uint8 RGB, not normalised, and its label maps."""

    picture: NDArray[np.uint8]
    targets: TargetMaps


class TrainSet:
    """The samples of `recipe.data.train`, augmented, with their label maps.

    One source of pictures is walked in a new shuffled order on each pass. Of several sources each sample draws one, by
    weight, and any of its pictures. Where pictures have weights of their own, each sample draws one by them.
    """

    def __init__(self, recipe: Recipe) -> None:
        data = recipe.data
        if not data.train:
            raise ConfigError("The recipe names no training data; set data.train.")
        self.recipe = recipe
        drawn = [source for source in data.train if source.weight]  # those of weight 0 need not exist
        self.sources = [open_source(source, data.root) for source in drawn]
        weights = np.array([source.weight for source in drawn], np.float64)
        if not ((weights >= 0).all() and weights.sum() > 0):
            raise ConfigError("data.train: weights must not be negative, and one at least must be positive.")
        self.shares = weights / weights.sum()
        _check_units(drawn, data.validation)
        if not any(source.has_text for source in self.sources):
            raise TrainingError("There is no text in the training data: every region is ignored or there are none.")

    @property
    def epoch_samples(self) -> int:
        """Samples that count as an epoch: as the recipe says, else as many as there are pictures."""
        found = self.recipe.train.epoch_samples or sum(len(source) for source in self.sources)
        if not found:
            raise ConfigError("Rendered text has no end; set train.epoch_samples.")
        return found

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in an epoch, at least one."""
        return max(1, self.epoch_samples // self.recipe.data.batch_size)

    def __getitem__(self, number: int) -> Example:
        """The sample with this global number, 0 and up."""
        recipe = self.recipe
        sample = self.sample(number)
        maps = make_targets(sample.polygons, sample.ignored, sample.picture.shape[:2], recipe.targets)
        return Example(sample.picture, maps)

    def name(self, number: int) -> str:
        """Where the sample with this number comes from: a picture, or the seed of rendered text."""
        source, index, _ = self._find(number)
        return source.name_of(index)

    def sample(self, number: int) -> Sample:
        """The augmented sample; drawn anew, from another picture, while augmentation loses every region.

        Pictures without any region are kept, as background, and so are windows of crop="scale" without one: a share of
        them is meant to look away from text.
        """
        return self._find(number)[2]

    def _find(self, number: int) -> tuple[SampleSource, int, Sample]:
        config = augment_of_step(self.recipe, number // self.recipe.data.batch_size)
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng([self.recipe.train.seed, DRAW, number, attempt])
            source, index = self._draw(number, attempt, rng)
            original = source.load(index)
            pasted = config.paste_p > 0 and rng.random() < config.paste_p
            donor = source.load(draw_index(source, rng)) if pasted else None
            crop = augment(original, config, rng, donor=donor)
            if len(crop.polygons) or not len(original.polygons) or config.crop == "scale":
                return source, index, crop
        raise TrainingError(f"{ATTEMPTS} samples in a row lost all their text in augmentation; check the labels.")

    def _draw(self, number: int, attempt: int, rng: np.random.Generator) -> tuple[SampleSource, int]:
        if len(self.sources) > 1:
            source = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
            return source, draw_index(source, rng)
        source = self.sources[0]
        if attempt or not len(source) or source.shares is not None:
            return source, draw_index(source, rng)
        walk, place = divmod(number, len(source))
        return source, int(_order(self.recipe.train.seed, walk, len(source))[place])


def _check_units(sources: Sequence[Source], validation: Sequence[Source]) -> None:
    """A mixture of words and lines teaches neither, so it must be asked for by `labels_as` of each source; a score on
    what is not taught says nothing."""
    units = {source.labels_as or source.stored_unit: source for source in sources}
    if len(units) > 1 and not all(source.labels_as for source in sources):
        raise ConfigError(
            f"data.train mixes words ({units['word'].images}) and lines ({units['line'].images}). labels_as of each "
            'source says what is taught: "line" joins words to lines; unit = "line" says that labels are lines already.'
        )
    if strange := next((s for s in validation if (s.labels_as or s.stored_unit) not in units), None):
        raise ConfigError(
            f"data.train teaches {next(iter(units))}s, but the labels of {strange.images} in data.validation are "
            f"{strange.labels_as or strange.stored_unit}s; set unit and labels_as of both alike."
        )


@lru_cache(maxsize=2)
def augment_of_step(recipe: Recipe, step: int) -> Augment:
    """The recipe's augmentation with the side of this step's crops, which all samples of a batch share."""
    config = recipe.augment
    if not config.crop_px_min:
        return config
    rng = np.random.default_rng([recipe.train.seed, SIDE, step])
    return replace(config, crop_px=32 * int(rng.integers(config.crop_px_min // 32, config.crop_px // 32 + 1)))


@lru_cache(maxsize=2)
def _order(seed: int, walk: int, length: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, ORDER, walk]).permutation(length)


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch as it leaves the loader, in compact types; `n` pictures of side `s`.

    pictures        `(n, 3, s, s)` uint8 RGB, not normalised; channels last in memory
    prob            `(n, s, s)` uint8, 1 inside the shrunk regions
    prob_mask       `(n, s, s)` uint8, 0 inside ignored regions
    threshold       `(n, s, s)` float16, in error by less than 0.0003
    threshold_mask  `(n, s, s)` uint8, 1 inside the grown regions
    """

    pictures: "Tensor"
    prob: "Tensor"
    prob_mask: "Tensor"
    threshold: "Tensor"
    threshold_mask: "Tensor"

    def to(self, device: "torch.device | str") -> "Batch":
        """Copies to a device, without waiting where the batch is pinned."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self._tensors()))

    def pin_memory(self) -> "Batch":
        """Called by torch's loader."""
        return Batch(*(tensor.pin_memory() for tensor in self._tensors()))

    def _tensors(self) -> "tuple[Tensor, ...]":
        return self.pictures, self.prob, self.prob_mask, self.threshold, self.threshold_mask


def collate(examples: Sequence[Example]) -> Batch:
    """Stacks examples into a batch."""
    import torch

    def stack(arrays: Sequence[NDArray[Any]]) -> "Tensor":
        return torch.from_numpy(np.stack(arrays))

    maps = [example.targets for example in examples]
    return Batch(
        pictures=stack([example.picture for example in examples]).permute(0, 3, 1, 2),
        prob=stack([m.prob for m in maps]),
        prob_mask=stack([m.prob_mask for m in maps]),
        threshold=stack([m.threshold for m in maps]).half(),
        threshold_mask=stack([m.threshold_mask for m in maps]),
    )


class SampleNumbers:
    """The sample numbers of batch after batch, without end: every `stride`-th run of `size` numbers from `start` on."""

    def __init__(self, start: int, size: int, stride: int = 1) -> None:
        self.start, self.size, self.stride = start, size, stride

    def __iter__(self) -> Iterator[list[int]]:
        for first in itertools.count(self.start, self.size * self.stride):
            yield list(range(first, first + self.size))


def worker_count(recipe: Recipe) -> int:
    """Processes that load: `data.workers`, but no more than there are cores at hand."""
    return min(recipe.data.workers, cores())


def train_loader(
    recipe: Recipe, start_step: int = 0, *, train_set: TrainSet | None = None, size: int = 0, rank: int = 0
) -> Iterator[Batch]:
    """Batches of steps `start_step`, `start_step` + 1, ... without end, loaded by `recipe.data.workers` processes.

    A step of `recipe.data.batch_size` samples comes in parts of `size` (0 = in `recipe.train.accumulate` parts); of the
    processes that train together, the one of this `rank` gets its parts and no other's. Workers are started afresh (no
    fork), each on one thread; close the iterator or drop it to end them.
    """
    import torch
    from torch.utils.data import DataLoader

    workers = worker_count(recipe)
    step, size = recipe.data.batch_size, size or recipe.data.batch_size // recipe.train.accumulate
    stride = step // (size * recipe.train.accumulate)  # processes
    numbers = SampleNumbers(start_step * step + rank * size, size, stride)
    loader: DataLoader[Any] = DataLoader(
        train_set or TrainSet(recipe),  # type: ignore[arg-type]  # torch asks for its own class, and uses __getitem__
        batch_sampler=numbers,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_start_worker if workers else None,
        multiprocessing_context=_start_method() if workers else None,
        prefetch_factor=_batches_ahead(recipe.augment.crop_px, size, workers) if workers else None,
        generator=torch.Generator(),  # of its own: the loader draws a seed, which must not move the run's random state
    )
    try:
        yield from loader
    except DiffbinError as error:
        if not workers:
            raise
        last = str(error).rstrip().rpartition("\n")[2]  # torch puts the worker's traceback before our sentence
        raise type(error)(last.partition("Error: ")[2] or last) from None


def _batches_ahead(crop_px: int, size: int, workers: int) -> int:
    """Batches that each process keeps ready: `AHEAD`, or as many as fit into the memory that processes share on Linux.

    Raises `TrainingError` where not one does: the run would wait for ever for what cannot be handed over.
    """
    if not SHARED.is_dir():
        return AHEAD
    usage, batch = shutil.disk_usage(SHARED), size * crop_px**2 * BYTES_OF_PIXEL
    runs = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    free = usage.free if runs == 1 else usage.total  # those that began before us have filled their part
    loaders, taken = workers * runs, TAKEN * runs
    ahead = min(AHEAD, (free // batch - taken) // loaders)
    if ahead < 1:
        told = f"Loading takes {math.ceil((loaders + taken) * batch / 1e6)} MB of {SHARED}, of {free / 1e6:.0f} free"
        raise TrainingError(f"{told}; give a container more, by docker run --shm-size 4g, or set data.workers=0.")
    return ahead


def _start_method() -> str:
    """Not fork, which copies locks of running threads; of the others the one whose processes end without ado."""
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def _start_worker(_: int) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run has a terminal's, too, and ends its step first, then us
    signal.signal(signal.SIGTERM, _end_soon)
    torch.set_num_threads(1)
    worker.begin()  # torch watches the fork server, which outlives a killed run


def _end_soon(_: int, __: FrameType | None) -> None:
    """torchrun and schedulers send a SIGTERM to all processes; the step at hand may still wait for its batch."""
    timer = threading.Timer(GRACE_S, os._exit, (1,))
    timer.daemon = True
    timer.start()

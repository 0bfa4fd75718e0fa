"""Memory: the most a run has held, and the batch that fits when a GPU has no more."""

import sys
from collections.abc import Callable

import torch

from diffbin.config import Recipe
from diffbin.data.dataset import Batch
from diffbin.errors import TrainingError
from diffbin.train import devices
from diffbin.train.losses import DBLoss
from diffbin.train.run import Run, apart
from diffbin.train.step import train_step

if sys.platform != "win32":
    import resource

KIB = 1024 if sys.platform != "darwin" else 1  # unit of ru_maxrss


def forget_peak(device: torch.device) -> None:
    """Begins to measure anew; on a CPU the peak is that of the process's whole life."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> str:
    """The most memory held so far, as text: the tensors on a GPU, or else this process without its loaders."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f} of the GPU's {total / 2**30:.1f} GiB"
    if sys.platform == "win32":
        return "memory not measured"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB / 2**30:.1f} GiB, loaders not counted"


def too_large(run: Run, recipe: Recipe) -> TrainingError:
    """What to raise when a GPU's memory was too small for a step, after trying what fits."""
    accumulate, crop_px, criterion = recipe.train.accumulate, recipe.augment.crop_px, DBLoss(recipe.loss)

    def attempt(size: int) -> None:
        train_step(apart(run, recipe), criterion, [fullest_batch(size, crop_px)], recipe)

    part = devices.share(recipe.data.batch_size, accumulate)
    if devices.count() > 1:
        return out_of_memory_together(part, accumulate)
    return out_of_memory(part, largest_that_fits(attempt, part), accumulate, crop_px=crop_px)


def largest_that_fits(attempt: Callable[[int], None], most: int) -> int:
    """The largest number up to `most` with which `attempt` does not run out of GPU memory, by bisection; 0 = none."""
    fits, fails = 0, most + 1
    while fails - fits > 1:
        size = most if fails > most else (fits + fails) // 2
        if _fits(attempt, size):
            fits = size
        else:
            fails = size
    return fits


def _fits(attempt: Callable[[int], None], size: int) -> bool:
    try:
        attempt(size)
    except torch.OutOfMemoryError:
        return False
    finally:
        torch.cuda.empty_cache()  # nothing without a GPU
    return True


def fullest_batch(size: int, crop_px: int) -> Batch:
    """Made up, of half text and half background, with which the loss needs the most memory."""
    maps = torch.zeros(size, crop_px, crop_px, dtype=torch.uint8)
    text, known = maps.clone(), torch.ones_like(maps)
    text[:, : crop_px // 2] = 1
    return Batch(maps[:, None].expand(-1, 3, -1, -1), text, known, maps.half(), known)


def out_of_memory(part: int, fits: int, accumulate: int, *, crop_px: int) -> TrainingError:
    """What to raise on one GPU that ran out of memory, where a step takes `part` samples at a time and `fits` fit."""
    if fits >= part:
        return TrainingError(
            "The GPU's memory ran out, though a step fits: does another program use it, or are the pictures of the "
            "validation set very large (preprocess.long_px)?"
        )
    said = f"The GPU's memory does not hold {part} crops of {crop_px} px at a time"
    if not fits:
        return TrainingError(f"{said}, nor one of them: set augment.crop_px lower, or take a smaller model.")
    batch_size = part * accumulate
    parts = next(n for n in range(accumulate, batch_size + 1) if batch_size % n == 0 and batch_size // n <= fits)
    return TrainingError(
        f"{said}; {fits} fit. Set data.batch_size={fits * accumulate}, or keep the batch and compute it in parts with "
        f"train.accumulate={parts}."
    )


def out_of_memory_together(part: int, accumulate: int) -> TrainingError:
    """The same on one of several GPUs, where nothing can be tried out."""
    return TrainingError(
        f"The GPU's memory does not hold {part} crops at a time: set train.accumulate={2 * accumulate}, or halve "
        "data.batch_size."
    )

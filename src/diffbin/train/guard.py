"""Steps whose loss or gradient is not finite: skipped, counted, and an error when there are too many of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from diffbin.errors import TrainingError
from diffbin.train import devices

WINDOW = 100  # steps in which too many may be skipped
NAMED = 20  # pictures in an error


@dataclass
class Guard:
    """Which steps of a run were skipped lately."""

    skipped: list[int] = field(default_factory=list)  # step numbers, rising, of the last `WINDOW` steps

    def skip(self, step: int) -> None:
        """Notes a skipped step."""
        self.skipped = [*(old for old in self.skipped if old > step - WINDOW), step]

    def has_skipped(self, step: int) -> bool:
        """Whether this step was, one of the last."""
        return step in self.skipped

    def is_over(self, limit: int) -> bool:
        """Whether more than `limit` of the last `WINDOW` steps were skipped."""
        return len(self.skipped) > limit


def is_sound(losses: Mapping[str, float], gradient_norm: Tensor) -> bool:
    """Whether all is finite, on every process: they decide alike."""
    bad = not math.isfinite(sum(losses.values()) + float(gradient_norm))
    return not float(devices.total(torch.tensor(float(bad), device=gradient_norm.device)))


def norm_state(network: nn.Module) -> list[Tensor]:
    """A copy of what the forward pass itself changes, the running statistics of BatchNorm."""
    return [buffer.clone() for buffer in network.buffers()]


@torch.no_grad()
def put_back(network: nn.Module, state: Sequence[Tensor]) -> None:
    """The inverse of `norm_state`."""
    for buffer, value in zip(network.buffers(), state, strict=True):
        buffer.copy_(value)


def too_many(guard: Guard, losses: Mapping[str, float], pictures: Mapping[str, bool]) -> TrainingError:
    """What to raise when `Guard.is_over` says so.

    `losses` are those of the last skipped step. `pictures` are those it was made of, and whether each alone has a
    finite loss: where only some have not, these are named, else all of them.
    """
    bad = [name for name, finite in pictures.items() if not finite]
    if bad and len(bad) < len(pictures):
        cause = f"It comes from {_listed(bad)}: correct the labels, or leave them out"
    else:
        told = "each of them alone gives it" if bad else "none of them alone gives it"
        cause = f"Its pictures are {_listed(list(pictures))}; {told}: lower optim.lr, or set optim.clip_norm"
    return TrainingError(
        f"{len(guard.skipped)} of the last {WINDOW} steps were skipped, their loss or gradient not finite; the last is "
        f"step {guard.skipped[-1]} ({named(losses)}). {cause}, and go on from the last checkpoint with --resume."
    )


def named(losses: Mapping[str, float]) -> str:
    """As text."""
    return ", ".join(f"{name} = {value:.4g}" for name, value in losses.items())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more

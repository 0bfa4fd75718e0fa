"""A moving average of the weights (Polyak averaging), which is what gets evaluated and exported."""

import copy

import torch

from diffbin.model.dbnet import DBNet


class EMA:
    """`average = d * average + (1 - d) * weights` after each step, where `d` grows to `decay` during the first steps.

    BatchNorm's running statistics are copied: they are averages already.
    """

    def __init__(self, network: DBNet, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: DBNet, step: int) -> None:
        """Takes in the weights after step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), 1 - decay)
        for average, value in zip(self.network.buffers(), network.buffers(), strict=True):
            average.copy_(value)

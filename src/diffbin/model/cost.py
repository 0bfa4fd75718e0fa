"""What a network costs, told without weights and, but for backbones of one's own, without running it."""

from functools import cache
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from diffbin.config import Model
from diffbin.model.dbnet import DBNet


class Cost(NamedTuple):
    """Of one picture."""

    parameters: int  # of the whole network
    multiply_adds: int  # of the convolutions on the probability path: what detection runs


@cache
def cost(config: Model, size: tuple[int, int]) -> Cost:
    """Of a network at an input of this `(h, w)`, multiples of 32."""
    device = "cpu" if config.backbone.startswith("own:") else "meta"  # what others write may need its numbers
    with torch.device(device), torch.no_grad():
        network = DBNet(config).eval()
        with FlopCounterMode(display=False) as counter:
            network.prob(torch.zeros(1, 3, *size))
    return Cost(sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2)

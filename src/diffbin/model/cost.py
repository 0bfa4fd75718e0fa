"""What a network costs, told without weights and without running it."""

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
    with torch.device("meta"), torch.no_grad():
        network = DBNet(config).eval()
        with FlopCounterMode(display=False) as counter:
            network.prob(torch.empty(1, 3, *size))
    return Cost(sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2)

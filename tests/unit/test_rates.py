"""Rates and averages over the steps of a run, by their formulas."""

import math

import pytest
import torch

from conftest import SMALL
from diffbin.config import Optim
from diffbin.model.dbnet import DBNet
from diffbin.train.ema import EMA
from diffbin.train.schedule import learning_rate


def test_the_rate_follows_half_a_cosine_after_its_warm_up() -> None:
    config = Optim(lr=1.0, min_lr=0.1, schedule="cosine", warmup_ratio=0.1)
    rates = [learning_rate(config, t, 101) for t in range(101)]  # ten steps of warm-up
    assert rates[0] == pytest.approx(0.001) and rates[9] == pytest.approx(1) and rates[10] == pytest.approx(1)
    assert rates[5] == pytest.approx(0.001 + 0.999 * 5 / 9)
    assert rates[55] == pytest.approx(0.55) and rates[100] == pytest.approx(0.1)
    assert rates[40] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 3)) / 2)
    assert learning_rate(config, 150, 101) == pytest.approx(0.1)


def test_the_average_moves_by_its_decay_which_grows() -> None:
    network = DBNet(SMALL)
    average = EMA(network, 0.9)
    name, _ = next(network.named_parameters())
    start = network.state_dict()[name].clone()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(1)
        for statistic in network.buffers():
            statistic.add_(3)
    average.update(network, 0)  # the decay is a tenth
    torch.testing.assert_close(average.network.state_dict()[name], start + 0.9)
    average.update(network, 10)  # 11/20
    torch.testing.assert_close(average.network.state_dict()[name], start + 1 - 0.1 * 0.55)
    average.update(network, 1000)  # 0.9 at most
    torch.testing.assert_close(average.network.state_dict()[name], start + 1 - 0.1 * 0.55 * 0.9)
    assert all(map(torch.equal, average.network.buffers(), network.buffers()))
    assert not any(value.requires_grad for value in average.network.parameters())

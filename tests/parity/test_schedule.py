"""The learning rate at every epoch against the reference's, for the ResNet-18 recipes and for one with warm-up."""

import json
from pathlib import Path

import pytest

from diffbin.config import Optim
from diffbin.train.schedule import learning_rate

CURVES = json.loads((Path(__file__).parent / "data" / "lr_schedules.json").read_text())

EPOCHS = 1200


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("dbnet_resnet18_fpnc_1200e_icdar2015", Optim()),
        ("dbnet_resnet50_1200e_icdar2015", Optim(lr=0.002, warmup_ratio=100 / 1200)),
        ("dbnetpp_resnet50_fpnc_1200e_icdar2015", Optim(lr=0.003, warmup_ratio=200 / 1200)),
    ],
)
def test_rate_agrees_with_the_reference(name: str, config: Optim) -> None:
    for epoch, rate in CURVES[name].items():
        assert learning_rate(config, int(epoch), EPOCHS) == pytest.approx(rate, rel=1e-6)

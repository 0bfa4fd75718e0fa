"""Rates by depth."""

import pytest
import torch

from conftest import SMALL
from diffbin.config import Model, Optim
from diffbin.errors import ConfigError
from diffbin.model.backbones import BACKBONES
from diffbin.model.dbnet import DBNet
from diffbin.train.optimizer import depth_of, load_optimizer, make_optimizer, set_rate


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_has_the_same_depths(backbone: str) -> None:
    with torch.device("meta"):
        network = DBNet(Model(backbone=backbone))
    depths = {name: depth_of(name) for name, _ in network.named_parameters()}
    assert set(depths.values()) == {0, 1, 2, 3, 4, 5}
    assert {depth for name, depth in depths.items() if name.startswith("backbone.layer1.")} == {4}
    assert {depth for name, depth in depths.items() if name.startswith("backbone.layer4.")} == {1}
    stem = ("backbone.stem.", "backbone.conv1.", "backbone.bn1.", "backbone.first.")
    assert {name for name, depth in depths.items() if depth == 5} == {n for n in depths if n.startswith(stem)}
    assert all((depth == 0) == name.startswith(("neck.", "det_head.")) for name, depth in depths.items())


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_rates_fall_with_depth(name: str) -> None:
    network = DBNet(SMALL)
    optimizer = make_optimizer(network, Optim(name=name, layer_decay=0.5))  # type: ignore[arg-type]
    set_rate(optimizer, 0.4)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert len(rates) == len(list(network.parameters()))
    for parameter, value in network.named_parameters():
        assert rates[id(value)] == pytest.approx(0.4 * 0.5 ** depth_of(parameter))


def test_without_decay_groups_are_those_of_old_checkpoints() -> None:
    network = DBNet(SMALL)
    sgd = make_optimizer(network, Optim())
    assert [len(group["params"]) for group in sgd.param_groups] == [len(list(network.parameters()))]
    adamw = make_optimizer(network, Optim(name="adamw", weight_decay=0.1))
    assert [group["weight_decay"] for group in adamw.param_groups] == [0.1, 0.0]
    old = adamw.state_dict()
    for group in old["param_groups"]:
        del group["lr_ratio"]
    load_optimizer(adamw, old)
    set_rate(adamw, 0.3)
    assert [group["lr"] for group in adamw.param_groups] == [0.3, 0.3]


def test_settings_are_those_of_now() -> None:
    network = DBNet(SMALL)
    saved = make_optimizer(network, Optim(name="adamw", weight_decay=0.1, layer_decay=0.9)).state_dict()
    optimizer = make_optimizer(network, Optim(name="adamw", weight_decay=0.2, layer_decay=0.5))
    fresh = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    load_optimizer(optimizer, saved)
    assert [{name: group[name] for name in fresh[0]} for group in optimizer.param_groups] == fresh
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 0.2}
    for other in (Optim(), Optim(name="adamw")):
        with pytest.raises(ConfigError, match=r"another optim\.name.*--weights"):
            load_optimizer(make_optimizer(network, other), saved)


@pytest.mark.parametrize("decay", [0.0, -1.0, 1.1])
def test_decay_is_a_share(decay: float) -> None:
    with pytest.raises(ConfigError, match="layer_decay"):
        Optim(layer_decay=decay)

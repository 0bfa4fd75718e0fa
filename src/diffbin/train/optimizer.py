"""The optimiser, with a rate for each depth of the network."""

from typing import Any

import torch
from torch import nn

from diffbin.config import Optim
from diffbin.errors import ConfigError

STAGES = ("backbone.layer4.", "backbone.layer3.", "backbone.layer2.", "backbone.layer1.")


def make_optimizer(network: nn.Module, config: Optim) -> torch.optim.Optimizer:
    """SGD decays all weights, as the reference; AdamW matrices and kernels only."""
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        depth = 0 if config.layer_decay == 1 else depth_of(name)
        undecayed = config.name == "adamw" and parameter.ndim <= 1
        groups.setdefault((depth, undecayed), []).append(parameter)
    settings: list[dict[str, Any]] = [
        {
            "params": groups[depth, undecayed],
            "weight_decay": 0.0 if undecayed else config.weight_decay,
            "lr_ratio": config.layer_decay**depth,
        }
        for depth, undecayed in sorted(groups)
    ]
    if config.name == "sgd":
        return torch.optim.SGD(settings, config.lr, momentum=config.momentum)
    return torch.optim.AdamW(settings, config.lr)


def freeze_layers(network: nn.Module, trainable: int) -> None:
    """Of the backbone's five layers, its stem and four stages, only the last `trainable` learn; the neck and the head
    do in any case."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(depth_of(name) <= trainable)


def depth_of(name: str) -> int:
    """How far a parameter is from the head: neck and head 0, the backbone's stages from the last to the first 1 to 4,
    its stem 5."""
    if not name.startswith("backbone."):
        return 0
    return next((i for i, stage in enumerate(STAGES, 1) if name.startswith(stage)), len(STAGES) + 1)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Takes the moments of `state` alone: decay, momentum and the share of each group in the rate stay as they are.

    `ConfigError` where they are those of another optimiser, or of other groups of parameters.
    """
    settings = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    try:
        optimizer.load_state_dict(state)
    except ValueError:
        raise ConfigError(
            "The checkpoint is of another optim.name, or only one of it and the recipe has optim.layer_decay: "
            "set them as they were, or begin a new run from its weights with --weights."
        ) from None
    for group, own in zip(optimizer.param_groups, settings, strict=True):
        group.update(own)


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """The rate of the head; each group's share of it follows."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_ratio"]

"""The learning rate as a plain function of the step."""

import math

from diffbin.config import Optim

WARMUP_START = 0.001  # the first step of a warm-up runs at this share of the full rate


def learning_rate(config: Optim, t: int, total: int) -> float:
    """The rate at step (or epoch, see `Optim.per`) `t` of `total`, both counted in the same unit.

    poly:   (lr - min_lr) (1 - (t - b) / (total - b - 1))^power + min_lr, after `b` steps of linear warm-up; the last
            step sits exactly at `min_lr`, as in the reference.
    cosine: (lr - min_lr) (1 + cos(pi x)) / 2 + min_lr with the same x.
    """
    warmup = round(config.warmup_ratio * total)
    if t < warmup:
        return config.lr * (WARMUP_START + (1 - WARMUP_START) * t / max(warmup - 1, 1))
    x = min((t - warmup) / max(total - warmup - 1, 1), 1.0)
    shape = (1 - x) ** config.power if config.schedule == "poly" else (1 + math.cos(math.pi * x)) / 2
    return (config.lr - config.min_lr) * shape + config.min_lr

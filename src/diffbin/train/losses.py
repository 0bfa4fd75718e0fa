"""The loss of DBNet: balanced cross entropy on P, L1 on T inside the border, Dice on B (equations 5 to 8).

With a teacher another balanced cross entropy on P, whose targets are its P. It counts in ignored regions, too: there
the teacher is the only one to say anything.

Of the batch of all processes that train together: sums are taken over all of them before they are divided.
"""

from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffbin.config import Loss
from diffbin.model.dbnet import TrainMaps
from diffbin.train.devices import largest, total

EPSILON = 1e-6


@dataclass(frozen=True)
class TargetBatch:
    """Label maps of a batch, each `(n, h, w)` float32."""

    prob: Tensor  # 1 inside the shrunk regions
    prob_mask: Tensor  # 0 where nothing is known (ignored regions)
    threshold: Tensor  # T, from `threshold_min` to `threshold_max`
    threshold_mask: Tensor  # 1 inside the border
    taught: Tensor | None = None  # P of the teacher, where there is one


@dataclass(frozen=True)
class LossParts:
    """Scalars; the weights of the recipe are applied."""

    prob: Tensor
    threshold: Tensor
    binary: Tensor
    distill: Tensor | None = None

    def named(self) -> list[tuple[str, Tensor]]:
        """Those that there are."""
        return [(name, value) for name, value in vars(self).items() if value is not None]

    @property
    def total(self) -> Tensor:
        """The sum."""
        return reduce(add, (value for _, value in self.named()))


class DBLoss(nn.Module):
    """See `Loss` for the weights. All terms are reduced over the whole batch, in float32 at least."""

    def __init__(self, config: Loss) -> None:
        super().__init__()
        self.config = config

    def forward(self, maps: TrainMaps, targets: TargetBatch) -> LossParts:
        """Maps `(n, 1, h, w)` and targets `(n, h, w)` -> three scalars, four with a teacher."""
        c = self.config
        logits, threshold, binary = (_single(m) for m in (maps.prob_logits, maps.threshold, maps.binary))
        bce = balanced_bce(logits, targets.prob, targets.prob_mask, c.negative_ratio)
        l1 = masked_l1(threshold, targets.threshold, targets.threshold_mask)
        dice = masked_dice(binary, targets.prob, targets.prob_mask)
        distill = None
        if targets.taught is not None:
            everywhere = torch.ones_like(logits)
            distill = c.distill_weight * balanced_bce(logits, targets.taught, everywhere, c.negative_ratio)
        return LossParts(c.prob_weight * bce, c.threshold_weight * l1, c.binary_weight * dice, distill)


def _single(maps: Tensor) -> Tensor:
    return maps.squeeze(1).to(torch.promote_types(maps.dtype, torch.float32))


def balanced_bce(logits: Tensor, target: Tensor, mask: Tensor, negative_ratio: float) -> Tensor:
    """Cross entropy over all positives and the hardest negatives, at most `negative_ratio` for each positive.

    Targets are from 0 to 1; positive are those above 0.5.
    """
    positive = (target > 0.5) * mask
    negative = mask - positive
    n_positive = int(total(positive.sum()))
    n_negative = min(int(total(negative.sum())), int(n_positive * negative_ratio))
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    hardest = largest((loss * negative).flatten(), n_negative)
    return total((loss * positive).sum() + hardest.sum()) / (n_positive + n_negative + EPSILON)


def masked_l1(value: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference inside the mask."""
    return total(((value - target).abs() * mask).sum()) / (total(mask.sum()) + EPSILON)


def masked_dice(value: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """1 - 2 |A B| / (|A| + |B|) inside the mask; 1 where both are empty."""
    overlap, both = total((value * target * mask).sum()), total((value * mask).sum() + (target * mask).sum())
    return 1 - 2 * overlap / (both + EPSILON)

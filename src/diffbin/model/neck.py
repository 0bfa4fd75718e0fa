"""The feature pyramid of DBNet (FPNC: a pyramid whose levels are concatenated)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv(nn.Module):
    """A convolution alone, under the name `conv` that the official checkpoints give it."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, c_out, h, w)`."""
        y: Tensor = self.conv(x)
        return y


class FPNC(nn.Module):
    """1x1 laterals, nearest top-down sums, 3x3 smoothing, and all levels concatenated at stride 4."""

    def __init__(self, channels: Sequence[int], *, lateral: int, smooth: int) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(Conv(c, lateral, 1) for c in channels)
        self.smooth_convs = nn.ModuleList(Conv(lateral, smooth, 3) for _ in channels)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """c2 .. c5 -> `(n, 4 * smooth, h / 4, w / 4)`, the channels of c2's level first."""
        levels = [lateral(c) for lateral, c in zip(self.lateral_convs, features, strict=True)]
        for i in range(len(levels) - 1, 0, -1):
            levels[i - 1] = levels[i - 1] + F.interpolate(levels[i], size=levels[i - 1].shape[2:], mode="nearest")
        levels = [smooth(level) for smooth, level in zip(self.smooth_convs, levels, strict=True)]
        size = levels[0].shape[2:]
        return torch.cat([levels[0], *(F.interpolate(p, size=size, mode="nearest") for p in levels[1:])], dim=1)

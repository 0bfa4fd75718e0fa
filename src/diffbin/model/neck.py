"""The feature pyramid of DBNet (FPNC: a pyramid whose levels are concatenated)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv(nn.Module):
    """A convolution alone, under the name `conv` that the official checkpoints give it."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=bias)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, c_out, h, w)`."""
        y: Tensor = self.conv(x)
        return y


class ScaleAttention(nn.Module):
    """How much each level counts at each place: attention over channels, then over places, then one weight a level."""

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.channel_wise = nn.Sequential(Conv(channels, channels // 4, 1), Conv(channels // 4, channels, 1))
        self.spatial_wise = nn.Sequential(Conv(1, 1, 3), Conv(1, 1, 1))
        self.attention_wise = Conv(channels, levels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c, h, w)` -> `(n, levels, h, w)` weights in [0, 1]."""
        squeeze, excite = self.channel_wise
        x = x + excite(squeeze(x.mean(dim=(2, 3), keepdim=True)).relu()).sigmoid()
        wide, point = self.spatial_wise
        x = x + point(wide(x.mean(dim=1, keepdim=True)).relu()).sigmoid()
        weights: Tensor = self.attention_wise(x).sigmoid()
        return weights


class FPNC(nn.Module):
    """1x1 laterals, nearest top-down sums, 3x3 smoothing, and all levels concatenated at stride 4.

    With `fusion` each level is first weighted, place by place: the adaptive scale fusion of DBNet++ (Liao et al., TPAMI
    2022, arXiv 2202.10304, section 3.2).
    """

    is_linear = True  # between c2 and the smoothed levels: then `prob_path` has a faster way

    def __init__(self, channels: Sequence[int], *, lateral: int, smooth: int, fusion: bool = False) -> None:
        super().__init__()
        self.fusion = fusion
        if fusion:
            width = smooth * len(channels)
            self.asf_conv = Conv(width, width, 3, bias=True)
            self.asf_attn = ScaleAttention(width, len(channels))
        self.lateral_convs = nn.ModuleList(Conv(c, lateral, 1) for c in channels)
        self.smooth_convs = nn.ModuleList(Conv(lateral, smooth, 3) for _ in channels)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """c2 .. c5 -> `(n, 4 * smooth, h / 4, w / 4)`, the channels of c2's level first."""
        return self.join(self.smoothed(features))

    def smoothed(self, features: Sequence[Tensor]) -> list[Tensor]:
        """c2 .. c5 -> the smoothed levels, each `(n, smooth, h, w)` at its own size."""
        return [smooth(level) for smooth, level in zip(self.smooth_convs, self.top_down(features), strict=True)]

    def top_down(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The last of c2 .. c5, as many as are given, each with what lies above it, before smoothing."""
        laterals = list(self.lateral_convs)[-len(features) :]
        levels = [lateral(c) for lateral, c in zip(laterals, features, strict=True)]
        for i in range(len(levels) - 1, 0, -1):
            levels[i - 1] = levels[i - 1] + F.interpolate(levels[i], size=levels[i - 1].shape[2:], mode="nearest")
        return levels

    def join(self, levels: Sequence[Tensor]) -> Tensor:
        """The smoothed levels, all at the size of the first, one after the other."""
        size = levels[0].shape[2:]
        levels = [levels[0], *(F.interpolate(p, size=size, mode="nearest") for p in levels[1:])]
        joined = torch.cat(levels, dim=1)
        if not self.fusion:
            return joined
        weights = self.asf_attn(self.asf_conv(joined))
        return torch.cat([level * weights[:, i : i + 1] for i, level in enumerate(levels)], dim=1)

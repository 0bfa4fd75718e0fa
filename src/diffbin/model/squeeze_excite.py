"""Channels weighted by what the whole picture has of them (Hu et al., CVPR 2018, arXiv 1709.01507), gated piecewise
linearly as in MobileNetV3 (arXiv 1905.02244)."""

from torch import Tensor, nn
from torch.nn import functional as F

REDUCTION = 4  # times fewer channels between the two convolutions


class SqueezeExcite(nn.Module):
    """The mean of each channel, two 1x1 convolutions, one factor in [0, 1] for each channel.

    With `residual` a channel is never shut off: the factor is in [1, 2].
    """

    def __init__(self, channels: int, *, residual: bool = False) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // REDUCTION, 1)
        self.expand = nn.Conv2d(channels // REDUCTION, channels, 1)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c, h, w)` -> the same shape."""
        gate = F.hardsigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True)))))
        return x * (gate + 1 if self.residual else gate)

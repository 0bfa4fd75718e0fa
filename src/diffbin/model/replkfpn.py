"""RepLKFPN, the neck of PP-OCRv6 (arXiv 2606.13108): FPNC with large kernels, and each level weighs its channels by the
whole picture. Like `lcnet`, it is the form that runs: kernels of several dilations are merged into one."""

from collections.abc import Sequence

from torch import Tensor, nn

from diffbin.model.depthwise import DepthwiseConv2d
from diffbin.model.neck import FPNC, Conv
from diffbin.model.squeeze_excite import SqueezeExcite

KERNEL = 7


class RepLKFPN(FPNC):
    """Where FPNC smooths by a 3x3 convolution, a 7x7 depthwise and a 1x1 one."""

    is_linear = False

    def __init__(self, channels: Sequence[int], *, lateral: int, smooth: int, fusion: bool = False) -> None:
        super().__init__(channels, lateral=lateral, smooth=smooth, fusion=fusion)
        self.lateral_convs = nn.ModuleList(Weighed(c, lateral) for c in channels)
        self.smooth_convs = nn.ModuleList(Weighed(lateral, smooth, large=True) for _ in channels)


class Weighed(nn.Module):
    """A 1x1 convolution, behind a `large` kernel for each channel where that is asked for, and its channels weighed."""

    def __init__(self, channels_in: int, channels_out: int, *, large: bool = False) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv2d(channels_in, KERNEL, 1, bias=True) if large else nn.Identity()
        self.point = Conv(channels_in, channels_out, 1)
        self.squeeze = SqueezeExcite(channels_out, residual=True)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, c_out, h, w)`."""
        y: Tensor = self.squeeze(self.point(self.depthwise(x)))
        return y

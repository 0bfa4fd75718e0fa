"""Modulated deformable convolution (DCNv2, Zhu et al., CVPR 2019, arXiv 1811.11168) in plain PyTorch."""

import torch
from torch import Tensor, nn


class DeformConv2d(nn.Module):
    """A 3x3 convolution whose nine taps move, each by its own learned offset, and are weighted by a learned mask.

    `conv_offset` answers 27 channels: for each tap in row order its shift (y, x) in pixels, then nine masks before the
    sigmoid. It starts at zero: an ordinary convolution at half strength. Parameter names are the official checkpoints'.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, 3, 3))
        self.conv_offset = nn.Conv2d(channels_in, 27, 3, stride, 1)
        bound = (9 * channels_in) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        self.reset_offsets()

    def reset_offsets(self) -> None:
        """Offsets and masks as at the start of training."""
        nn.init.zeros_(self.conv_offset.weight)
        nn.init.zeros_(self.conv_offset.bias)  # type: ignore[arg-type]  # it has one

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, c_out, h / stride, w / stride)`."""
        moves = self.conv_offset(x)
        return deform_conv(x, moves[:, :18], moves[:, 18:].sigmoid(), self.weight, self.stride)


def deform_conv(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The convolution with given offsets `(n, 18, h', w')` (y, x by tap) and masks `(n, 9, h', w')`, padding 1.

    Every tap is sampled bilinearly, with zeros outside of the picture. The sums are in the order of the reference's
    operator and in pixels: through `grid_sample`, which wants shares of the picture, positions lose some bits, and a
    network of thirteen such layers in a row makes large differences of them.
    """
    n, channels, _, _ = x.shape
    out_height, out_width = offset.shape[2:]
    moves = offset.reshape(n, 9, 2, out_height, out_width)
    rows = torch.arange(out_height, device=x.device).view(1, 1, -1, 1) * stride - 1
    columns = torch.arange(out_width, device=x.device).view(1, 1, 1, -1) * stride - 1
    tap = torch.arange(9, device=x.device).view(1, 9, 1, 1)
    taps = sample(x, (rows + tap // 3) + moves[:, :, 0], (columns + tap % 3) + moves[:, :, 1])
    taps = (taps * mask.reshape(n, 1, -1)).reshape(n, 9 * channels, out_height * out_width)
    kernel = weight.flatten(1)
    return torch.stack([kernel @ picture for picture in taps]).reshape(n, -1, out_height, out_width)


def sample(x: Tensor, y_px: Tensor, x_px: Tensor) -> Tensor:
    """`x` `(n, c, h, w)` at positions `(n, ...)` -> `(n, c, positions)`, bilinear between pixels, zero outside."""
    n, channels, height, width = x.shape
    flat = x.flatten(2)
    top, left = y_px.detach().floor(), x_px.detach().floor()
    low, right = (y_px - top).reshape(n, 1, -1), (x_px - left).reshape(n, 1, -1)
    parts = ((0, 0, (1 - low) * (1 - right)), (0, 1, (1 - low) * right), (1, 0, low * (1 - right)), (1, 1, low * right))
    total = None
    for down, across, share in parts:
        row, column = (top + down).long(), (left + across).long()
        inside = ((row >= 0) & (row < height) & (column >= 0) & (column < width)).reshape(n, 1, -1)
        place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).reshape(n, 1, -1)
        part = flat.gather(2, place.expand(-1, channels, -1)) * (share * inside)
        total = part if total is None else total + part
    assert total is not None
    return total

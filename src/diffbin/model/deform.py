"""Modulated deformable convolution (DCNv2, Zhu et al., CVPR 2019, arXiv 1811.11168) in plain PyTorch."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHUNK = 2048  # output positions whose samples are in memory at once on a CPU: they stay in its cache


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
        moves = moves.to(torch.promote_types(moves.dtype, torch.float32))  # positions need it, also in a run of less
        operator = _ONNXDeformConv.apply if torch.onnx.is_in_onnx_export() else _operator(x)
        y: Tensor = operator(x, moves[:, :18], moves[:, 18:].sigmoid(), self.weight, self.stride)
        return y


def _operator(x: Tensor) -> Callable[..., Tensor]:
    """torchvision's kernel on an accelerator, where there is one; on a CPU ours, which is exact and uses all cores."""
    return deform_conv if x.device.type == "cpu" else (torchvision_deform_conv() or deform_conv)


@cache
def torchvision_deform_conv() -> Callable[..., Tensor] | None:
    """torchvision's operator under the signature of `deform_conv`; None where torchvision cannot be imported."""
    try:
        from torchvision.ops import deform_conv2d  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except (ImportError, OSError, RuntimeError):  # not installed, or built for another PyTorch
        return None

    def operator(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: int) -> Tensor:
        x, weight = x.to(offset.dtype), weight.to(offset.dtype)
        y: Tensor = deform_conv2d(x, offset, weight, stride=stride, padding=1, mask=mask)
        return y

    return operator


def deform_conv(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The convolution with given offsets `(n, 18, h', w')` (y, x by tap) and masks `(n, 9, h', w')`, padding 1.

    Every tap is sampled bilinearly, with zeros outside of the picture. Sampling is a weighted sum of four rows of a
    table of pixels, which is what an embedding bag computes. Sums and products are in the order of the reference's
    operator, and positions in pixels: a network of thirteen such layers makes large differences of lost bits.
    """
    n, channels, height, width = x.shape
    out_height, out_width = offset.shape[2:]
    places, shares = _corners(offset, (height, width), stride)
    masks = mask.permute(0, 2, 3, 1).reshape(n, -1, 1)
    kernel = weight.flatten(1).t()
    step = 9 * (CHUNK if x.device.type == "cpu" else out_height * out_width)
    pictures = []
    for i in range(n):
        table = x[i].permute(1, 2, 0).reshape(height * width, channels).to(offset.dtype)
        rows = []
        for start in range(0, places.shape[1], step):
            part = slice(start, start + step)
            taps = F.embedding_bag(places[i, part], table, per_sample_weights=shares[i, part], mode="sum")
            taps = (taps * masks[i, part]).view(-1, 9, channels)
            rows.append(taps.transpose(1, 2).reshape(-1, 9 * channels) @ kernel)
        pictures.append(torch.cat(rows))
    y = torch.stack(pictures).view(n, out_height, out_width, -1).permute(0, 3, 1, 2)  # channels last
    return y.contiguous() if x.is_contiguous() else y


def _corners(offset: Tensor, size: tuple[int, int], stride: int) -> tuple[Tensor, Tensor]:
    """The four pixels around each sampled point and their shares, both `(n, h' * w' * 9, 4)`; a share outside is 0."""
    n, _, out_height, out_width = offset.shape
    height, width = size
    moves = offset.permute(0, 2, 3, 1).reshape(n, out_height, out_width, 9, 2)
    tap = torch.arange(9, device=offset.device)
    y = torch.arange(out_height, device=offset.device).view(-1, 1, 1) * stride - 1 + tap // 3 + moves[..., 0]
    x = torch.arange(out_width, device=offset.device).view(-1, 1) * stride - 1 + tap % 3 + moves[..., 1]
    top, left = y.detach().floor(), x.detach().floor()
    low, right = y - top, x - left
    parts = ((0, 0, (1 - low) * (1 - right)), (0, 1, (1 - low) * right), (1, 0, low * (1 - right)), (1, 1, low * right))
    places, shares = [], []
    for down, across, share in parts:
        row, column = (top + down).long(), (left + across).long()
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        places.append(row.clamp(0, height - 1) * width + column.clamp(0, width - 1))
        shares.append(share * inside)
    return torch.stack(places, -1).view(n, -1, 4), torch.stack(shares, -1).view(n, -1, 4)


class _ONNXDeformConv(torch.autograd.Function):
    """The same, written to ONNX as its standard operator `DeformConv` (opset 19)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: int) -> Tensor:
        return deform_conv(x, offset, mask, weight, stride)

    @staticmethod
    def symbolic(g: Any, x: Any, offset: Any, mask: Any, weight: Any, stride: int) -> Any:
        bias = g.op("Constant", value_t=torch.zeros(weight.type().sizes()[0]))
        sizes = {"kernel_shape_i": [3, 3], "strides_i": [stride, stride], "pads_i": [1, 1, 1, 1]}
        return g.op("DeformConv", x, weight, offset, bias, mask, **sizes)

"""The probability path in the form that runs fastest: the same answer as `DBNet.prob`, for engines and exporters.

In the pyramid nothing but sums and convolutions stands between c2, or the levels above, and the smoothed first level.
So that level's widest map, at stride 4, need not be made: c2 goes through lateral and smoothing convolution as one, and
the level above is smoothed where it is, at stride 8, with the kernel that each of the four pixels it is copied to sees.
So, too, sees the head's 3x3 convolution all levels above the first, unless they are weighted place by place.

A 2x2 transposed convolution of stride 2 is a 1x1 convolution whose four answers are laid out as 2x2 pixels. The head
has two of them; here both layings-out are put off to the very end, where there are 16 numbers a place to lay out as 4x4
pixels instead of wide maps to move about. A map of stride 2 has means of 2x2 logits, 4 numbers a place. Else weights
are only rearranged: stored in half precision they round as before.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffbin.model.dbnet import DBNet
from diffbin.model.neck import FPNC


class ProbPath(nn.Module):
    """The probability path of a network, in evaluation mode, sharing its backbone and most of its neck."""

    def __init__(self, network: DBNet) -> None:
        super().__init__()
        conv, norm, relu, up1, norm1, _, up2 = network.det_head.binarize
        self.backbone = network.backbone
        self.neck = _Neck(network.neck) if network.neck.is_linear else _AsItIs(network.neck)
        self.join = (_Weighted if network.neck.fusion else _Joined)(network.neck, conv, norm)  # type: ignore[arg-type]
        self.head = nn.Sequential(relu, _first(up1), _tiled(norm1), relu, _second(up2, network.map_stride))  # type: ignore[arg-type]
        self.places = 4 // network.map_stride  # of P, along a side, for one of the features
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """See `DBNet.prob`: `(n, 3, h, w)` float normalised RGB -> P `(n, 1, h / stride, w / stride)` float32."""
        logits = self.head(self.join(self.neck(self.backbone(pictures))))
        return F.pixel_shuffle(logits.float(), self.places).sigmoid()


class _Neck(nn.Module):
    """The pyramid without the widest of its maps; see the head of the file."""

    def __init__(self, neck: FPNC) -> None:
        super().__init__()
        self.neck = neck
        lateral = neck.get_parameter("lateral_convs.0.conv.weight").data
        smooth = neck.get_parameter("smooth_convs.0.conv.weight").data
        self.direct = _conv3x3(torch.einsum("omhw,mc->ochw", smooth, lateral[:, :, 0, 0]))
        self.raised = _conv3x3(_of_four_pixels(smooth))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """c2 .. c5 -> the smoothed levels, each `(n, smooth, h, w)` at its own size."""
        c2, *others = features
        levels = self.neck.top_down(others)
        first = self.direct(c2) + F.pixel_shuffle(self.raised(levels[0]), 2)
        smoothed = [smooth(level) for smooth, level in zip(list(self.neck.smooth_convs)[1:], levels, strict=True)]
        return [first, *smoothed]


class _AsItIs(nn.Module):
    """A pyramid that does more than sums and convolutions."""

    def __init__(self, neck: FPNC) -> None:
        super().__init__()
        self.neck = neck

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """See `_Neck.forward`."""
        return self.neck.smoothed(features)


class _Joined(nn.Module):
    """The head's first convolution and its BatchNorm over all levels, of which all but the first stay at stride 8."""

    def __init__(self, neck: FPNC, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.neck = neck
        smooth = conv.in_channels // len(neck.smooth_convs)
        self.direct = nn.Sequential(_conv3x3(conv.weight.data[:, :smooth]), norm)
        self.raised = nn.Sequential(_conv3x3(_of_four_pixels(conv.weight.data[:, smooth:])), _scaling(norm))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """The smoothed levels -> what the head's first ReLU sees."""
        first, *others = levels
        y: Tensor = self.direct(first) + F.pixel_shuffle(self.raised(self.neck.join(others)), 2)
        return y


class _Weighted(nn.Module):
    """The same over levels that are weighted place by place, all of them at stride 4."""

    def __init__(self, neck: FPNC, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.neck = neck
        self.conv, self.norm = conv, norm

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """See `_Joined.forward`."""
        y: Tensor = self.norm(self.conv(self.neck.join(levels)))
        return y


def _of_four_pixels(weight: Tensor) -> Tensor:
    """The 3x3 kernels `(o, c, 3, 3)` of a map that was doubled by copying, on the map before: `(4 o, c, 3, 3)`.

    Of the three rows that the upper of two copies sees, one is of the row above and two are of its own; columns alike.
    """
    seen = torch.zeros(2, 3, 3).to(weight)  # of each copy: row of the new kernel, row of the old
    seen[0, 0, 0] = seen[0, 1, 1] = seen[0, 1, 2] = 1
    seen[1, 1, 0] = seen[1, 1, 1] = seen[1, 2, 2] = 1
    return torch.einsum("ayk,bxl,ockl->oabcyx", seen, seen, weight).flatten(0, 2)


def _conv3x3(weight: Tensor) -> nn.Conv2d:
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, bias=False)
    conv.weight.data = weight
    return conv


def _first(up: nn.ConvTranspose2d) -> nn.Conv2d:
    """The first transposed convolution: its four sub-pixels become four groups of channels."""
    channels = up.out_channels
    conv = nn.Conv2d(up.in_channels, 4 * channels, 1)
    conv.weight.data = up.weight.data.permute(2, 3, 1, 0).reshape(4 * channels, up.in_channels, 1, 1)
    conv.bias.data = _bias(up).repeat(4)  # type: ignore[union-attr]
    return conv


def _tiled(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """The same normalisation of each of the four groups."""
    tiled = nn.BatchNorm2d(4 * norm.num_features, eps=norm.eps)
    tiled.load_state_dict({name: w.repeat(4) if w.ndim else w for name, w in norm.state_dict().items()})
    return tiled


def _scaling(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """Of the same normalisation the factors alone, each for the four pixels of its channel."""
    scaling = nn.BatchNorm2d(4 * norm.num_features, eps=norm.eps)
    given = norm.state_dict()
    factors = {name: given[name].repeat_interleave(4) for name in ("weight", "running_var")}
    scaling.load_state_dict({**scaling.state_dict(), **factors})
    return scaling


def _second(up: nn.ConvTranspose2d, stride: int) -> nn.Conv2d:
    """The second one, on each group for itself: 16 channels, in the order of the 4x4 pixels, or 4 of means of 2x2."""
    channels, places = up.in_channels, 2 // stride
    by_second = up.weight.data[:, 0].permute(1, 2, 0)  # row, column, channel
    if stride == 2:
        by_second = by_second.mean((0, 1), keepdim=True)
    weight = torch.zeros(places, places, 2, 2, 4 * channels)  # row, column by the second, by the first, over the groups
    for row in range(2):
        for column in range(2):
            group = slice((2 * row + column) * channels, (2 * row + column + 1) * channels)
            weight[:, :, row, column, group] = by_second
    conv = nn.Conv2d(4 * channels, 4 * places**2, 1)
    conv.weight.data = weight.permute(2, 0, 3, 1, 4).reshape(4 * places**2, 4 * channels, 1, 1)
    conv.bias.data = _bias(up).repeat(4 * places**2)  # type: ignore[union-attr]
    return conv


def _bias(up: nn.ConvTranspose2d) -> Tensor:
    assert up.bias is not None  # of a DBNet's head
    return up.bias.data

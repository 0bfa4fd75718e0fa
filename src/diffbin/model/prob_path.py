"""The probability path in the form that runs fastest: the same answer as `DBNet.prob`, for engines and exporters.

A 2x2 transposed convolution of stride 2 is a 1x1 convolution whose four answers are laid out as 2x2 pixels. The head
has two of them; here both layings-out are put off to the very end, where there are 16 numbers a place to lay out as 4x4
pixels instead of wide maps to move about. Weights are only rearranged: stored in half precision they round as before.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffbin.model.dbnet import DBNet


class ProbPath(nn.Module):
    """The probability path of a network, in evaluation mode, sharing its backbone and neck."""

    def __init__(self, network: DBNet) -> None:
        super().__init__()
        conv, norm, relu, up1, norm1, _, up2 = network.det_head.binarize
        self.backbone = network.backbone
        self.neck = network.neck
        self.head = nn.Sequential(conv, norm, relu, _first(up1), _tiled(norm1), relu, _second(up2))  # type: ignore[arg-type]
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """See `DBNet.prob`: `(n, 3, h, w)` float normalised RGB -> P `(n, 1, h, w)` float32."""
        logits = self.head(self.neck(self.backbone(pictures)))
        return F.pixel_shuffle(logits.float().sigmoid(), 4)


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


def _second(up: nn.ConvTranspose2d) -> nn.Conv2d:
    """The second one, on each group for itself: 16 channels, in the order of the 4x4 pixels."""
    channels = up.in_channels
    weight = torch.zeros(2, 2, 2, 2, 4 * channels)  # row and column by the second, by the first, over the groups
    for row in range(2):
        for column in range(2):
            group = slice((2 * row + column) * channels, (2 * row + column + 1) * channels)
            weight[:, :, row, column, group] = up.weight.data[:, 0].permute(1, 2, 0)
    conv = nn.Conv2d(4 * channels, 16, 1)
    conv.weight.data = weight.permute(2, 0, 3, 1, 4).reshape(16, 4 * channels, 1, 1)
    conv.bias.data = _bias(up).repeat(16)  # type: ignore[union-attr]
    return conv


def _bias(up: nn.ConvTranspose2d) -> Tensor:
    assert up.bias is not None  # of a DBNet's head
    return up.bias.data

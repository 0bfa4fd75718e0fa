"""LCNetV4 in its small size, the backbone of PP-OCRv6 (arXiv 2606.13108).

A block mixes places by a 3x3 depthwise convolution, every other one weighs channels by the whole picture, and then
mixes channels by two 1x1 convolutions, twice as wide between. This is the form that runs, in which the side branches
and the normalisation of training are merged into the convolutions. So begin with trained weights, those of PP-OCRv6:
`paddle` reads them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffbin.model.depthwise import DepthwiseConv2d
from diffbin.model.squeeze_excite import SqueezeExcite

STEM = 24  # channels at half the size, and of the first convolution at a quarter
CHANNELS = (48, 96, 192, 384)  # of c2 to c5
DEPTHS = (2, 2, 4, 2)  # blocks of each layer, the one that strides not counted
EXPANSION = 2


class Stem(nn.Module):
    """To a quarter of the size. At half of it two 2x2 convolutions run beside a maximum; they see right and down."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM, 3, 2, 1)
        self.conv2 = nn.Conv2d(STEM, STEM // 2, 2)
        self.conv3 = nn.Conv2d(STEM // 2, STEM, 2)
        self.conv4 = nn.Conv2d(2 * STEM, STEM, 3, 2, 1)
        self.conv5 = nn.Conv2d(STEM, CHANNELS[0], 1)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, 3, h, w)` -> `(n, c, h / 4, w / 4)`."""
        x = F.relu(self.conv1(x))
        y = F.relu(self.conv2(_one_more(x)))
        y = F.relu(self.conv3(_one_more(y)))
        pooled = F.max_pool2d(_one_more(x), 2, 1)  # nothing is below the zeros beside it
        x = F.relu(self.conv4(torch.cat((pooled, y), dim=1)))
        return F.relu(self.conv5(x))


def _one_more(x: Tensor) -> Tensor:
    """A column of zeros on the right and a row below: a 2x2 window keeps the size."""
    return F.pad(x, (0, 1, 0, 1))


class Block(nn.Module):
    """Places are mixed, then channels; the latter beside a shortcut, unless the block strides."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int = 1, squeezed: bool = False) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv2d(channels_in, 3, stride, bias=True)
        self.squeeze = SqueezeExcite(channels_in) if squeezed else nn.Identity()
        self.expand = nn.Conv2d(channels_in, EXPANSION * channels_in, 1)
        self.project = nn.Conv2d(EXPANSION * channels_in, channels_out, 1)
        self.has_shortcut = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, c_out, h / stride, w / stride)`."""
        x = self.squeeze(self.depthwise(x))
        y: Tensor = self.project(F.gelu(self.expand(x)))
        return x + y if self.has_shortcut else y


class LCNetV4(nn.Module):
    """Stem and four layers; 2.3 M parameters."""

    channels = CHANNELS

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        for i, (channels, depth) in enumerate(zip(CHANNELS, DEPTHS, strict=True)):
            blocks = [Block(channels, channels, squeezed=k % 2 == 0) for k in range(depth)]
            if i:
                blocks.insert(0, Block(CHANNELS[i - 1], channels, stride=2))
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        """`(n, 3, h, w)` normalised picture -> c2, c3, c4, c5 at strides 4, 8, 16, 32."""
        x = self.stem(x)
        features = []
        for i in range(len(DEPTHS)):
            x = self.get_submodule(f"layer{i + 1}")(x)
            features.append(x)
        return features

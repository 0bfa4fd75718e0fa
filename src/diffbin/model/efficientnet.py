"""EfficientNet-Lite0 (Tan and Le, ICML 2019, arXiv 1905.11946; Lite: without squeezing, with ReLU6) as a backbone.

About as accurate on ImageNet as a ResNet-50, at a tenth of its multiply-adds, and made to run in eight bits.
Convolutions of stride 2 pad alike on all sides; weights of TensorFlow, which pads on two, see the picture moved by a
pixel.

The block that goes from half to quarter resolution widens the largest map six times, and takes a sixth of the time in
eight bits. It can be fused, as in EfficientNetV2 (Tan and Le, ICML 2021, arXiv 2104.00298): one plain convolution in
the place of two layers, and narrower. In the slim form, too, blocks are less than six times as wide inside as their
input: `examples/prune_blocks.py` tells which channels a trained network hardly needs, above all in the deepest layer.
"""

from typing import NamedTuple

from torch import Tensor, nn

from diffbin.model.depthwise import DepthwiseConv2d

EXPANSION = 6
EPS, MOMENTUM = 1e-3, 0.01  # of BatchNorm, as the published weights were trained
STEM, FIRST = 32, 16  # channels of the first convolution, and of the block after it
FUSED = 64  # inner channels of the fused block
SLIM = (  # inner channels of the slim form's blocks, layer by layer
    (48, 96),
    (96, 160),
    (128, 320, 320, 256, 432, 416),
    (256, 128, 128, 80, 64),
)
SLIM_C5 = 32  # as many as the pyramid makes of them: behind the last block is nothing but its 1x1 convolution


class Blocks(NamedTuple):
    """Blocks of one width, of which the first strides."""

    depth: int
    kernel: int
    stride: int
    channels: int


LAYERS = (  # what answers c2, c3, c4, c5
    (Blocks(2, 3, 2, 24),),
    (Blocks(2, 5, 2, 40),),
    (Blocks(3, 3, 2, 80), Blocks(3, 5, 1, 112)),
    (Blocks(4, 5, 2, 192), Blocks(1, 3, 1, 320)),
)


class DepthwiseSeparable(nn.Module):
    """3x3 depthwise and 1x1 convolution: the first block."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv2d(channels_in, 3, 1)
        self.bn1 = _norm(channels_in)
        self.project = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.bn2 = _norm(channels_out)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, c_out, h, w)`."""
        y: Tensor = self.bn2(self.project(self.relu(self.bn1(self.depthwise(x)))))
        return y


class InvertedResidual(nn.Module):
    """1x1 convolution that widens, depthwise convolution, 1x1 back; a shortcut where the shapes allow."""

    def __init__(self, channels_in: int, width: int, channels_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1 = _norm(width)
        self.depthwise = DepthwiseConv2d(width, kernel, stride)
        self.bn2 = _norm(width)
        self.project = nn.Conv2d(width, channels_out, 1, bias=False)
        self.bn3 = _norm(channels_out)
        self.relu = nn.ReLU6(inplace=True)
        self.has_shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, c_out, h / stride, w / stride)`."""
        y: Tensor = self.relu(self.bn1(self.expand(x)))
        y = self.relu(self.bn2(self.depthwise(y)))
        y = self.bn3(self.project(y))
        return x + y if self.has_shortcut else y


class FusedInvertedResidual(nn.Module):
    """3x3 convolution of stride 2 that widens, 1x1 back."""

    def __init__(self, channels_in: int, width: int, channels_out: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels_in, width, 3, 2, 1, bias=False)
        self.bn1 = _norm(width)
        self.project = nn.Conv2d(width, channels_out, 1, bias=False)
        self.bn2 = _norm(channels_out)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, c_out, h / 2, w / 2)`."""
        y: Tensor = self.bn2(self.project(self.relu(self.bn1(self.expand(x)))))
        return y


class EfficientNetLite0(nn.Module):
    """Stem, a first block without expansion, four stages; 3.0 M parameters, slim 0.7 M.

    `fused` is the first stage's first block; `slim` has it fused, too.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, *, fused: bool = False, slim: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM, 3, 2, 1, bias=False)
        self.bn1 = _norm(STEM)
        self.relu = nn.ReLU6(inplace=True)
        self.first = DepthwiseSeparable(STEM, FIRST)
        shapes = _slim_shapes() if slim else _shapes()
        self.channels = tuple(layer[-1].channels_out for layer in shapes)
        for i, layer in enumerate(shapes, start=1):
            self.add_module(f"layer{i}", nn.Sequential(*(InvertedResidual(*shape) for shape in layer)))
        if fused or slim:
            self.layer1[0] = FusedInvertedResidual(FIRST, shapes[0][0].width if slim else FUSED, self.channels[0])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> list[Tensor]:
        """`(n, 3, h, w)` normalised picture -> c2, c3, c4, c5 at strides 4, 8, 16, 32."""
        x = self.first(self.relu(self.bn1(self.conv1(x))))
        features = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features


class Shape(NamedTuple):
    """Of an inverted residual."""

    channels_in: int
    width: int
    channels_out: int
    kernel: int
    stride: int


def _shapes() -> list[list[Shape]]:
    """The published blocks, layer by layer."""
    shapes, channels = [], FIRST
    for layer in LAYERS:
        shapes.append(list[Shape]())
        for depth, kernel, stride, width in layer:
            for i in range(depth):
                shapes[-1].append(Shape(channels, EXPANSION * channels, width, kernel, 1 if i else stride))
                channels = width
    return shapes


def _slim_shapes() -> list[list[Shape]]:
    layers = zip(_shapes(), SLIM, strict=True)
    shapes = [[shape._replace(width=w) for shape, w in zip(layer, widths, strict=True)] for layer, widths in layers]
    shapes[-1][-1] = shapes[-1][-1]._replace(channels_out=SLIM_C5)
    return shapes


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPS, momentum=MOMENTUM)

"""Residual networks (He et al., CVPR 2016) that answer the features of four scales.

Parameter names are those of torchvision and of the official checkpoints: `conv1`, `bn1`, `layer1.0.conv1`, ...
"""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from diffbin.model.deform import DeformConv2d


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; the second convolution may be deformable."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, *, deformable: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = _conv3x3(channels_out, channels_out, 1, deformable=deformable)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels_in, channels_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, c_out, h / stride, w / stride)`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        y: Tensor = self.relu(self.bn2(self.conv2(x)) + shortcut)
        return y


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut; the 3x3 one strides, and may be deformable."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, *, deformable: bool = False) -> None:
        super().__init__()
        width = channels_out // 4
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, stride, deformable=deformable)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels_in, channels_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, c_out, h / stride, w / stride)`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        y: Tensor = self.relu(self.bn3(self.conv3(x)) + shortcut)
        return y


Block = Callable[[int, int, int], nn.Module]  # channels in and out, stride


class ResNet(nn.Module):
    """Stem and four stages of blocks, one kind of block a stage; `channels` are those of c2 to c5."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self, blocks: Sequence[Block], depths: Sequence[int], channels: Sequence[int], *, width: int, deep_stem: bool
    ) -> None:
        super().__init__()
        self.channels = channels
        if deep_stem:
            self.stem: nn.Sequential | None = nn.Sequential(
                *conv_bn_relu(3, width // 2, 2),
                *conv_bn_relu(width // 2, width // 2),
                *conv_bn_relu(width // 2, width),
            )
        else:
            self.stem = None
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = (width, *channels[:-1])
        for i, (block, depth, c_in, c_out) in enumerate(zip(blocks, depths, inputs, channels, strict=True), start=1):
            self.add_module(f"layer{i}", _stage(block, depth, c_in, c_out, stride=1 if i == 1 else 2))
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """`(n, 3, h, w)` normalised picture -> c2, c3, c4, c5 at strides 4, 8, 16, 32."""
        x = self.relu(self.bn1(self.conv1(x))) if self.stem is None else self.stem(x)
        x = self.maxpool(x)
        features = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features


def conv_bn_relu(channels_in: int, channels_out: int, stride: int = 1) -> tuple[nn.Module, ...]:
    """The three modules of a 3x3 convolution in a stem."""
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return convolution, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)


def _conv3x3(channels_in: int, channels_out: int, stride: int, *, deformable: bool) -> nn.Module:
    if deformable:
        return DeformConv2d(channels_in, channels_out, stride)
    return nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Sequential | None:
    """What brings the input to the block's output shape; None where it has it already."""
    if stride == 1 and channels_in == channels_out:
        return None
    convolution = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out))


def _stage(block: Block, depth: int, channels_in: int, channels_out: int, *, stride: int) -> nn.Sequential:
    first = block(channels_in, channels_out, stride)
    return nn.Sequential(first, *(block(channels_out, channels_out, 1) for _ in range(depth - 1)))


def initialise(network: nn.Module) -> None:
    """Kaiming normal (fan out) for convolutions; the last BatchNorm of a residual block and offsets start at zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for module in network.modules():
        last = getattr(module, "bn3", getattr(module, "bn2", None))
        if isinstance(last, nn.BatchNorm2d):
            nn.init.zeros_(last.weight)
        if isinstance(module, DeformConv2d):
            module.reset_offsets()


def resnet18() -> ResNet:
    """The paper's light backbone, 11.2 M parameters."""
    return ResNet([BasicBlock] * 4, (2, 2, 2, 2), (64, 128, 256, 512), width=64, deep_stem=False)


def resnet18_dcnv2() -> ResNet:
    """The same, deformable in the last three stages, as the paper's own figures have it: 11.6 M parameters."""
    deformable = partial(BasicBlock, deformable=True)
    blocks: list[Block] = [BasicBlock, deformable, deformable, deformable]
    return ResNet(blocks, (2, 2, 2, 2), (64, 128, 256, 512), width=64, deep_stem=False)


def resnet18_half() -> ResNet:
    """Half the width, and three 3x3 convolutions for a stem: 2.8 M parameters."""
    return ResNet([BasicBlock] * 4, (2, 2, 2, 2), (32, 64, 128, 256), width=32, deep_stem=True)


def resnet50() -> ResNet:
    """The paper's large backbone, 23.5 M parameters."""
    return ResNet([Bottleneck] * 4, (3, 4, 6, 3), (256, 512, 1024, 2048), width=64, deep_stem=False)


def resnet50_dcnv2() -> ResNet:
    """The same with deformable 3x3 convolutions in the last three stages, 24.4 M parameters."""
    deformable = partial(Bottleneck, deformable=True)
    blocks: list[Block] = [Bottleneck, deformable, deformable, deformable]
    return ResNet(blocks, (3, 4, 6, 3), (256, 512, 1024, 2048), width=64, deep_stem=False)

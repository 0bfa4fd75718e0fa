"""Residual networks (He et al., CVPR 2016) that answer the features of four scales.

Parameter names are those of torchvision and of the official checkpoints: `conv1`, `bn1`, `layer1.0.conv1`, ...
"""

from collections.abc import Callable

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels_out:
            shortcut = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, c_out, h / stride, w / stride)`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        y: Tensor = self.relu(self.bn2(self.conv2(x)) + shortcut)
        return y


class ResNet(nn.Module):
    """Stem and four stages of basic blocks; `channels` are those of c2 to c5."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, blocks: tuple[int, ...], channels: tuple[int, ...], *, deep_stem: bool) -> None:
        super().__init__()
        self.channels = channels
        width = channels[0]
        if deep_stem:
            self.stem: nn.Sequential | None = nn.Sequential(
                *_conv_bn_relu(3, width // 2, 2),
                *_conv_bn_relu(width // 2, width // 2),
                *_conv_bn_relu(width // 2, width),
            )
        else:
            self.stem = None
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = (width, *channels[:-1])
        for i, (depth, c_in, c_out) in enumerate(zip(blocks, inputs, channels, strict=True), start=1):
            self.add_module(f"layer{i}", _stage(depth, c_in, c_out, stride=1 if i == 1 else 2))
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


def _conv_bn_relu(channels_in: int, channels_out: int, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return convolution, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)


def _stage(depth: int, channels_in: int, channels_out: int, *, stride: int) -> nn.Sequential:
    first = BasicBlock(channels_in, channels_out, stride)
    return nn.Sequential(first, *(BasicBlock(channels_out, channels_out, 1) for _ in range(depth - 1)))


def initialise(network: nn.Module) -> None:
    """Kaiming normal (fan out) for convolutions; the last BatchNorm of a residual block starts at zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for module in network.modules():
        if isinstance(module, BasicBlock):
            nn.init.zeros_(module.bn2.weight)


def resnet18() -> ResNet:
    """The paper's light backbone, 11.2 M parameters."""
    return ResNet((2, 2, 2, 2), (64, 128, 256, 512), deep_stem=False)


def resnet18_half() -> ResNet:
    """Half the width, and three 3x3 convolutions for a stem: 2.8 M parameters, the embedded model's backbone."""
    return ResNet((2, 2, 2, 2), (32, 64, 128, 256), deep_stem=True)


BACKBONES: dict[str, Callable[[], ResNet]] = {"resnet18": resnet18, "resnet18_half": resnet18_half}

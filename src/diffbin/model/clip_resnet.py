"""The ResNet-50 of CLIP, on which oCLIP (Xue et al., ECCV 2022, arXiv 2203.03911) pre-trains for text.

It pools by averages wherever ResNet-50 strides, so that no pixel is passed over.
"""

from torch import Tensor, nn

from diffbin.model.resnet import conv_bn_relu, initialise

EXPANSION = 4


class CLIPBottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions of stride 1; an average pool does the striding, on both ways."""

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        channels_out = EXPANSION * width
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(width, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride > 1 or channels_in != channels_out:
            pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
            convolution = nn.Conv2d(channels_in, channels_out, 1, bias=False)
            self.downsample = nn.Sequential(pool, convolution, nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` -> `(n, 4 * width, h / stride, w / stride)`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.avgpool(self.relu(self.bn2(self.conv2(x))))
        y: Tensor = self.relu(self.bn3(self.conv3(x)) + shortcut)
        return y


class CLIPResNet(nn.Module):
    """Three-convolution stem, average pool, four stages."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self) -> None:
        super().__init__()
        self.channels = (256, 512, 1024, 2048)
        self.stem = nn.Sequential(*conv_bn_relu(3, 32, 2), *conv_bn_relu(32, 32), *conv_bn_relu(32, 64))
        self.avgpool = nn.AvgPool2d(2)
        channels = 64
        for i, (depth, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True), start=1):
            blocks = [CLIPBottleneck(channels, width, 1 if i == 1 else 2)]
            channels = EXPANSION * width
            blocks += [CLIPBottleneck(channels, width, 1) for _ in range(depth - 1)]
            self.add_module(f"layer{i}", nn.Sequential(*blocks))
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """`(n, 3, h, w)` normalised picture -> c2, c3, c4, c5 at strides 4, 8, 16, 32."""
        x = self.avgpool(self.stem(x))
        features = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features

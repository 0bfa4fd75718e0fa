"""The DB head: two branches of one shape, for the probability map and for the threshold map."""

from torch import Tensor, nn


class DBHead(nn.Module):
    """Each branch: 3x3 convolution, then two 2x2 transposed convolutions back to the picture's resolution.

    The probability branch answers logits (the loss wants them), the threshold branch ends in a sigmoid. Initialised as
    PyTorch does, which is what the reference runs: its own rule for the head names no existing layer.
    """

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.binarize = _branch(channels_in)
        self.threshold = _branch(channels_in)
        self.threshold.append(nn.Sigmoid())

    def prob_logits(self, features: Tensor) -> Tensor:
        """`(n, c, h / 4, w / 4)` -> `(n, 1, h, w)` logits of P."""
        logits: Tensor = self.binarize(features)
        return logits

    def thresholds(self, features: Tensor) -> Tensor:
        """`(n, c, h / 4, w / 4)` -> `(n, 1, h, w)` T in [0, 1]."""
        thresholds: Tensor = self.threshold(features)
        return thresholds


def _branch(channels_in: int) -> nn.Sequential:
    channels = channels_in // 4
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(channels, channels, 2, 2),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(channels, 1, 2, 2),
    )

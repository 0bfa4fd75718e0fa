"""DBNet (Liao et al., AAAI 2020, arXiv 1911.08947), figure 3, and DBNet++ (arXiv 2202.10304), figure 2."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffbin.config import Model
from diffbin.model import backbones
from diffbin.model.head import DBHead
from diffbin.model.neck import FPNC
from diffbin.model.replkfpn import RepLKFPN

NECKS = {"fpnc": FPNC, "replkfpn": RepLKFPN}


class TrainMaps(NamedTuple):
    """What training sees, each `(n, 1, h, w)` float at the picture's resolution."""

    prob_logits: Tensor  # P before its sigmoid
    threshold: Tensor  # T in [0, 1]
    binary: Tensor  # B = 1 / (1 + exp(-k (P - T))), in [0, 1]


class DBNet(nn.Module):
    """Backbone, feature pyramid, head.

    | submodule | in                                  | out                               |
    |-----------|-------------------------------------|-----------------------------------|
    | backbone  | `(n, 3, h, w)` normalised RGB       | c2 .. c5, strides 4, 8, 16, 32    |
    | neck      | c2 .. c5                            | `(n, 4 * smooth, h / 4, w / 4)`   |
    | det_head  | `(n, 4 * smooth, h / 4, w / 4)`     | `(n, 1, h, w)` a map              |

    `h` and `w` are multiples of 32. The names of the submodules are those of the official checkpoints.
    """

    def __init__(self, config: Model, *, k: float = 50.0) -> None:
        super().__init__()
        self.k = k
        self.map_stride = config.map_stride
        self.backbone = backbones.make(config.backbone)
        self.neck = NECKS[config.neck](
            self.backbone.channels,  # type: ignore[arg-type]  # see `backbones.make`
            lateral=config.lateral_channels,
            smooth=config.smooth_channels,
            fusion=config.scale_fusion,
        )
        self.det_head = DBHead(4 * config.smooth_channels)

    def forward(self, pictures: Tensor) -> TrainMaps:
        """All maps of a batch, for training."""
        features = self.neck(self.backbone(pictures))
        logits = self.det_head.prob_logits(features).float()
        threshold = self.det_head.thresholds(features).float()
        binary = torch.sigmoid(self.k * (logits.sigmoid() - threshold))
        return TrainMaps(logits, threshold, binary)

    def prob(self, pictures: Tensor) -> Tensor:
        """P alone, `(n, 1, h, w)` float32 in [0, 1]: the whole of inference; the threshold branch does not run.

        At a map stride of 2, `(n, 1, h / 2, w / 2)`, of the means of four logits.
        """
        logits = self.det_head.prob_logits(self.neck(self.backbone(pictures))).float()
        return F.avg_pool2d(logits, self.map_stride).sigmoid()

"""The backbones by the names that recipes use. Each answers c2 to c5 and has their `channels`."""

from collections.abc import Callable
from functools import partial

from diffbin.model.clip_resnet import CLIPResNet
from diffbin.model.efficientnet import EfficientNetLite0
from diffbin.model.resnet import ResNet, resnet18, resnet18_dcnv2, resnet18_half, resnet50, resnet50_dcnv2

BACKBONES: dict[str, Callable[[], EfficientNetLite0 | ResNet | CLIPResNet]] = {
    "efficientnet_lite0": EfficientNetLite0,
    "efficientnet_lite0_fused": partial(EfficientNetLite0, fused=True),
    "efficientnet_lite0_slim": partial(EfficientNetLite0, slim=True),
    "resnet18": resnet18,
    "resnet18_dcnv2": resnet18_dcnv2,
    "resnet18_half": resnet18_half,
    "resnet50": resnet50,
    "resnet50_dcnv2": resnet50_dcnv2,
    "resnet50_oclip": CLIPResNet,
}

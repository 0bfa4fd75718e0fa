"""What timm and EfficientNet-PyTorch call the parts of an EfficientNet-Lite0, in our names."""

import re
from itertools import accumulate

from diffbin.model.efficientnet import LAYERS

COUNTS = (1, *(blocks.depth for layer in LAYERS for blocks in layer))  # of blocks; timm numbers each of these anew
STARTS = (0, *accumulate(COUNTS))
DEPTHS = tuple(sum(blocks.depth for blocks in layer) for layer in LAYERS)
# By the layer's own name; in the first block, which does not expand, timm's 1x1 convolution is the projection.
TIMM = {"conv_pw": "expand", "conv_dw": "depthwise", "conv_pwl": "project"}
TIMM_FIRST = {"conv_dw": "depthwise", "conv_pw": "project"}
PYTORCH = {
    "_expand_conv": "expand",
    "_bn0": "bn1",
    "_depthwise_conv": "depthwise",
    "_bn1": "bn2",
    "_project_conv": "project",
    "_bn2": "bn3",
}
PYTORCH_FIRST = {"_depthwise_conv": "depthwise", "_bn1": "bn1", "_project_conv": "project", "_bn2": "bn2"}
OUTSIDE = {  # of the blocks, in either layout
    "conv_stem": "conv1",
    "conv_head": "head.conv",
    "bn2": "head.bn",
    "_conv_stem": "conv1",
    "_bn0": "bn1",
    "_conv_head": "head.conv",
    "_bn1": "head.bn",
    "_fc": "head.fc",
}


def native(name: str) -> str:
    """Our name; what is ours already, or of no part of this network, stays. The classifier is `head`."""
    if match := re.fullmatch(r"blocks\.([0-6])\.(\d+)\.(\w+)\.(\w+)", name):
        number = STARTS[int(match[1])] + int(match[2])
        layer = (TIMM if number else TIMM_FIRST).get(match[3], match[3])
        return f"{_block(number)}.{layer}.{match[4]}"
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
        number = int(match[1])
        layer = (PYTORCH if number else PYTORCH_FIRST).get(match[2], match[2])
        return f"{_block(number)}.{layer}.{match[3]}"
    part, _, rest = name.partition(".")
    return f"{OUTSIDE[part]}.{rest}" if part in OUTSIDE else name


def _block(number: int) -> str:
    """The block of this number, counted through from the first."""
    number -= 1
    if number < 0:
        return "first"
    for i, depth in enumerate(DEPTHS, start=1):
        if number < depth:
            return f"layer{i}.{number}"
        number -= depth
    return f"beyond.{number}"

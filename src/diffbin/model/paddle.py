"""PP-OCRv6's small detector (PaddleOCR, arXiv 2606.13108) from its ONNX file, as weights of our network.

The file has the names of its graph only, so layers are told by their order. It sees BGR, joins the levels of the
pyramid from c5 to c2, and has steeper gates in its neck. Its normalisation is merged into the convolutions, which
stays so but in the head, and it has no branch for the threshold map, which is only wanted in training. A tenth of its
weights are too small for a normal number of 32 bits, and those a CPU computes with many times as slowly; here they are
zero, which changes nothing that it answers.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from diffbin.config import Recipe
from diffbin.errors import ModelError
from diffbin.model.checkpoints import Weights
from diffbin.model.dbnet import DBNet

GATE = 6 * 0.2  # slope of the neck's gates, by that of ours
MAX_BYTES = 256 << 20
Layer = tuple[Tensor, Tensor | None]  # kernel and bias


def weights(path: Path, recipe: Recipe, pictures: Sequence[Tensor]) -> Weights:
    """The weights of an ONNX file for the network of `recipe`, whose threshold branch is new.

    `pictures` are inputs of the network `(1, 3, h, w)`, for the statistics of the head. Raises `ModelError` for what is
    not such a file.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # for the threshold branch
        network: Any = DBNet(recipe.model).eval()
    first, norm = network.det_head.binarize[:2]
    layers, convolutions = _layers(path), list(_in_order(network))
    own = [(conv.weight, norm.bias if conv is first else conv.bias) for conv in convolutions]
    if _shapes(layers) != _shapes(own):
        raise ModelError(f"{path} does not have the layers of PP-OCRv6's small detector.")
    for (weight, offset), (kernel, bias) in zip(own, layers, strict=True):
        weight.data = kernel
        if bias is not None:
            offset.data = bias
    network.backbone.stem.conv1.weight.data = layers[0][0].flip(1)
    for level in (*network.neck.lateral_convs, *network.neck.smooth_convs):
        level.squeeze.expand.weight.data *= GATE
        level.squeeze.expand.bias.data *= GATE
    for parameter in network.parameters():
        parameter.data[parameter.data.abs() < torch.finfo(torch.float32).tiny] = 0
    first.weight.data = torch.cat(first.weight.data.chunk(4, dim=1)[::-1], dim=1)
    _normalise(network, pictures)
    state: Weights = network.state_dict()
    return state


def _layers(path: Path) -> list[Layer]:
    """The convolutions, in the file's order. A bias is added by a node of its own."""
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise ModelError(f"{path} has {path.stat().st_size} bytes; ONNX files of up to {MAX_BYTES} are read.")
    try:
        graph = onnx.load(str(path)).graph
        stored = {tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
        same = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}
        sums = [node.input for node in graph.node if node.op_type == "Add"]
        added = {same.get(one, one): stored[other].flatten() for one, other in sums if other in stored}
        convolutions = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]
        known = [node for node in convolutions if node.input[1] in stored]
        return [(stored[node.input[1]], added.get(node.output[0])) for node in known]
    except Exception as error:  # what a damaged file raises is not ours to foresee
        raise ModelError(f"{path} cannot be read as an ONNX file: {str(error).partition(chr(10))[0]}") from None


def _shapes(layers: Sequence[Layer]) -> list[tuple[torch.Size, torch.Size | None]]:
    return [(kernel.shape, None if bias is None else bias.shape) for kernel, bias in layers]


def _in_order(network: Any) -> Iterator[Any]:
    neck = network.neck
    parts = (network.backbone, *reversed(neck.lateral_convs), *reversed(neck.smooth_convs), network.det_head.binarize)
    for part in parts:
        yield from (module for module in part.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d))


@torch.no_grad()
def _normalise(network: Any, pictures: Sequence[Tensor]) -> None:
    """Gives the head's normalisations, which do nothing yet, the statistics of pictures and what undoes them: so
    training, which normalises by those of its batch, begins near what the file answers."""
    features = [network.neck(network.backbone(picture)) for picture in pictures]
    conv, first, relu, up, second, *_ = network.det_head.binarize
    for norm, before in ((first, nn.Sequential(conv)), (second, nn.Sequential(conv, first, relu, up))):
        seen = torch.cat([before(feature).flatten(2)[0] for feature in features], dim=1)
        norm.running_mean.copy_(seen.mean(1))
        norm.running_var.copy_(seen.var(1))
        norm.weight.data.copy_((norm.running_var + norm.eps).sqrt())
        norm.bias.data += norm.running_mean

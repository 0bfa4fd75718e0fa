"""The layers of a model file, told from the file itself."""

from math import prod
from pathlib import Path
from typing import NamedTuple

from diffbin.errors import DependencyError, way_to_install

OPERATORS = ("Conv", "ConvTranspose", "DeformConv", "BatchNormalization", "Gemm", "MatMul")
FUSED, EIGHT_BITS = "ConvBnFusion_W_", "_DequantizeLinear_Output"  # what ONNX Runtime's quantisation adds to names


class Layer(NamedTuple):
    """A layer that has weights."""

    name: str  # of its weight, as `backbone.layer1.0.conv1`
    kind: str  # ONNX operator or PyTorch class
    shape: tuple[int, ...]  # of its weight
    parameters: int  # all of the layer's, running statistics of BatchNorm included


def layers(path: Path) -> list[Layer]:
    """In the order of the file, one that an engine has loaded already.

    Raises `DependencyError` where the library that reads it is not installed.
    """
    try:
        return _of_onnx(path) if path.suffix == ".onnx" else _of_checkpoint(path)
    except ModuleNotFoundError as error:
        raise DependencyError(f"Listing the layers of {path} needs {error.name}: {way_to_install('train')}.") from None


def _of_onnx(path: Path) -> list[Layer]:
    import onnx

    graph = onnx.load(str(path)).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:  # of weights in half precision or in eight bits
        if node.op_type in ("Cast", "DequantizeLinear") and node.input[0] in shapes:
            shapes[node.output[0]] = shapes[node.input[0]]
    found = []
    for node in graph.node:
        own = {name: shapes[name] for name in node.input if name in shapes}
        if node.op_type in OPERATORS and own:
            name, shape = next(iter(own.items()))
            bare = name.removeprefix(FUSED).removesuffix(EIGHT_BITS).removeprefix("network.").removesuffix(".weight")
            found.append(Layer(bare, node.op_type, shape, sum(map(prod, own.values()))))
    return found


def _of_checkpoint(path: Path) -> list[Layer]:
    from diffbin.model.checkpoints import read_weights

    found: dict[str, list[tuple[int, ...]]] = {}
    for name, weight in read_weights(path)[1].items():
        module, _, kind = name.rpartition(".")
        if kind != "num_batches_tracked":
            found.setdefault(module, []).append(tuple(weight.shape))
    kinds = {1: "BatchNorm2d", 4: "Conv2d"}
    return [Layer(name, kinds.get(len(s[0]), "-"), s[0], sum(map(prod, s))) for name, s in found.items()]

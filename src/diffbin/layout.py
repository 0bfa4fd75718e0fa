"""An eight-bit graph laid out as ONNX Runtime computes it fastest: the same answer, to the bit.

Between convolutions of bytes ONNX Runtime keeps the channels last. Its operators that move pixels want them first: they
go byte by byte, and all is turned round before and after. With the channels last the same moves take whole runs of
bytes along. So here they are written out as such, between operators that turn the channels round, which cancel out with
ONNX Runtime's own. OpenVINO moves pixels fast by itself, and its engine writes the operators back (`engines/openvino`).
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

SIZE = (64, 96)  # (h, w) of a picture, at which it is found out how many times a map is enlarged
CHANNELS_LAST, CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def lay_out(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network of QuantizeLinear and DequantizeLinear, in place; what is not of the forms below stays."""
    graph = _Graph(model)
    _add_fourth_channel(graph)
    for node in graph.all("DepthToSpace"):
        _shuffle(graph, node)
    sizes = _sizes(model)
    for node in graph.all("Resize"):
        _copy(graph, node, sizes)
    graph.prune()
    onnx.checker.check_model(model)
    return model


class _Graph:
    """The nodes of a graph by what they make and use, while they change."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.proto = model.graph
        self._made = 0

    def all(self, operator: str) -> list[NodeProto]:
        return [node for node in self.proto.node if node.op_type == operator]

    def maker(self, name: str) -> NodeProto | None:
        return next((node for node in self.proto.node if name in node.output), None)

    def users(self, name: str) -> list[NodeProto]:
        return [node for node in self.proto.node if name in node.input]

    def stored(self, name: str) -> NDArray[np.generic]:
        return numpy_helper.to_array(next(tensor for tensor in self.proto.initializer if tensor.name == name))

    def store(self, array: object) -> str:
        self._made += 1
        name = f"layout_{self._made}"
        self.proto.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, before: NodeProto, operator: str, *inputs: str, **attributes: Any) -> str:
        """A new node; the name of what it makes."""
        self._made += 1
        name = f"{before.name}/{operator}_{self._made}"
        node = helper.make_node(operator, inputs, [name], name=name, **attributes)
        self.proto.node.insert(list(self.proto.node).index(before), node)
        return name

    def prune(self) -> None:
        """Takes out nodes and stored tensors that nothing uses any more."""
        used = {output.name for output in self.proto.output}
        for node in reversed(list(self.proto.node)):
            if used.isdisjoint(node.output):
                self.proto.node.remove(node)
            else:
                used.update(node.input)
        for tensor in list(self.proto.initializer):
            if tensor.name not in used:
                self.proto.initializer.remove(tensor)

    def bytes_around(self, node: NodeProto) -> tuple[str, NodeProto] | None:
        """Of a node that moves numbers: the bytes they come from, and what makes numbers of the bytes they become."""
        before, users = self.maker(node.input[0]), self.users(node.output[0])
        after = self.users(users[0].output[0]) if len(users) == 1 else []
        if before is None or before.op_type != "DequantizeLinear" or len(after) != 1:
            return None
        if users[0].op_type != "QuantizeLinear" or after[0].op_type != "DequantizeLinear":
            return None
        scales = zip(before.input[1:], users[0].input[1:], strict=True)
        if not all(np.array_equal(self.stored(a), self.stored(b)) for a, b in scales):
            return None
        return before.input[0], after[0]


def _add_fourth_channel(graph: _Graph) -> None:
    """The first convolution sees a fourth channel: zeros, with weights of zero.

    ONNX Runtime has a fast way to gather pixels of four bytes, and none for pixels of three. The channel comes after
    the rounding to bytes: before it, OpenVINO takes a fourth longer.
    """
    (rounding,) = graph.users(graph.proto.input[0].name)
    (back,) = graph.users(rounding.output[0])
    (first,) = graph.users(back.output[0])
    kernel = graph.maker(first.input[1])
    assert kernel is not None  # what makes numbers of its bytes
    kernel.input[0] = graph.store(np.pad(graph.stored(kernel.input[0]), ((0, 0), (0, 1), (0, 0), (0, 0))))
    behind = graph.store(np.array([0, 0, 0, 0, 0, 1, 0, 0]))  # of the axes n, c, h and w, before and after
    zero = graph.store(graph.stored(rounding.input[2]).reshape(()))
    back.input[0] = graph.add(back, "Pad", rounding.output[0], behind, zero)


def _shuffle(graph: _Graph, node: NodeProto) -> None:
    """DepthToSpace of 2x2 pixels behind a convolution, whose channels are put in the order of the pixels."""
    ends = graph.bytes_around(node)
    rounding = graph.maker(ends[0]) if ends else None
    convolution = graph.maker(rounding.input[0]) if rounding else None
    settings = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    if settings["blocksize"] != 2 or settings.get("mode") != b"CRD":
        return
    if not ends or convolution is None or convolution.op_type != "Conv" or not _alone(graph, convolution, node):
        return
    pixels, after = ends
    parameters = [maker for name in convolution.input[1:] if (maker := graph.maker(name))]
    if len(parameters) < len(convolution.input) - 1:  # one that is not stored in bytes
        return
    channels = len(graph.stored(parameters[0].input[0])) // 4
    if channels < 2:  # nothing lies together
        return
    by_pixel = np.arange(4 * channels).reshape(channels, 4).T.ravel()
    for parameter in parameters:
        for i, name in enumerate(parameter.input):
            if graph.stored(name).shape[:1] == by_pixel.shape:  # kernels, biases, and scales and zero points of each
                parameter.input[i] = graph.store(graph.stored(name)[by_pixel])
    last = graph.add(node, "Transpose", pixels, perm=CHANNELS_LAST)
    rows = graph.add(node, "Reshape", last, graph.store([0, 0, 0, 2, 2 * channels]))  # of pixels, in each old one
    wide = graph.add(node, "Transpose", rows, perm=(0, 1, 3, 2, 4))
    after.input[0] = _channels_first(graph, node, wide, pixels, 2, channels)


def _alone(graph: _Graph, convolution: NodeProto, node: NodeProto) -> bool:
    """Whether no other node sees the answer of the convolution."""
    name = convolution.output[0]
    while name != node.input[0]:
        users = graph.users(name)
        if len(users) != 1:
            return False
        name = users[0].output[0]
    return len(graph.users(name)) == 1


def _copy(graph: _Graph, node: NodeProto, sizes: dict[str, tuple[int, ...]]) -> None:
    """Resize to the nearest: each pixel is copied along its row, and each row as a whole."""
    ends = graph.bytes_around(node)
    settings = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    rule = tuple(settings.get(name) for name in ("mode", "coordinate_transformation_mode", "nearest_mode"))
    if not ends or rule != (b"nearest", b"asymmetric", b"floor"):
        return
    (_, channels, *old), (_, _, *new) = sizes[node.input[0]], sizes[node.output[0]]
    times = new[0] // old[0]
    if times < 2 or new != [times * side for side in old]:
        return
    pixels, after = ends
    last = graph.add(node, "Transpose", pixels, perm=CHANNELS_LAST)
    rows = graph.add(node, "Reshape", last, graph.store([0, 0, 1, -1, channels]))
    wide = graph.add(node, "Concat", *[rows] * times, axis=4)
    high = graph.add(node, "Concat", *[wide] * times, axis=2)
    after.input[0] = _channels_first(graph, node, high, pixels, times, channels)


def _channels_first(graph: _Graph, node: NodeProto, moved: str, pixels: str, times: int, channels: int) -> str:
    """What lies as the enlarged map with its channels last, as a map with its channels first."""
    sides = graph.add(node, "Shape", pixels, start=2, end=4)
    larger = graph.add(node, "Mul", sides, graph.store([times, times]))
    shape = graph.add(node, "Concat", graph.store([0]), larger, graph.store([channels]), axis=0)
    return graph.add(node, "Transpose", graph.add(node, "Reshape", moved, shape), perm=CHANNELS_FIRST)


def _sizes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The shape of everything in the graph for one small picture."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    shape = copy.graph.input[0].type.tensor_type.shape
    for axis, size in zip(shape.dim, (1, 3, *SIZE), strict=True):
        axis.dim_value = size
    inferred = onnx.shape_inference.infer_shapes(copy, data_prop=True).graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in (*inferred.value_info, *inferred.output)}
    return {name: tuple(axis.dim_value for axis in dim) for name, dim in shapes.items()}

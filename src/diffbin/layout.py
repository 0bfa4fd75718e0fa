"""An eight-bit graph laid out as ONNX Runtime computes it fastest: the same answer, to the bit.

Between convolutions of bytes ONNX Runtime keeps the channels last. Its operators that move pixels want them first: they
go byte by byte, and all is turned round before and after. With the channels last the same moves take whole runs of
bytes along. So here they are written out as such, between operators that turn the channels round, which cancel out with
ONNX Runtime's own. OpenVINO does all of it faster as it was, so its engine takes it back (`engines/openvino`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

Shape = tuple[int, ...]
Shapes = dict[str, Shape]  # by name

SIZES = ((64, 96), (160, 224))  # (h, w) of pictures, at which it is found out how many times a map is enlarged
CHANNELS_LAST, CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def lay_out(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network of QuantizeLinear and DequantizeLinear, in place; what is not of the forms below stays."""
    graph = _Graph(model)
    _add_fourth_channel(graph)
    for node in graph.all("DepthToSpace"):
        _shuffle(graph, node)
    shapes = [_shapes(model, size) for size in SIZES]
    for node in graph.all("Resize"):
        _copy(graph, node, shapes)
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

    def user(self, name: str) -> NodeProto | None:
        """The one node that uses it; None where there are more, or none, or the whole graph answers it."""
        users = [node for node in self.proto.node if name in node.input]
        return users[0] if len(users) == 1 and name not in (output.name for output in self.proto.output) else None

    def stored(self, name: str) -> NDArray[np.generic]:
        return numpy_helper.to_array(next(tensor for tensor in self.proto.initializer if tensor.name == name))

    def store(self, array: NDArray[Any]) -> str:
        self._made += 1
        name = f"layout_{self._made}"
        self.proto.initializer.append(numpy_helper.from_array(array, name))
        return name

    def store_whole(self, *numbers: int) -> str:
        return self.store(np.array(numbers, np.int64))

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
        before, rounding = self.maker(node.input[0]), self.user(node.output[0])
        after = self.user(rounding.output[0]) if rounding else None
        if before is None or before.op_type != "DequantizeLinear" or rounding is None or after is None:
            return None
        if rounding.op_type != "QuantizeLinear" or after.op_type != "DequantizeLinear":
            return None
        for old, new in zip(before.input[1:], rounding.input[1:], strict=True):  # scales and zero points
            if self.stored(old).dtype != self.stored(new).dtype or self.stored(old) != self.stored(new):
                return None
        return before.input[0], after


def _add_fourth_channel(graph: _Graph) -> None:
    """The first convolution sees a fourth channel: zeros, with weights of zero.

    ONNX Runtime has a fast way to gather pixels of four bytes, and none for pixels of three. The channel comes after
    the rounding to bytes: before it, OpenVINO takes a fourth longer where a file is run without our engine.
    """
    rounding = graph.user(graph.proto.input[0].name)
    back = graph.user(rounding.output[0]) if rounding else None
    first = graph.user(back.output[0]) if back else None
    kernel = graph.maker(first.input[1]) if first and _is_whole_conv(first) else None
    if rounding is None or back is None or kernel is None or graph.user(kernel.output[0]) is None:
        return
    kernel.input[0] = graph.store(np.pad(graph.stored(kernel.input[0]), ((0, 0), (0, 1), (0, 0), (0, 0))))
    behind = graph.store_whole(0, 0, 0, 0, 0, 1, 0, 0)  # of the axes n, c, h and w, before and after
    zero = graph.store(graph.stored(rounding.input[2]).reshape(()))
    back.input[0] = graph.add(back, "Pad", rounding.output[0], behind, zero)


def _shuffle(graph: _Graph, node: NodeProto) -> None:
    """DepthToSpace of 2x2 pixels behind a convolution, whose channels are put in the order of the pixels."""
    ends = graph.bytes_around(node)
    rounding = graph.maker(ends[0]) if ends else None
    convolution = graph.maker(rounding.input[0]) if rounding else None
    if ends is None or convolution is None or _settings(node) != {"blocksize": 2, "mode": b"CRD"}:
        return
    if not _is_whole_conv(convolution):
        return
    parameters = [maker for name in convolution.input[1:] if (maker := graph.maker(name))]
    if len(parameters) < len(convolution.input) - 1:  # one that is not stored in bytes
        return
    between = [convolution.output[0], ends[0], node.input[0], *(parameter.output[0] for parameter in parameters)]
    if not all(map(graph.user, between)):  # others see these channels
        return
    pixels, after = ends
    channels = len(graph.stored(parameters[0].input[0])) // 4
    if channels < 2:  # nothing lies together
        return
    by_pixel = np.arange(4 * channels).reshape(channels, 4).T.ravel()
    for parameter in parameters:
        for i, name in enumerate(parameter.input):
            if graph.stored(name).shape[:1] == by_pixel.shape:  # kernels, biases, and scales and zero points of each
                parameter.input[i] = graph.store(graph.stored(name)[by_pixel])
    last = graph.add(node, "Transpose", pixels, perm=CHANNELS_LAST)
    rows = graph.add(node, "Reshape", last, graph.store_whole(0, 0, 0, 2, 2 * channels))  # of pixels, in each old one
    wide = graph.add(node, "Transpose", rows, perm=(0, 1, 3, 2, 4))
    after.input[0] = _channels_first(graph, node, wide, pixels, 2, channels)


def _copy(graph: _Graph, node: NodeProto, shapes: Sequence[Shapes]) -> None:
    """Resize to the nearest: each pixel is copied along its row, and each row as a whole."""
    ends, settings = graph.bytes_around(node), _settings(node)
    rule = [settings.get(name) for name in ("mode", "coordinate_transformation_mode", "nearest_mode")]
    times = {_times_enlarged(of.get(node.input[0], ()), of.get(node.output[0], ())) for of in shapes}
    if ends is None or rule != [b"nearest", b"asymmetric", b"floor"] or len(times) > 1 or min(times) < 2:
        return
    pixels, after = ends
    n, channels = times.pop(), shapes[0][node.input[0]][1]
    last = graph.add(node, "Transpose", pixels, perm=CHANNELS_LAST)
    rows = graph.add(node, "Reshape", last, graph.store_whole(0, 0, 1, -1, channels))
    wide = graph.add(node, "Concat", *[rows] * n, axis=4)
    high = graph.add(node, "Concat", *[wide] * n, axis=2)
    after.input[0] = _channels_first(graph, node, high, pixels, n, channels)


def _times_enlarged(old: Shape, new: Shape) -> int:
    """How many times as high and as wide the new shape is; 0 where that is no whole number, or not known."""
    if len(old) != 4 or len(new) != 4 or not all(old):
        return 0
    times = new[2] // old[2]
    return times if new == (*old[:2], times * old[2], times * old[3]) else 0


def _channels_first(graph: _Graph, node: NodeProto, moved: str, pixels: str, times: int, channels: int) -> str:
    """What lies as the enlarged map with its channels last, as a map with its channels first."""
    sides = graph.add(node, "Shape", pixels, start=2, end=4)
    larger = graph.add(node, "Mul", sides, graph.store_whole(times, times))
    shape = graph.add(node, "Concat", graph.store_whole(0), larger, graph.store_whole(channels), axis=0)
    return graph.add(node, "Transpose", graph.add(node, "Reshape", moved, shape), perm=CHANNELS_FIRST)


def _is_whole_conv(node: NodeProto) -> bool:
    """Whether it is a convolution of all channels, not of groups of them."""
    return node.op_type == "Conv" and _settings(node).get("group", 1) == 1


def _settings(node: NodeProto) -> dict[str, Any]:
    return {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}


def _shapes(model: onnx.ModelProto, size: tuple[int, int]) -> Shapes:
    """The shape of everything in the graph for one picture of this size, as far as it can be told; 0 is unknown."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for axis, side in zip(copy.graph.input[0].type.tensor_type.shape.dim, (1, 3, *size), strict=True):
        axis.dim_value = side
    inferred = onnx.shape_inference.infer_shapes(copy, data_prop=True).graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in (*inferred.value_info, *inferred.output)}
    return {name: tuple(axis.dim_value for axis in dim) for name, dim in shapes.items()}

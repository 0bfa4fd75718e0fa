"""The layout of eight-bit graphs: pixels move another way, and every answer is the same to the bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from conftest import SMALL
from diffbin import quantize, zoo
from diffbin.config import Preprocess
from diffbin.engines import openvino
from diffbin.export import to_onnx
from diffbin.layout import lay_out
from diffbin.model.dbnet import DBNet

EXAMPLES = Path(__file__).parents[2] / "examples"
GRAPH = """
<ir_version: 9, opset_import: ["": 19]>
small (float[n, 3, h, w] pictures) => (float[n, c, hh, ww] prob)
<float s = {0.02}, uint8 z = {128}, float other = {0.03}, float k_s = {0.01}, int8 k_z = {0},
 float[4] scales = {1, 1, 1.5, 1.5}, int64[4] sizes = {1, 2, 256, 384}>
{
    p_q = QuantizeLinear(pictures, s, z)
    p = DequantizeLinear(p_q, s, z)
    kernel = DequantizeLinear(k_q, k_s, k_z)
    wide = Conv <kernel_shape = [1, 1]> (p, kernel)
    wide_q = QuantizeLinear(wide, s, z)
    wide_d = DequantizeLinear(wide_q, s, z)
    shuffled = DepthToSpace <blocksize = 2, mode = "CRD"> (wide_d)
    shuffled_q = QuantizeLinear(shuffled, s, z)
    shuffled_d = DequantizeLinear(shuffled_q, s, z)
    copied = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">
        (shuffled_d, , scales)
    copied_q = QuantizeLinear(copied, s, z)
    prob = DequantizeLinear(copied_q, s, z)
}
"""
PICTURE = np.random.default_rng(0).standard_normal((1, 3, 64, 96), np.float32)


def graph(*changes: tuple[str, str]) -> onnx.ModelProto:
    """The graph above with some of its words changed; 8 channels become 2 of 2x2 pixels, enlarged by 1.5."""
    text = GRAPH
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    model = onnx.parser.parse_model(text)
    kernel = np.random.default_rng(1).integers(-100, 100, (8, 3, 1, 1), np.int8)
    model.graph.initializer.append(onnx.numpy_helper.from_array(kernel, "k_q"))
    return model


def answer(model: onnx.ModelProto, pictures: NDArray[np.float32] = PICTURE) -> NDArray[np.float32]:
    prob: NDArray[np.float32] = onnxruntime.InferenceSession(model.SerializeToString()).run(
        None, {"pictures": pictures}
    )[0]
    return prob


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


TWICE = ("1.5, 1.5}", "2, 2}")


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ([TWICE], []),
        ([("1.5, 1.5}", "3, 3}")], []),
        ([], ["Resize"]),  # one and a half
        ([("1.5, 1.5}", "2, 1}")], ["Resize"]),  # rows alone
        ([("1, 1, 1.5, 1.5}", "1, 0.5, 2, 2}")], ["Resize"]),  # fewer channels
        ([("_d, , scales)", "_d, , , sizes)")], ["Resize"]),  # twice at one size of the picture alone
        ([TWICE, ('"nearest", c', '"linear", c')], ["Resize"]),
        ([TWICE, ('"floor"', '"ceil"')], ["Resize"]),
        ([TWICE, ("QuantizeLinear(copied, s, z)", "QuantizeLinear(copied, other, z)")], ["Resize"]),  # rounds anew
        ([TWICE, ('"CRD"', '"DCR"')], ["DepthToSpace"]),
    ],
)
def test_what_is_of_the_forms_is_laid_out_and_the_rest_stays(changes: list[tuple[str, str]], left: list[str]) -> None:
    before, after = graph(*changes), lay_out(graph(*changes))
    assert [name for name in operators(after) if name in ("DepthToSpace", "Resize")] == left
    np.testing.assert_array_equal(answer(after), answer(before))


def test_a_convolution_that_others_see_keeps_its_channels() -> None:
    seen = [
        ("prob = Deq", "last = Deq"),
        (
            "DequantizeLinear(copied_q, s, z)",
            "DequantizeLinear(copied_q, s, z)\n    prob = Concat <axis = 1> (last, wide_d)",
        ),
        ("1.5, 1.5}", "0.5, 0.5}"),
    ]
    before, after = graph(*seen), lay_out(graph(*seen))
    assert "DepthToSpace" in operators(after)
    np.testing.assert_array_equal(answer(after), answer(before))


def test_a_first_convolution_of_groups_sees_no_fourth_channel() -> None:
    grouped = [("n, 3, h, w", "n, 6, h, w"), ("[1, 1]> (p", "[1, 1], group = 2> (p")]
    before, after = graph(*grouped), lay_out(graph(*grouped))
    assert "Pad" in operators(lay_out(graph())) and "Pad" not in operators(after)
    pictures = np.concatenate([PICTURE, -PICTURE], axis=1)
    np.testing.assert_array_equal(answer(after, pictures), answer(before, pictures))


def test_a_kernel_that_two_convolutions_share_keeps_its_order() -> None:
    shared = [
        TWICE,
        ("prob = Deq", "second = Conv <kernel_shape = [1, 1]> (p, kernel)\n    last = Deq"),
        (
            "(copied_q, s, z)",
            "(copied_q, s, z)\n    summed = ReduceSum <keepdims = 1> (second)\n    prob = Add (last, summed)",
        ),
    ]
    before, after = graph(*shared), lay_out(graph(*shared))
    assert "DepthToSpace" in operators(after)
    np.testing.assert_array_equal(answer(after), answer(before))


@pytest.fixture(scope="module", params=[False, True], ids=["pyramid", "weighted"])
def quantized(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network in eight bits, not laid out yet."""
    folder = tmp_path_factory.mktemp("quantized")
    torch.manual_seed(0)
    network = DBNet(replace(SMALL, scale_fusion=request.param, map_stride=2)).eval()
    onnx.save(to_onnx(network), str(folder / "fp32.onnx"))
    pictures = quantize._pictures(EXAMPLES)[:1]
    quantize._quantize(folder / "fp32.onnx", folder / "int8.onnx", pictures, Preprocess(short_px=96, long_px=160))
    return folder / "int8.onnx"


def test_a_network_laid_out_answers_the_same_at_all_sizes(quantized: Path) -> None:
    before, after = onnx.load(str(quantized)), lay_out(onnx.load(str(quantized)))
    assert "Resize" in operators(before) and "Resize" not in operators(after)
    assert operators(after).count("DepthToSpace") == operators(after).count("Pad") == 1
    for size in ((1, 3, 96, 160), (2, 3, 64, 32), (3, 3, 32, 320)):
        pictures = np.random.default_rng(0).standard_normal(size, np.float32)
        np.testing.assert_array_equal(answer(after, pictures), answer(before, pictures))


def test_openvino_takes_it_back(quantized: Path, tmp_path: Path) -> None:
    onnx.save(lay_out(onnx.load(str(quantized))), str(tmp_path / "laid_out.onnx"))
    drawn, native = (openvino.CORE.read_model(path) for path in (quantized, tmp_path / "laid_out.onnx"))
    openvino._take_back_layout(native)
    kinds = [[node.get_type_name() for node in model.get_ordered_ops()] for model in (drawn, native)]
    moves = [[of.count(kind) for kind in ("DepthToSpace", "Interpolate", "Transpose", "Pad")] for of in kinds]
    assert moves[0] == moves[1] and not any(moves[0][2:])
    pictures = np.random.default_rng(0).standard_normal((1, 3, 64, 96), np.float32)
    asked, given = (openvino._compile(model, "int8", 2).infer_new_request([pictures])[0] for model in (drawn, native))
    assert np.abs(given - asked).mean() < 0.004  # a step of 255: bytes are rounded at other places


@pytest.mark.parametrize("name", [name for name in zoo.MODELS if not name.endswith("-fp32")])
def test_the_embedded_models_are_laid_out(name: str) -> None:
    model = onnx.load(str(zoo.MODELS[name]))
    first = next(
        array for i in model.graph.initializer if (array := onnx.numpy_helper.to_array(i)).shape == (32, 4, 3, 3)
    )
    assert first[:, :3].any() and not first[:, 3].any()
    assert "Resize" not in operators(model) and operators(model).count("DepthToSpace") == 1

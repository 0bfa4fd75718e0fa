"""PP-OCRv6's backbone and neck, and its weights from an ONNX file."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from diffbin import Detector, recipes, zoo
from diffbin.config import Model, Recipe
from diffbin.engines.torch import TorchEngine
from diffbin.errors import ConfigError, ModelError
from diffbin.image import load
from diffbin.model import paddle
from diffbin.model.checkpoints import build, read_weights, write_weights
from diffbin.model.dbnet import DBNet
from diffbin.model.lcnet import LCNetV4
from diffbin.model.squeeze_excite import SqueezeExcite
from diffbin.zoo import install

ROOT = Path(__file__).parents[2]
RECIPE = recipes.load("ppocrv6_small")


def test_features_have_the_strides_of_a_pyramid() -> None:
    network = LCNetV4()
    features = network.eval()(torch.zeros(1, 3, 64, 96))
    assert [tuple(f.shape[1:]) for f in features] == [(48, 16, 24), (96, 8, 12), (192, 4, 6), (384, 2, 3)]
    assert network.channels == tuple(f.shape[1] for f in features)


def test_channels_are_weighed_by_the_whole_picture() -> None:
    """Of two channels the second is shut off where the first has a mean of 1, and halved where it has none."""
    squeeze = SqueezeExcite(4)
    nn.init.zeros_(squeeze.reduce.weight)
    squeeze.reduce.weight.data[0, 0] = 1
    for layer in (squeeze.reduce, squeeze.expand):
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # they have one
    nn.init.zeros_(squeeze.expand.weight)
    squeeze.expand.weight.data[1, 0] = -3
    x = torch.ones(2, 4, 3, 5)
    x[1, 0] = 0
    assert torch.equal(squeeze(x)[:, 1], torch.tensor([0.0, 0.5])[:, None, None].expand(2, 3, 5))
    squeeze.residual = True
    assert torch.equal(squeeze(x)[:, 1], torch.tensor([1.0, 1.5])[:, None, None].expand(2, 3, 5))


@pytest.mark.parametrize("fusion", [False, True])
@torch.no_grad()
def test_the_deployed_path_answers_as_the_network(fusion: bool) -> None:
    model = Model(backbone="lcnetv4", neck="replkfpn", scale_fusion=fusion, lateral_channels=16, smooth_channels=8)
    torch.manual_seed(0)
    network = DBNet(model).eval()
    batch = torch.randn(2, 3, 64, 96)
    found = TorchEngine(network, Recipe(name="r")).run(batch.numpy())
    np.testing.assert_allclose(found, network.prob(batch).numpy(), rtol=0, atol=1e-5)


def test_an_unknown_neck_is_told() -> None:
    with pytest.raises(ConfigError, match=r"model\.neck is 'fpn'; it must be one of fpnc, replkfpn"):
        Model(neck="fpn")  # type: ignore[arg-type]


def test_layers_are_told_by_the_order_of_the_published_file() -> None:
    """A block's five, the pyramid from c5 to c2; layers that change places may well have one shape."""
    network = DBNet(RECIPE.model)
    names = {module: name for name, module in network.named_modules()}
    order = [names[conv] for conv in paddle._in_order(network)]
    block = ["depthwise", "squeeze.reduce", "squeeze.expand", "expand", "project"]
    assert order[:5] == [f"backbone.stem.conv{i}" for i in range(1, 6)]
    assert order[5:10] == [f"backbone.layer1.0.{part}" for part in block]
    lateral, smooth = ["point.conv", *block[1:3]], ["depthwise", "point.conv", *block[1:3]]
    neck = [f"neck.lateral_convs.{i}.{part}" for i in (3, 2, 1, 0) for part in lateral]
    neck += [f"neck.smooth_convs.{i}.{part}" for i in (3, 2, 1, 0) for part in smooth]
    assert order[-31:] == [*neck, *(f"det_head.binarize.{i}" for i in (0, 3, 6))]


def published_form(network: Any, in_order: list[Any]) -> list[tuple[Tensor, Tensor | None]]:
    """Kernel and bias of each layer as PaddleOCR has them: of BGR, levels from c5, steeper gates, no normalisation."""
    head, gates = network.det_head.binarize, [m.expand for m in network.neck.modules() if isinstance(m, SqueezeExcite)]
    layers = []
    for conv in in_order:
        kernel, bias = conv.weight.detach().clone(), conv.bias
        if conv is network.backbone.stem.conv1:
            kernel = kernel.flip(1)
        if conv in gates:
            kernel, bias = kernel / 1.2, bias / 1.2
        if conv is head[0]:
            kernel, bias = torch.cat(kernel.chunk(4, 1)[::-1], 1), head[1].bias
        layers.append((kernel, None if bias is None else bias.detach()))
    return layers


def write_onnx(path: Path, layers: list[tuple[Tensor, Tensor | None]], head: int) -> None:
    """A file with these layers: biases are added apart, those of the transposed convolutions behind an Identity."""
    nodes, stored = [], []
    for i, (kernel, bias) in enumerate(layers):
        stored.append(numpy_helper.from_array(kernel.numpy(), f"w{i}"))
        kind, out = ("Conv" if i <= head else "ConvTranspose"), f"y{i}"
        nodes.append(helper.make_node(kind, [f"x{i}", f"w{i}"], [out]))
        if i > head:
            nodes.append(helper.make_node("Identity", [out], [out := f"same{i}"]))
        if bias is not None:
            stored.append(numpy_helper.from_array(bias.numpy().reshape(1, -1, 1, 1), f"b{i}"))
            nodes.append(helper.make_node("Add", [out, f"b{i}"], [f"z{i}"]))
    value = helper.make_tensor_value_info("x0", TensorProto.FLOAT, [1])
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [value], [], stored)), str(path))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ONNX file of random layers; what answers the same stands beside it."""
    monkeypatch.setenv("DIFFBIN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    torch.manual_seed(1)
    network: Any = DBNet(RECIPE.model).eval()
    for norm in (network.det_head.binarize[1], network.det_head.binarize[4]):
        norm.running_var.fill_(1 - norm.eps)  # does nothing but to add its bias
    nn.init.uniform_(network.det_head.binarize[1].bias, -1, 1)
    network.backbone.stem.conv5.weight.data[3] = 1e-40  # as many of the published ones
    write_weights(tmp_path / "same.safetensors", RECIPE, network.state_dict(), halve=False)
    layers = published_form(network, list(paddle._in_order(network)))
    write_onnx(tmp_path / "det.onnx", layers, head=len(layers) - 3)
    return tmp_path / "det.onnx"


def test_a_published_file_is_installed_and_answers_as_before_also_in_training(file: Path) -> None:
    installed = install.import_file(file, recipe="ppocrv6_small", name="mine")
    picture = load(ROOT / "examples" / "img_925.jpg")
    expected = Detector(file.with_name("same.safetensors")).prob(picture)
    assert np.ptp(expected) > 0.01
    for model in (installed, installed.with_suffix(".safetensors")):
        np.testing.assert_allclose(Detector(model).prob(picture), expected, rtol=0, atol=1e-4)
    recipe, weights = read_weights(zoo.weights_of("mine"))
    assert not weights["backbone.stem.conv5.weight"][3].any()
    network: Any = build(recipe, weights, source="mine")
    with torch.no_grad():
        features = network.neck(network.backbone(torch.rand(2, 3, 320, 320)))
        still, moving = (network.train(mode).det_head.prob_logits(features) for mode in (False, True))
    assert (still - moving).abs().mean() < still.std()


def test_other_files_are_refused(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = file.read_bytes()
    with pytest.raises(ModelError, match=r"img\.onnx cannot be read as an ONNX file"):
        install.import_file(tmp_path / "img.onnx", recipe="ppocrv6_small")
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"det\.onnx cannot be read as an ONNX file"):
        install.import_file(file, recipe="ppocrv6_small")
    with pytest.raises(ModelError, match="does not have the layers of PP-OCRv6's small detector"):
        install.import_file(zoo.MODELS["diffbin-words-fp32"], recipe="ppocrv6_small")
    with pytest.raises(ModelError, match="does not have the layers"):
        install.import_file(zoo.MODELS["diffbin-words-fp32"], recipe="diffbin_words", name="w")
    graph = onnx.load_from_string(content)
    del graph.graph.node[1]  # the sum with the first bias
    onnx.save(graph, str(file))
    with pytest.raises(ModelError, match="does not have the layers"):
        install.import_file(file, recipe="ppocrv6_small")
    monkeypatch.setattr(paddle, "MAX_BYTES", 100)
    with pytest.raises(ModelError, match="of up to 100 are read"):
        install.import_file(file, recipe="ppocrv6_small")
    published = tmp_path / "PP-OCRv6_det_small.onnx"
    published.write_bytes(content)
    with pytest.raises(ModelError, match=r"damaged or not what its name says: its SHA-256 .* not 090f04ab"):
        install.import_file(published)

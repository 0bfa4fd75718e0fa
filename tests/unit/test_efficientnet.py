"""The light backbone: its depthwise convolution, and the names that others give its parts."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from diffbin.config import Model, Recipe
from diffbin.errors import ModelError
from diffbin.model import checkpoints, official
from diffbin.model.dbnet import DBNet
from diffbin.model.depthwise import DepthwiseConv2d
from diffbin.model.efficientnet import LAYERS, EfficientNetLite0
from diffbin.model.efficientnet_names import PYTORCH, PYTORCH_FIRST, TIMM, TIMM_FIRST

ROOT = Path(__file__).parents[2]
RECIPE = Recipe(name="light", model=Model(backbone="efficientnet_lite0", lateral_channels=16, smooth_channels=8))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("size", "bias"), [((12, 16), False), ((13, 9), True)])
def test_gradients_are_those_of_pytorch(kernel: int, stride: int, size: tuple[int, int], bias: bool) -> None:
    ours = DepthwiseConv2d(4, kernel, stride, bias=bias).double()
    theirs = nn.Conv2d(4, 4, kernel, stride, kernel // 2, groups=4, bias=bias).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    answers = []
    for conv in (ours, theirs):
        y = conv(x)
        grad = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
        answers.append((y, *torch.autograd.grad(y, (x, *conv.parameters()), grad)))
    for own, other in zip(*answers, strict=True):
        torch.testing.assert_close(own, other)


@pytest.mark.parametrize("kernel", [3, 5])
def test_gradients_in_bfloat16_are_near(kernel: int) -> None:
    conv = DepthwiseConv2d(8, kernel, 2)
    x = torch.randn(2, 8, 32, 32, requires_grad=True)

    def gradients(*, precise: bool) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
            y = conv(x if precise else x.bfloat16())
        return torch.autograd.grad(y.float().square().mean(), (x, conv.weight))

    for rough, exact in zip(gradients(precise=False), gradients(precise=True), strict=True):
        assert (rough - exact).abs().max() < 0.02 * exact.abs().max()


@pytest.mark.parametrize(
    ("network", "c5"),
    [(EfficientNetLite0(), 320), (EfficientNetLite0(fused=True), 320), (EfficientNetLite0(slim=True), 32)],
)
def test_features_have_the_strides_of_a_pyramid(network: EfficientNetLite0, c5: int) -> None:
    features = network.eval()(torch.zeros(1, 3, 64, 96))
    assert [tuple(f.shape[1:]) for f in features] == [(24, 16, 24), (40, 8, 12), (112, 4, 6), (c5, 2, 3)]
    assert network.channels == tuple(f.shape[1] for f in features)


def _foreign(layout: str) -> dict[str, Tensor]:
    """A backbone's weights, each full of a number of its own, in the names of `layout`; with a classifier."""
    weights = {name: torch.full_like(w, i) for i, (name, w) in enumerate(EfficientNetLite0().state_dict().items())}
    timm = layout == "timm"
    first, inner = (TIMM_FIRST, TIMM) if timm else (PYTORCH_FIRST, PYTORCH)
    places = {"first": (0, 0, 0)}  # of each block: counted through; stage and block, as timm counts
    for i, layer in enumerate(LAYERS, start=1):
        j = 0
        for blocks in layer:
            stage = max(s for _, s, _ in places.values()) + 1
            for k in range(blocks.depth):
                places[f"layer{i}.{j}"] = (len(places), stage, k)
                j += 1
    renamed = {}
    for name, weight in weights.items():
        block = next((b for b in places if name.startswith(f"{b}.")), None)
        if block is None:
            start = {"conv1": "conv_stem", "bn1": "bn1"} if timm else {"conv1": "_conv_stem", "bn1": "_bn0"}
            part, rest = name.split(".", 1)
            renamed[f"{start[part]}.{rest}"] = weight
            continue
        layer_name, value = name.removeprefix(f"{block}.").split(".")
        theirs = {ours: name for name, ours in (first if block == "first" else inner).items()}.get(
            layer_name, layer_name
        )
        number, stage, k = places[block]
        renamed[f"blocks.{stage}.{k}.{theirs}.{value}" if timm else f"_blocks.{number}.{theirs}.{value}"] = weight
    head = ("conv_head", "bn2", "classifier") if timm else ("_conv_head", "_bn1", "_fc")
    return renamed | {f"{name}.weight": torch.zeros(1) for name in head}


@pytest.mark.parametrize("layout", ["timm", "EfficientNet-PyTorch"])
def test_weights_of_others_find_their_places(layout: str) -> None:
    own = EfficientNetLite0().state_dict()
    read = official.backbone(_foreign(layout), RECIPE)
    assert set(read) == {f"backbone.{name}" for name in own}
    for i, (name, weight) in enumerate(own.items()):
        assert torch.equal(read[f"backbone.{name}"], torch.full_like(weight, i)), name


def test_a_larger_efficientnet_does_not_fit_and_is_told() -> None:
    larger = {"_blocks.20._expand_conv.weight": torch.zeros(1), "_blocks.3._se_reduce.bias": torch.zeros(1)}
    read = official.backbone({**_foreign("EfficientNet-PyTorch"), **larger}, RECIPE)
    with pytest.raises(ModelError, match="unexpected"):
        checkpoints.load_into(DBNet(RECIPE.model), read, source="b0.pth", part="backbone.")


def test_the_fused_block_has_no_place_in_weights_of_others() -> None:
    recipe = replace(RECIPE, model=replace(RECIPE.model, backbone="efficientnet_lite0_fused"))
    read = official.backbone(_foreign("timm"), recipe)
    with pytest.raises(ModelError, match=r"layer1\.0\.depthwise"):
        checkpoints.load_into(DBNet(recipe.model), read, source="lite0.pth", part="backbone.")


@pytest.mark.slow
def test_the_fused_block_learns_what_the_other_answers(tmp_path: Path) -> None:
    model, out = tmp_path / "model.safetensors", tmp_path / "fused.safetensors"
    torch.manual_seed(0)
    network = DBNet(RECIPE.model)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    network.backbone(torch.randn(4, 3, 64, 64))  # which sets their statistics
    checkpoints.write_weights(model, RECIPE, network.state_dict())
    program, pictures = ROOT / "examples" / "fuse_block.py", ROOT / "examples"
    line = [sys.executable, str(program), str(model), str(pictures), str(out), "100"]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    told = re.search(r"explains (-?[\d.]+)%", done.stdout)
    assert told and float(told[1]) > 40, done.stdout
    recipe, weights = checkpoints.read_weights(out)
    assert recipe.model.backbone == "efficientnet_lite0_fused"
    checkpoints.build(recipe, weights, source=str(out))

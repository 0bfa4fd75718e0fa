"""Checkpoints of others: their layouts, what a training run leaves in them, and what is refused."""

import os
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conftest import SMALL, small_recipe
from diffbin.config import Model, Recipe
from diffbin.errors import ConfigError, ModelError
from diffbin.model import checkpoints, official
from diffbin.model.dbnet import DBNet
from diffbin.train.start import read_start


@pytest.fixture
def network() -> DBNet:
    torch.manual_seed(0)
    network = DBNet(SMALL).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return network


class Hostile:
    """What an attacker would put into a pickle."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch owned",)


def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "meta": Hostile()}, tmp_path / "bad.pth")
    with pytest.raises(ModelError, match=r"bad\.pth asks for (posix|nt)\.system when it is read.*not loaded"):
        official.read(tmp_path / "bad.pth")
    assert not (tmp_path / "owned").exists()


def test_getattr_reaches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one dangerous name that a training run leaves there is answered by an idle stand-in."""
    monkeypatch.chdir(tmp_path)

    class Reach:
        def __reduce__(self) -> tuple[object, tuple[object, str]]:
            return getattr, (np.ndarray, "tofile")

    torch.save({"meta": Reach(), "state_dict": {"a": torch.zeros(1)}}, tmp_path / "a.pth")
    assert list(official.read(tmp_path / "a.pth")) == ["a"]


def test_what_a_training_run_leaves_is_passed_over(
    tmp_path: Path, network: DBNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("mmengine.logging.history_buffer")
    program = (
        "class HistoryBuffer:\n"
        "    def __init__(self): self._log_history, self.count = np.array([1.0, 2.0]), np.float64(3)\n"
        "    def min(self): return 0\n"
    )
    module.__dict__["np"] = np
    exec(program, module.__dict__)
    for name in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "mmengine.logging.history_buffer", module)
    buffer = module.HistoryBuffer()
    buffer.methods = {"min": module.HistoryBuffer.min}
    hub = {"log_scalars": OrderedDict(loss=buffer), "runtime_info": OrderedDict(epoch=np.int64(3)), "resumed_keys": {}}
    content = {
        "meta": {"epoch": 3, "cfg": "model = dict()", "seed": 1},
        "state_dict": OrderedDict((f"module.{k}", v) for k, v in network.state_dict().items()),
        "message_hub": hub,
        "optimizer": {"state": {}, "param_groups": []},
        "param_schedulers": [{"base_values": [0.007]}],
    }
    torch.save(content, tmp_path / "epoch_3.pth")
    for name in ("mmengine", "mmengine.logging", "mmengine.logging.history_buffer"):
        monkeypatch.delitem(sys.modules, name)
    weights = official.read(tmp_path / "epoch_3.pth")
    assert all(torch.equal(weights[name], w) for name, w in network.state_dict().items())
    native, recipe = official.to_native(weights, small_recipe(tmp_path))
    assert recipe == small_recipe(tmp_path)
    checkpoints.build(recipe, native, source="epoch_3.pth")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 nor this"])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(ModelError, match="not a PyTorch checkpoint, or it is damaged"):
        official.read(tmp_path / "a.pth")


@pytest.mark.parametrize("numbers", [600_000_000, 1 << 45])
def test_a_small_file_of_endless_weights_is_refused(tmp_path: Path, numbers: int) -> None:
    path = tmp_path / "a.pth"
    torch.save({"state_dict": {"a": torch.zeros(1, dtype=torch.float16).expand(numbers)}}, path)
    with pytest.raises(ModelError, match=rf"a\.pth has weights of {4 * numbers} bytes"):
        official.read(path)


def test_a_packed_file_is_measured_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "MAX_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data/0", bytes(2 << 20))
    with pytest.raises(ModelError, match=r"a\.pth holds 2097152 bytes when unpacked"):
        official.read(tmp_path / "a.pth")


def test_missing_files_and_files_without_weights(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "a.pth")
    with pytest.raises(ModelError, match="holds no weights"):
        official.read(tmp_path / "a.pth")
    with pytest.raises(ModelError, match="There is no checkpoint"):
        official.read(tmp_path / "b.pth")


def test_loading_lists_what_is_missing_unexpected_and_of_another_shape(tmp_path: Path, network: DBNet) -> None:
    weights = network.state_dict()
    weights["backbone.layer9.weight"] = torch.zeros(3, 4)
    del weights["backbone.layer1.0.conv1.weight"]
    weights["neck.lateral_convs.0.conv.weight"] = torch.zeros(2, 2)
    with pytest.raises(ModelError) as error:
        checkpoints.build(small_recipe(tmp_path), weights, source="a.pth")
    for part in (
        "missing: backbone.layer1.0.conv1.weight (32, 32, 3, 3)",
        "unexpected: backbone.layer9.weight (3, 4)",
        "of another shape: neck.lateral_convs.0.conv.weight (2, 2) instead of (16, 32, 1, 1)",
    ):
        assert part in str(error.value)


def paper_layout(network: DBNet) -> dict[str, torch.Tensor]:
    """The names of the paper's repository for a network's weights as they are, and what it has besides."""
    weights = {
        "model.module.backbone.fc.weight": torch.zeros(10, 10),
        "model.module.backbone.smooth.bias": torch.zeros(1),
    }
    for name, w in network.state_dict().items():
        level = next((i for i in range(4) if f"_convs.{i}." in name), 0) + 2
        if name.startswith("neck.lateral"):
            paper = f"decoder.in{level}.weight"
        elif name.startswith("neck.smooth"):
            paper = f"decoder.out{level}.weight" if level == 2 else f"decoder.out{level}.0.weight"
        else:
            paper = name.replace("det_head.binarize", "decoder.binarize").replace(
                "det_head.threshold", "decoder.thresh"
            )
            paper = paper.replace(".conv2.conv_offset.", ".conv2_offset.")
        if not paper.endswith("num_batches_tracked"):
            weights[f"model.module.{paper}"] = w
    return weights


@pytest.mark.parametrize("backbone", ["resnet18", "resnet18_dcnv2"])
@torch.no_grad()
def test_the_paper_s_layout_answers_as_its_own_network_does(tmp_path: Path, backbone: str) -> None:
    """That network sees BGR less its mean by 255, and joins the levels from c5 to c2."""
    torch.manual_seed(0)
    recipe = Recipe(name="r", model=Model(backbone=backbone, lateral_channels=16, smooth_channels=8))
    paper = DBNet(recipe.model).eval()
    torch.save(paper_layout(paper), tmp_path / "paper.pth")
    weights, ours = official.to_native(official.read(tmp_path / "paper.pth"), recipe)
    network = checkpoints.build(ours, weights, source="paper.pth")
    picture = torch.randint(0, 256, (1, 3, 64, 96)).float()  # RGB
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (ours.preprocess.mean_rgb, ours.preprocess.std_rgb))
    bgr = (picture.flip(1) - torch.tensor([122.67891434, 116.66876762, 104.00698793]).view(1, 3, 1, 1)) / 255
    levels = paper.neck(paper.backbone(bgr)).chunk(4, dim=1)
    logits = paper.det_head.prob_logits(torch.cat(levels[::-1], dim=1))
    torch.testing.assert_close(network.prob((picture - mean) / std), F.sigmoid(logits), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "backbone",
    [
        pytest.param("resnet18", marks=pytest.mark.slow),
        "resnet18_dcnv2",
        pytest.param("resnet50_oclip", marks=pytest.mark.slow),
    ],
)
def test_training_starts_from_a_backbone_alone(tmp_path: Path, backbone: str) -> None:
    recipe = Recipe(name="r", model=Model(backbone=backbone, lateral_channels=16, smooth_channels=8))
    source = DBNet(recipe.model)
    plain = {k: v for k, v in source.backbone.state_dict().items() if ".conv_offset." not in k}
    torch.save({**plain, "fc.weight": torch.zeros(1000, 512)}, tmp_path / "backbone.pth")
    start = read_start(recipe, weights=None, backbone=tmp_path / "backbone.pth")
    assert start and start.part == "backbone."
    network = DBNet(recipe.model)
    checkpoints.load_into(network, start.weights, source=start.source, part=start.part)
    assert all(torch.equal(v, source.backbone.state_dict()[k]) for k, v in network.backbone.state_dict().items())
    with pytest.raises(ModelError, match="missing"):
        checkpoints.load_into(network, dict(list(start.weights.items())[3:]), source="cut", part="backbone.")
    with pytest.raises(ConfigError, match="one of them"):
        read_start(recipe, weights="a", backbone=tmp_path)


def test_training_starts_from_an_official_detector(tmp_path: Path, network: DBNet) -> None:
    torch.save({"state_dict": network.state_dict()}, tmp_path / "whole.pth")
    start = read_start(small_recipe(tmp_path), weights=str(tmp_path / "whole.pth"), backbone=None)
    assert start and not start.part
    checkpoints.load_into(DBNet(SMALL), start.weights, source=start.source)

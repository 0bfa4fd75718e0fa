"""Export: sizes are free, settings travel, and what differs is not written."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from conftest import SMALL, small_recipe
from diffbin import export as export_module
from diffbin import zoo
from diffbin.cli import app
from diffbin.config import Model, Recipe
from diffbin.engines.onnx import OnnxEngine
from diffbin.errors import DiffbinError, ModelError
from diffbin.export import export
from diffbin.model.checkpoints import write_weights
from diffbin.model.dbnet import DBNet
from diffbin.model.deform import DeformConv2d


def test_settings_and_card_travel_and_sizes_are_free(model_file: Path) -> None:
    engine = OnnxEngine(model_file)
    assert engine.recipe.name == "small" and engine.card == {"summary": "random weights"}
    for n, height, width in ((1, 32, 32), (3, 64, 160), (1, 224, 96)):
        prob = engine.run(np.zeros((n, 3, height, width), np.float32))
        assert prob.shape == (n, 1, height, width) and prob.min() >= 0 and prob.max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["resnet18_dcnv2", "resnet50_oclip"])
def test_other_operators_answer_alike(tmp_path: Path, backbone: str) -> None:
    torch.manual_seed(0)
    config = Model(backbone=backbone, lateral_channels=16, smooth_channels=8, scale_fusion=True)
    network = DBNet(config)
    for module in network.modules():
        if isinstance(module, DeformConv2d):
            torch.nn.init.normal_(module.conv_offset.bias, std=3)  # type: ignore[arg-type]  # it has one
    write_weights(tmp_path / "w.safetensors", Recipe(name="other", model=config), network.state_dict())
    assert export(tmp_path / "w.safetensors", tmp_path / "m.onnx", card={}) < 1e-5
    operators = {node.op_type for node in onnx.load(str(tmp_path / "m.onnx")).graph.node}
    assert ("DeformConv" in operators) == backbone.endswith("dcnv2") and "ATen" not in operators


def test_what_is_not_exported_is_one_sentence(model_file: Path, tmp_path: Path) -> None:
    write_weights(tmp_path / "w.safetensors", small_recipe(tmp_path), DBNet(SMALL).state_dict())
    for source, more, said in (
        (model_file, ("--out", "m.onnx"), r"is exported already; .* diffbin tune"),
        (tmp_path / "w.safetensors", ("--out", "m.txt"), r"m\.txt must have a name that ends in \.onnx"),
        (tmp_path / "w.safetensors", ("--out", "m.onnx", "--weights", "w.pt"), r"ends in \.safetensors"),
        (tmp_path / "w.safetensors", ("--out", "m.onnx", "--calibrate", "a.d"), "are for --int8, which is not given"),
    ):
        options = [tmp_path / word if "." in word else word for word in more]
        with pytest.raises(DiffbinError, match=said):
            app(["export", *map(str, (source, *options))], standalone_mode=False)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.slow
def test_an_embedded_model_and_a_run_from_one_keep_their_card(tmp_path: Path) -> None:
    card = OnnxEngine(zoo.MODELS["diffbin-words-fp32"]).card

    def exported(source: object, *options: str) -> dict[str, str]:
        out = tmp_path / "run" / "model.onnx"
        app(["export", str(source), "--out", str(out), *options], standalone_mode=False)
        return OnnxEngine(out).card

    (tmp_path / "run").mkdir()
    assert exported("diffbin-words-fp32") == card and card["trained on"]
    small = OnnxEngine(zoo.MODELS["diffbin-words"]).card
    assert "int8" in small and exported("diffbin-words") == {n: text for n, text in small.items() if n != "int8"}
    weights = tmp_path / "run" / "model.safetensors"
    weights.write_bytes(zoo.WEIGHTS["diffbin-words-fp32"].read_bytes())
    assert exported(weights) == card
    told = exported("diffbin-words-fp32", "--set", "decode.unclip_ratio=1.8")
    assert told["validation at former settings"] == card["validation"] and "validation" not in told
    (tmp_path / "card.json").write_text('{"summary": "caf\\udce9"}')
    assert exported(weights, "--card", str(tmp_path / "card.json")) == {"summary": "caf\udce9"}
    assert zoo.card_of(str(tmp_path / "w.safetensors")) == {}


def test_a_model_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_weights(tmp_path / "w.safetensors", small_recipe(tmp_path), DBNet(SMALL).state_dict())
    monkeypatch.setattr(export_module, "largest_differences", lambda *_: (0.01, 0.001))
    with pytest.raises(ModelError, match="not written"):
        export(tmp_path / "w.safetensors", tmp_path / "m.onnx", card={})
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_the_sides_of_map_and_input_have_names_of_their_own(model_file: Path) -> None:
    graph = onnx.load(model_file).graph
    names = [[side.dim_param for side in value.type.tensor_type.shape.dim] for value in (*graph.input, *graph.output)]
    assert names == [["n", "", "h", "w"], ["n", "", "map_h", "map_w"]]  # the map may be half as large

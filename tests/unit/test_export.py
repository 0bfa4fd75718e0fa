"""Export: sizes are free, settings travel, and what differs is not written."""

from pathlib import Path

import numpy as np
import pytest

from conftest import SMALL, small_recipe
from diffbin import export as export_module
from diffbin.engines.onnx import OnnxEngine
from diffbin.errors import ModelError
from diffbin.export import export
from diffbin.model.checkpoints import write_weights
from diffbin.model.dbnet import DBNet


def test_settings_and_card_travel_and_sizes_are_free(model_file: Path) -> None:
    engine = OnnxEngine(model_file)
    assert engine.recipe.name == "small" and engine.card == {"summary": "random weights"}
    for n, height, width in ((1, 32, 32), (3, 64, 160), (1, 224, 96)):
        prob = engine.run(np.zeros((n, 3, height, width), np.float32))
        assert prob.shape == (n, 1, height, width) and prob.min() >= 0 and prob.max() <= 1


def test_a_model_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_weights(tmp_path / "w.safetensors", small_recipe(tmp_path), DBNet(SMALL).state_dict())
    monkeypatch.setattr(export_module, "largest_difference", lambda *_: 0.01)
    with pytest.raises(ModelError, match="not written"):
        export(tmp_path / "w.safetensors", tmp_path / "m.onnx", card={})
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]

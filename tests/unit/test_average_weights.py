"""The mean of two trainings, `examples/average_weights.py`."""

import runpy
from pathlib import Path

import pytest
import torch

from diffbin import zoo
from diffbin.model.checkpoints import read_weights, write_weights

MAIN = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "average_weights.py"))["main"]


def test_the_mean_lies_where_it_is_asked_for(tmp_path: Path) -> None:
    first, second, out = zoo.WEIGHTS["diffbin-words"], tmp_path / "second.safetensors", tmp_path / "mean.safetensors"
    recipe, weights = read_weights(first)
    write_weights(second, recipe, {name: weight + 4 for name, weight in weights.items()}, halve=False)

    MAIN(str(first), str(second), "0.25", str(out))

    stored, mean = read_weights(out)
    assert stored == recipe and mean.keys() == weights.keys()
    for name, weight in weights.items():
        step = 1.0 if weight.is_floating_point() else 4  # a count is that of the second
        assert torch.allclose(mean[name].double(), weight.double() + step, atol=1e-5), name


def test_weights_of_two_networks_have_no_mean(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="not of one network"):
        MAIN(
            str(zoo.WEIGHTS["diffbin-words"]), str(zoo.WEIGHTS["diffbin-lines"]), "0.5", str(tmp_path / "x.safetensors")
        )
    assert not any(tmp_path.iterdir())

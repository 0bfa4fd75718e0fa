"""Deformable convolution against the reference's operator: offsets, masks, output, and every gradient."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diffbin.model.deform import DeformConv2d

DATA = Path(__file__).parent / "data" / "dcn_v2.npz"


@pytest.mark.parametrize("stride", [1, 2])
def test_values_and_gradients_agree(stride: int) -> None:
    with np.load(DATA) as stored:
        case = {key: torch.from_numpy(stored[f"s{stride}/{key}"]) for key in
                ("x", "weight", "ow", "ob", "y", "g", "offset", "mask", "gx", "gw", "gow", "gob")}  # fmt: skip
    layer = DeformConv2d(6, 5, stride)
    weights = {"weight": case["weight"], "conv_offset.weight": case["ow"], "conv_offset.bias": case["ob"]}
    layer.load_state_dict(weights)
    x = case["x"].requires_grad_()
    moves = layer.conv_offset(x)
    torch.testing.assert_close(moves[:, :18], case["offset"], rtol=0, atol=1e-5)
    torch.testing.assert_close(moves[:, 18:].sigmoid(), case["mask"], rtol=0, atol=1e-5)
    y = layer(x)
    torch.testing.assert_close(y, case["y"], rtol=1e-5, atol=1e-5)
    y.backward(case["g"])
    pairs = ((x, "gx"), (layer.weight, "gw"), (layer.conv_offset.weight, "gow"), (layer.conv_offset.bias, "gob"))
    for tensor, key in pairs:
        assert tensor is not None and tensor.grad is not None
        torch.testing.assert_close(tensor.grad, case[key], rtol=1e-5, atol=1e-5 * float(case[key].abs().max()))

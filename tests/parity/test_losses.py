"""Loss values against the reference's, on its predictions and targets."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from diffbin.config import Loss
from diffbin.model.dbnet import TrainMaps
from diffbin.train.losses import DBLoss, TargetBatch

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "loss_values.json").read_text())


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_values_and_gradients_agree(name: str) -> None:
    predictions, targets = np.load(DATA / "loss_predictions.npz"), np.load(DATA / "targets.npz")

    def prediction(key: str) -> torch.Tensor:
        return torch.from_numpy(predictions[f"{name}/{key}"])[:, None].requires_grad_()

    def label(key: str) -> torch.Tensor:
        return torch.from_numpy(targets[f"{name}/{key}"].astype(np.float32))[None]

    maps = TrainMaps(prediction("prob_logits"), prediction("thr"), prediction("binary"))
    labels = (label("gt_shrinks"), label("gt_shrink_masks"), label("gt_thrs"), label("gt_thr_masks"))
    parts = DBLoss(Loss())(maps, TargetBatch(*labels))
    losses = EXPECTED[name]["losses"]
    assert parts.prob.item() == pytest.approx(losses["loss_prob"], rel=1e-4, abs=1e-6)
    assert parts.threshold.item() == pytest.approx(losses["loss_thr"], rel=1e-4, abs=1e-6)
    assert parts.binary.item() == pytest.approx(losses["loss_db"], rel=1e-4, abs=1e-6)
    parts.total.backward()
    for key, tensor in zip(("prob_logits", "thr", "binary"), maps, strict=True):
        assert tensor.grad is not None
        wanted = EXPECTED[name]["grad_abs_sum"][key]
        assert float(tensor.grad.abs().sum()) == pytest.approx(wanted, rel=1e-4, abs=1e-6)

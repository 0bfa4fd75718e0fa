"""The network's maps against the reference's, on the reference's weights. The data's origin: docs/parity.md."""

import json
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from diffbin.config import Model, Preprocess
from diffbin.model.dbnet import DBNet

DATA = Path(__file__).parent / "data"
MODELS = {
    "dbnet_resnet18_fpnc_1200e_icdar2015": (Model(), 12_340_930),
    "dbnet_resnet50_1200e_icdar2015": (Model(backbone="resnet50"), 25_409_730),
    "dbnet_resnet50-dcnv2_fpnc_1200e_icdar2015": (Model(backbone="resnet50_dcnv2"), 26_280_993),
    "dbnet_resnet50-oclip_1200e_icdar2015": (Model(backbone="resnet50_oclip"), 25_428_962),
    "dbnetpp_resnet50_fpnc_1200e_icdar2015": (Model(backbone="resnet50", scale_fusion=True), 26_033_612),
    "dbnetpp_resnet50-dcnv2_fpnc_1200e_icdar2015": (Model(backbone="resnet50_dcnv2", scale_fusion=True), 26_904_875),
    "dbnetpp_resnet50-oclip_fpnc_1200e_icdar2015": (Model(backbone="resnet50_oclip", scale_fusion=True), 26_052_844),
}

QUICK = {  # each kind of neck once; all are run by `make test`
    "dbnet_resnet18_fpnc_1200e_icdar2015",
    "dbnetpp_resnet50-dcnv2_fpnc_1200e_icdar2015",
}


def reference_weights(name: str) -> dict[str, torch.Tensor]:
    """Small tensors are stored; large ones come from a random stream keyed by their name."""
    stored = np.load(DATA / f"{name}.npz")
    weights = {}
    for key, shape, _, rebuilt in json.loads((DATA / f"{name}.keys.json").read_text()):
        if rebuilt:
            stream = np.random.RandomState(zlib.crc32(key.encode()) & 0x7FFFFFFF)  # the frozen stream
            values = stream.standard_normal(int(np.prod(shape))).astype(np.float32).reshape(shape)
            gain = 1.0 if "conv_offset" in key else 2**0.5
            weights[key] = torch.from_numpy(values * np.float32(gain / np.prod(shape[1:]) ** 0.5))
        else:
            weights[key] = torch.from_numpy(np.array(stored[f"param:{key}"]))
    return weights


def network_input(picture_bgr: NDArray[np.uint8]) -> torch.Tensor:
    """Normalised, then padded with zeros to multiples of 32."""
    config = Preprocess()
    x = (picture_bgr[..., ::-1] - np.array(config.mean_rgb, np.float32)) / np.array(config.std_rgb, np.float32)
    h, w = (-(-side // 32) * 32 for side in x.shape[:2])
    padded = np.zeros((1, 3, h, w), np.float32)
    padded[0, :, : x.shape[0], : x.shape[1]] = x.transpose(2, 0, 1)
    return torch.from_numpy(padded)


def answers(network: DBNet, batch: torch.Tensor) -> dict[str, NDArray[np.floating]]:
    """What the reference printed: the three maps, and the channel means of every stage."""
    features = network.backbone(batch)
    stages = dict(zip(("c2", "c3", "c4", "c5"), features, strict=True), neck=network.neck(features))
    maps = network(batch)
    found = {f"{stage}_mean": value.mean((2, 3)) for stage, value in stages.items()}
    found |= {"prob": network.prob(batch), "thr": maps.threshold, "binary": maps.binary}
    torch.testing.assert_close(maps.prob_logits.sigmoid(), found["prob"])
    return {key: value.squeeze().numpy() for key, value in found.items()}


@cache
def sums_as_the_reference() -> bool:
    """Whether this CPU adds in the order of the reference's, as most with AVX-512: then the last stage of the
    plainest network is the same to the last bit."""
    name = "dbnet_resnet18_fpnc_1200e_icdar2015"
    network, stored = DBNet(MODELS[name][0]).eval(), np.load(DATA / f"{name}.npz")
    network.load_state_dict(reference_weights(name))
    found = network.backbone(network_input(stored["in:image_bgr_u8"]))[-1].mean((2, 3))
    return np.array_equal(found.squeeze().numpy(), stored["out:c5_mean"].squeeze())


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """The order of sums depends on the number of threads; the reference's answers are met with two."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in MODELS])
@torch.no_grad()
def test_layout_and_maps_are_the_reference_s(name: str) -> None:
    config, parameters = MODELS[name]
    network = DBNet(config).eval()
    expected = {key: tuple(shape) for key, shape, *_ in json.loads((DATA / f"{name}.keys.json").read_text())}
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == expected
    assert sum(p.numel() for p in network.parameters()) == parameters
    network.load_state_dict(reference_weights(name))
    stored = np.load(DATA / f"{name}.npz")
    batch = network_input(stored["in:image_bgr_u8"])
    found, exact = answers(network, batch), answers(network.double(), batch.double())
    for key, answer in found.items():
        # Other CPUs sum in another order, and these random weights magnify lost bits: there, the answers may differ by
        # what rounding explains.
        rounding = 0.0 if sums_as_the_reference() else 4 * float(np.abs(answer - exact[key]).max())
        limit = max(1e-4, rounding)
        np.testing.assert_allclose(answer, stored[f"out:{key}"].squeeze(), rtol=0, atol=limit, err_msg=key)

"""Every published network from the server to the detector: the official layout with the reference's weights, fetched,
imported, exported, and its answer through ONNX Runtime against the reference's."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_model import DATA, MODELS, network_input, reference_weights

from diffbin import Detector, recipes
from diffbin.engines.torch import folded
from diffbin.model.dbnet import DBNet
from diffbin.model.prob_path import ProbPath
from diffbin.published import Published
from diffbin.zoo import install

pytestmark = pytest.mark.slow


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def official_weights(name: str) -> OrderedDict[str, torch.Tensor]:
    """The reference's, random ones, with calm offsets: its own are so wild that one lost bit changes the map wholly."""
    weights = reference_weights(name)
    return OrderedDict((key, w / 100 if ".conv_offset." in key else w) for key, w in weights.items())


@torch.no_grad()
def expected(name: str, batch: torch.Tensor) -> tuple[NDArray[np.float32], float]:
    """P by PyTorch, and how much it changes when sums are taken in another order: random weights magnify rounding."""
    network = DBNet(recipes.load(name).model).eval()
    network.load_state_dict(official_weights(name))
    prob: NDArray[np.float32] = network.prob(batch).numpy()
    return prob, float(np.abs(folded(ProbPath(network))(batch).numpy() - prob).max())


@pytest.mark.parametrize("name", MODELS)
def test_from_the_server_to_the_detector(
    name: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFFBIN_CACHE", str(tmp_path / "cache"))
    content = {"meta": {"mmocr_version": "1.0.0"}, "state_dict": official_weights(name)}
    torch.save(content, tmp_path / "official.pth")
    digest = hashlib.sha256((tmp_path / "official.pth").read_bytes()).hexdigest()[:8]
    (tmp_path / "official.pth").rename(tmp_path / f"{name}-{digest}.pth")
    row = Published(source="MMOCR 1.0", weights=f"{name}-{digest}.pth")
    monkeypatch.setattr(recipes, "published", lambda asked: row if asked == name else None)
    install.get(name, base=address)  # refuses where PyTorch and ONNX Runtime differ on any of three sizes
    engine = Detector(name).engine
    assert engine.recipe == recipes.load(name)
    with np.load(DATA / f"{name}.npz") as stored:
        batch = network_input(stored["in:image_bgr_u8"])
        reference = stored["out:prob"].squeeze()
    answer, rounding = expected(name, batch)
    prob = engine.run(batch.numpy())
    np.testing.assert_allclose(prob, answer, rtol=0, atol=max(1e-4, 4 * rounding))
    if "dcnv2" not in name:  # its stored answer is that of the wild offsets
        np.testing.assert_allclose(prob.squeeze(), reference, rtol=0, atol=max(1e-4, 4 * rounding))

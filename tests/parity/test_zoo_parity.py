"""Every published network from the server to the detector: the official layout with the reference's weights, fetched,
imported, exported, and its answer through ONNX Runtime against the reference's."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from test_model import DATA, MODELS, network_input, reference_weights

from diffbin import Detector, recipes
from diffbin.config import Published
from diffbin.zoo import install

pytestmark = pytest.mark.slow


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("name", MODELS)
def test_from_the_server_to_the_detector(
    name: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFFBIN_CACHE", str(tmp_path / "cache"))
    content = {"meta": {"mmocr_version": "1.0.0"}, "state_dict": OrderedDict(reference_weights(name))}
    torch.save(content, tmp_path / "official.pth")
    digest = hashlib.sha256((tmp_path / "official.pth").read_bytes()).hexdigest()[:8]
    (tmp_path / "official.pth").rename(tmp_path / f"{name}-{digest}.pth")
    row = Published(source="MMOCR 1.0", weights=f"{name}-{digest}.pth")
    monkeypatch.setattr(recipes, "published", lambda asked: row if asked == name else None)
    install.get(name, base=address)  # refuses where PyTorch and ONNX Runtime differ by more than 1e-4 on three sizes
    engine = Detector(name).engine
    assert engine.recipe == recipes.load(name)
    with np.load(DATA / f"{name}.npz") as stored:
        prob = engine.run(network_input(stored["in:image_bgr_u8"]).numpy())
        np.testing.assert_allclose(prob.squeeze(), stored["out:prob"].squeeze(), rtol=0, atol=1e-4)

"""What several tests share."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from diffbin.config import Augment, Data, Decode, Model, Optim, Preprocess, Recipe, Source, Train

SMALL = Model(backbone="resnet18_half", lateral_channels=16, smooth_channels=8)


def small_recipe(root: Path, **train: object) -> Recipe:
    """A recipe that trains a small network on `root` for a few steps of two crops of 64 pixels."""
    source, held_back = (Source(images=images, labels="gt") for images in ("images", "held_back"))
    return Recipe(
        name="small",
        model=SMALL,
        preprocess=Preprocess(long_px=128, short_px=96),
        decode=Decode(min_width_px=2.0),
        augment=Augment(crop_px=64),
        data=Data(root=str(root), train=(source,), validation=(held_back,), batch_size=2, workers=0),
        optim=Optim(name="adamw", lr=1e-3, schedule="cosine", per="step"),
        train=Train(**{"steps": 4, "save_every_steps": 2, "precision": "32", "preflight": False, **train}),  # type: ignore[arg-type]
    )


def page(words: int = 3, size: tuple[int, int] = (96, 128)) -> tuple[NDArray[np.uint8], list[list[int]]]:
    """A white picture with black bars in the place of words, and their quads."""
    picture = np.full((*size, 3), 255, np.uint8)
    quads = []
    for i in range(words):
        x, y = 10, 8 + 28 * i
        cv2.rectangle(picture, (x, y), (x + 90, y + 18), (20, 20, 20), -1)
        quads.append([x, y, x + 90, y, x + 90, y + 18, x, y + 18])
    return picture, quads


class DarkIsText:
    """An engine in no time: P is 1 where the picture is darker than the mean, 0 elsewhere and in the padded strip."""

    precision = "fp32"
    recipe = Recipe(name="dark", preprocess=Preprocess(long_px=128, short_px=96), decode=Decode(min_width_px=2.0))

    def __init__(self) -> None:
        self.card: dict[str, str] = {}

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        return (batch[:, :1] < 0).astype(np.float32)

    def describe(self) -> str:
        """See `Engine.describe`."""
        return "dark is text"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A folder with two labelled pictures, in the layout of ICDAR 2015, and copies of them to hold back."""
    for folder in ("images", "gt"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for i in (1, 2):
        picture, quads = page(i + 1)
        cv2.imwrite(str(tmp_path / "data" / "images" / f"img_{i}.png"), picture)
        lines = [",".join(map(str, quad)) + ",word" for quad in quads]
        (tmp_path / "data" / "gt" / f"gt_img_{i}.txt").write_text("\n".join(lines))
    shutil.copytree(tmp_path / "data" / "images", tmp_path / "data" / "held_back")
    return tmp_path / "data"


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported network with random weights."""
    import torch

    from diffbin.export import export
    from diffbin.model.checkpoints import write_weights
    from diffbin.model.dbnet import DBNet

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    weights = DBNet(SMALL).state_dict()
    weights["det_head.binarize.6.bias"] -= 2  # few regions, not thousands
    write_weights(folder / "w.safetensors", small_recipe(folder), weights)
    export(folder / "w.safetensors", folder / "model.onnx", card={"summary": "random weights"})
    return folder / "model.onnx"


def session(leader: int) -> list[str]:
    """The processes of a session that still run: name, state, parent, group and session, as Linux tells them."""
    states = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            states.append(path.read_text().split()[1:6])
    return [" ".join(state) for state in states if state[4] == str(leader) and state[1] != "Z"]


def wait_for_end(leader: int) -> None:
    """Of all processes of a session; an error after 20 seconds."""
    until = time.monotonic() + 20
    while left := session(leader):
        assert time.monotonic() < until, left
        time.sleep(0.1)

"""A backbone of one's own: the example of the documentation from training to detection, and what goes wrong."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conftest import SMALL, small_recipe
from diffbin import Detector, cli, recipes
from diffbin.config import BUILT_IN, Model, Recipe
from diffbin.engines.torch import TorchEngine
from diffbin.errors import ConfigError, ModelError
from diffbin.export import export
from diffbin.model import backbones, checkpoints, official
from diffbin.model.cost import cost
from diffbin.model.dbnet import DBNet
from diffbin.overrides import override
from diffbin.train.loop import train
from diffbin.train.norm import synchronise_norm

DOCS = Path(__file__).parents[2] / "docs" / "training.md"
QUICK = (
    "data.train.0.part=", "data.validation.0.part=", "data.validation.0.images=held_back", "data.batch_size=2",
    "augment.crop_px=64", "preprocess.short_px=96", "preprocess.long_px=128", "train.eval_every_steps=2",
    "train.save_every_steps=1", "train.precision=32", "train.preflight=false", "train.loggers=",
)  # fmt: skip
UNKNOWN = r"There is no backbone own:tiny here\. .* diffbin --code FILE\.py COMMAND"
ALONE = """if True:
    import sys, diffbin
    detector = diffbin.Detector(sys.argv[1], engine="onnx", threads=1)
    assert detector.engine.recipe.model.backbone == "own:tiny"
    print(len(detector.with_decode(score_threshold=0.0)(sys.argv[2])))
    assert not {"torch", "my_recipe"} & set(sys.modules)
"""


class Plain(nn.Module):
    """The least that answers c2 to c5: a convolution, and its means."""

    def __init__(self, channels: Any = (4, 4, 4, 4)) -> None:
        super().__init__()
        self.channels = channels
        self.head = nn.Conv2d(3, 4, 4, 4)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Any:
        c2 = self.norm(self.head(x).relu())  # not what a convolution and a BatchNorm one after the other say
        return [c2, *(F.avg_pool2d(c2, n) for n in (2, 4, 8))]


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], nn.Module]]:
    """The backbones of the package; what a test adds is gone afterwards."""
    own = {name: make for name, make in backbones.BACKBONES.items() if name in BUILT_IN}
    monkeypatch.setattr(backbones, "BACKBONES", own)
    return own


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The recipe of docs/training.md as a file."""
    code = next(code for code in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL) if "own:" in code)
    (tmp_path / "my_recipe.py").write_text(code)
    return tmp_path / "my_recipe.py"


def own(backbone: str = "own:plain") -> Recipe:
    return Recipe(name="own", model=replace(SMALL, backbone=backbone))


def command(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["diffbin", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stop:
        assert not stop.code


def test_the_example_is_trained_gone_on_with_exported_and_used_where_its_code_is_not(
    example: Path, pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    table: dict[str, Callable[[], nn.Module]],
) -> None:  # fmt: skip
    settings = [f"data.root={pages}", "data.workers=0", *QUICK]
    recipe = override(recipes.load(str(example)), [*settings, "train.steps=2"])
    last = train(recipe, out=tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "broken")
    (tmp_path / "broken" / "checkpoints" / last.name).unlink()
    resumed = checkpoints.load(train(recipe, out=tmp_path / "broken", resume=True)).network
    assert all(torch.equal(w, resumed[name]) for name, w in checkpoints.load(last).network.items())
    picture, model = pages / "images" / "img_1.png", tmp_path / "tiny.onnx"
    assert export(last, model, card={}) < 1e-4
    found = Detector(last).with_decode(score_threshold=0.0)(picture)
    for name in ("own:tiny", "own:wide"):
        del table[name]  # as in a process that has not run the file
    alone = [sys.executable, "-c", ALONE, str(model), str(picture)]
    assert int(subprocess.run(alone, check=True, capture_output=True, cwd=tmp_path).stdout) == len(found)
    for unknown in (lambda: Detector(last), lambda: export(last, model, card={})):
        with pytest.raises(ModelError, match=UNKNOWN):
            unknown()
    command(monkeypatch, "info", model)
    assert re.search(UNKNOWN, capsys.readouterr().err)  # of what it would cost in training; all else is printed
    command(monkeypatch, "--code", example, "detect", picture, "--model", last, "--score", 0)
    assert capsys.readouterr().out.count('"polygon"') == len(found)


@pytest.mark.slow
def test_processes_and_loaders_know_it(example: Path, pages: Path, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "diffbin"]
    settings = (f"data.root={pages}", "data.workers=1", "train.steps=2", *QUICK)
    line = [*torchrun, "train", str(example), *(word for text in settings for word in ("--set", text))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line += ["--out", str(tmp_path / "run")]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert f"diffbin --code {example} export" in done.stdout


def test_names_are_known_or_are_one_s_own(example: Path) -> None:
    assert set(BUILT_IN) == set(backbones.BACKBONES)
    for wrong in (
        lambda: Model(backbone="resnet81"),
        lambda: override(own(), ["model.backbone=tiny"]),
        lambda: Model(backbone=Plain),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError, match=r"model\.backbone is .*; it is own:NAME, or one of .*, resnet18, "):
            wrong()
    recipe = override(recipes.load(str(example)), ["model.backbone=own:tinny"])
    with pytest.raises(ModelError, match=r"no backbone own:tinny here \(did you mean own:tiny\?\)"):
        DBNet(recipe.model)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Plain(None), "has no four `channels`, those of c2 to c5, but None"),
        (lambda: Plain((4, 4, 4)), r"has no four `channels`, .* but \(4, 4, 4\)"),
        (lambda: Plain((4, 4, 4, 8)), r"with .*\(1, 4, 2, 3\)\]; c2 to c5, at .* are .*\(1, 8, 2, 3\)\]"),
        (lambda: nn.Sequential(nn.AvgPool2d(2), Plain()), "has no four `channels`"),
        (type("Late", (Plain,), {"forward": lambda s, x: Plain.forward(s, x[..., ::2, ::2])}), r"\[\(1, 4, 8, 12\), "),
        (type("Named", (Plain,), {"forward": lambda s, x: {"c2": x}}), r"with \['dict'\]; c2 to c5"),
        (lambda: 1 / 0, r"fails .* ZeroDivisionError: division by zero, in line \d+ of .*test_own_backbone"),
        (
            type("Five", (Plain,), {"forward": lambda s, x: nn.Conv2d(5, 8, 3)(x)}),
            "fails .* RuntimeError: Given groups",
        ),
    ],
)
def test_what_it_answers_is_looked_at(
    make: Callable[[], nn.Module], said: str, table: dict[str, Callable[[], nn.Module]]
) -> None:
    table["own:plain"] = make
    with pytest.raises(ModelError, match=f"The backbone own:plain .*{said}"):
        DBNet(own().model)


def test_engines_leave_it_as_it_is(table: dict[str, Callable[[], nn.Module]]) -> None:
    table["own:plain"] = Plain
    network = DBNet(own().model).eval()
    nn.init.uniform_(network.get_parameter("backbone.norm.bias"), 1, 2)
    nn.init.uniform_(network.get_buffer("backbone.norm.running_mean"), 1, 2)
    batch = np.random.default_rng(0).normal(size=(1, 3, 64, 96)).astype(np.float32)
    with torch.no_grad():
        expected = network.prob(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(TorchEngine(network, own()).run(batch), expected, rtol=0, atol=1e-5)


def test_what_a_network_costs_is_told_of_any_code(table: dict[str, Callable[[], nn.Module]]) -> None:
    made = Plain()
    table["own:plain"] = lambda: made  # with numbers, wherever the network is made
    assert cost(own().model, (64, 96)).parameters == sum(p.numel() for p in DBNet(own().model).parameters())


def test_a_norm_that_does_more_is_not_replaced() -> None:
    more = type("NormAct", (nn.BatchNorm2d,), {"forward": lambda self, x: nn.BatchNorm2d.forward(self, x).relu()})
    with pytest.raises(ConfigError, match=r"train\.sync_norm does not know the NormAct in this backbone"):
        synchronise_norm(nn.Sequential(more(4)), torch.device("cpu"))


def test_its_own_weights_begin_it(tmp_path: Path, table: dict[str, Callable[[], nn.Module]]) -> None:
    """Whatever its parts are called: a file of a classifier has a head, one of a whole detector a backbone, and a
    BatchNorm counts its steps, but for one that is fixed."""
    wrapped, fixed = nn.Sequential(), Plain()
    fixed.register_buffer("running_mean", torch.zeros(4))
    wrapped.add_module("backbone", Plain())
    wrapped.channels = (4, 4, 4, 4)  # type: ignore[assignment]
    for module in (Plain(), fixed, wrapped):
        table["own:plain"] = lambda module=module: module  # type: ignore[misc]
        torch.save(module.state_dict(), tmp_path / "own.pth")
        network = DBNet(own().model)
        weights = official.backbone(official.read(tmp_path / "own.pth"), own())
        checkpoints.load_into(network, weights, source="own.pth", part="backbone.")


def test_another_code_is_another_network(
    pages: Path, tmp_path: Path, table: dict[str, Callable[[], nn.Module]]
) -> None:
    table["own:plain"] = Plain
    recipe = replace(small_recipe(pages, steps=1), model=own().model)
    train(recipe, out=tmp_path / "run")
    table["own:plain"] = backbones.BACKBONES["resnet18_half"]
    with pytest.raises(ConfigError, match=r"backbone=own:plain .* and the code of then, or begin"):
        train(recipe, out=tmp_path / "run", resume=True)


class Fixed(Plain):
    """Takes height and width as numbers."""

    def forward(self, x: Tensor) -> Any:
        c2, *others = super().forward(x)
        return [c2.flatten(2).reshape(-1, 4, int(c2.shape[2]), int(c2.shape[3])), *others]


class Odd(Plain):
    """Uses an operator that ONNX has not."""

    def forward(self, x: Tensor) -> Any:
        return [c + torch.special.i0(c.mean()) for c in super().forward(x)]


@pytest.mark.parametrize(
    ("make", "said"),
    [(Fixed, r"does not run at 320 x 320 \(.*int\(x\.shape"), (Odd, "PyTorch cannot write this network as ONNX: .*i0")],
)
def test_what_cannot_be_exported_is_one_sentence(
    make: Callable[[], nn.Module], said: str, tmp_path: Path, table: dict[str, Callable[[], nn.Module]]
) -> None:
    table["own:plain"] = make
    checkpoints.write_weights(tmp_path / "w.safetensors", own(), DBNet(own().model).state_dict())
    with pytest.raises(ModelError, match=said):
        export(tmp_path / "w.safetensors", tmp_path / "m.onnx", card={})
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_file_is_run_as_python_runs_it(tmp_path: Path) -> None:
    """Dataclasses look for the module of a class that has its annotations as texts."""
    (tmp_path / "own_net.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass Sizes:\n"
        "    width: int = 3\n"
    )
    before = set(sys.modules)
    assert recipes.run(tmp_path / "own_net.py").Sizes().width == 3
    assert "own_net" not in set(sys.modules) - before

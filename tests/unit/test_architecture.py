"""The shape of the house: who imports whom, what is exported, how many files one picture passes through."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

import diffbin

SOURCE = Path(diffbin.__file__).parent
RANKS = {  # a module imports modules of lower ranks, and of its own package; the longest prefix counts
    "errors": 0, "cores": 0, "config": 1, "published": 1, "plain": 1, "overrides": 2, "files": 1, "heic": 1, "rgb": 1,
    "tiff": 0, "jpeg": 1, "detections": 1, "geometry": 1, "lines": 2, "terminal": 2, "options": 2, "image": 2,
    "layout": 2, "decode": 3, "draw": 3, "crop": 3, "pages": 3, "formats": 3, "metrics.iou": 3, "recipes": 3, "data": 3,
    "model": 3, "engines": 4, "tiling": 5, "legibility": 5, "zoo": 5, "zoo.download": 3, "zoo.layers": 4, "stream": 5,
    "detector": 6, "answers": 4, "leftovers": 5, "writer": 6,
    "settings": 7, "metrics": 7, "batch": 7, "pseudo_labels": 7, "serve": 8, "verify": 8, "train": 8, "export": 8,
    "quantize": 9, "bench": 9, "zoo.install": 9, "train.card": 9, "train.finetune": 9,
    "data.commands": 10, "metrics.commands": 10, "train.commands": 10, "zoo.commands": 10, "bench.commands": 10,
    "serve.commands": 10, "cli": 11, "__main__": 12,
}  # fmt: skip
LEARNING = {"torch", "lightning_fabric", "onnx", "safetensors", "tensorboard"}  # not for detection
MAY_LEARN = ("model", "engines.torch", "train", "export", "quantize", "layout", "cli", "zoo", "bench")
WAY = {"cli", "batch", "detector", "image", "engines/onnx", "decode", "geometry", "detections"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        yield name, path


def rank(module: str) -> int:
    parts = module.split(".")
    prefixes = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next(RANKS[prefix] for prefix in prefixes if prefix in RANKS)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} has a relative import"
            if node.module == "diffbin":
                yield from (f"diffbin.{alias.name}" for alias in node.names if not alias.name.startswith("__"))
            else:
                yield node.module


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_imports_point_down(name: str, path: Path) -> None:
    for imported in imports(path):
        top, _, rest = imported.partition(".")
        if top == "diffbin" and name and rest:
            same_package = rest.split(".")[0] == name.split(".", maxsplit=1)[0]
            assert same_package or rank(rest) < rank(name), f"{name} imports {rest}"
            if rest.split(".")[0] == "model":
                assert name.startswith(MAY_LEARN), f"{name} imports {rest}"
            if rest in ("config", "published") or name.split(".", maxsplit=1)[0] != "recipes":
                continue
            assert rest == "errors", f"recipe {name} imports {rest}"


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_modules_are_short_and_documented(name: str, path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 300, f"{name} is long"
    assert ast.get_docstring(ast.parse(text)), f"{name} does not say what it is"


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_files_are_the_same_on_every_system(name: str, path: Path) -> None:
    """Text says its encoding, which else is the locale's. OpenCV opens no file: on Windows not one of every name."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called, options = node.func.attr, {option.arg for option in node.keywords}
            modes = {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
            text = called == "open" and ("newline" in options or modes & {"r", "w", "a", "x"})
            text = text or (called == "read_text" and not node.args) or called == "write_text"
            assert "encoding" in options or not text, f"{name}, line {node.lineno}: no encoding"
            assert called not in ("imread", "imwrite"), f"{name}, line {node.lineno}: OpenCV opens a file"


def test_exported_names() -> None:
    assert sorted(diffbin.__all__) == ["Detection", "Detections", "Detector", "DiffbinError", "__version__"]
    assert all(getattr(diffbin, name) for name in diffbin.__all__)
    assert dir(diffbin) == diffbin.__all__
    with pytest.raises(AttributeError):
        _ = diffbin.nothing


def test_detection_imports_no_torch_and_the_package_nothing(model_file: Path) -> None:
    program = (
        "import sys, diffbin; assert not {'numpy', 'cv2', 'onnxruntime'} & set(sys.modules); import numpy\n"
        f"diffbin.Detector({str(model_file)!r})(numpy.zeros((64, 64, 3), 'uint8')); import diffbin.cli, diffbin.batch\n"
        f"found = {sorted(LEARNING)!r}; assert not set(found) & set(sys.modules), set(found) & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_detection_tells_nobody(engine: str, model_file: Path, tmp_path: Path) -> None:
    """What they are about to send, and a name of the machine, engines keep in the user's folders."""
    detector = f"diffbin.Detector({str(model_file)!r}, engine={engine!r})"
    program = f"import diffbin, numpy\n{detector}(numpy.zeros((9, 9, 3), 'uint8'))"
    elsewhere = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for silencer in ("ORT_DISABLE_TELEMETRY", "CI", "TF_BUILD", "JENKINS_URL"):
        elsewhere.pop(silencer, None)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=elsewhere)
    assert not list(tmp_path.rglob("*"))


def test_one_picture_passes_through_few_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Own files whose code runs for `diffbin detect`, less loading model and settings and writing the answer."""
    from diffbin import batch, cli, detector  # noqa: F401  # what runs as they are imported is none of it

    seen: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name != "<module>" and frame.f_code.co_filename.startswith(str(SOURCE)):
            seen.add(str(Path(frame.f_code.co_filename).relative_to(SOURCE).with_suffix("")))

    command = ["diffbin", "detect", str(SOURCE.parents[1] / "examples" / "img_925.jpg"), "--engine", "onnx"]
    monkeypatch.setattr(sys, "argv", command)
    sys.setprofile(note)
    try:
        cli.main()
    except SystemExit as stop:
        assert stop.code == 0
    finally:
        sys.setprofile(None)
    assert capsys.readouterr().out.startswith('{"image": "img_925.jpg"')
    beside = {"__init__", "zoo/__init__", "engines/__init__", "config", "plain", "settings"}
    beside |= {"answers", "writer", "formats/json"}
    assert seen - beside <= WAY
    assert len(WAY) <= 8

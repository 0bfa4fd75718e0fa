"""Engines: they agree, say what they are, and refuse what they cannot do."""

import ctypes
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from conftest import SMALL, small_recipe
from diffbin import Detector
from diffbin.config import Model, Recipe
from diffbin.engines import Engine, Runtime
from diffbin.engines.onnx import METADATA_KEY, PROVIDERS, OnnxEngine, _load_libraries, finds_gpu
from diffbin.engines.openvino import OpenVinoEngine
from diffbin.engines.torch import TorchEngine
from diffbin.errors import ConfigError, DependencyError, DeviceError, EngineWarning, ModelError
from diffbin.export import export
from diffbin.model.backbones import BACKBONES
from diffbin.model.checkpoints import write_weights
from diffbin.model.dbnet import DBNet
from diffbin.plain import from_dict
from diffbin.zoo import load

BATCH = np.random.default_rng(0).normal(size=(2, 3, 64, 96)).astype(np.float32)


def stirred(config: Model) -> DBNet:
    """A network whose BatchNorm does something."""
    torch.manual_seed(0)
    network = DBNet(config).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)  # type: ignore[arg-type]  # it has one
    return network


@pytest.mark.parametrize(("fusion", "stride"), [(False, 1), (True, 2)])
@pytest.mark.parametrize("backbone", BACKBONES)
@torch.no_grad()
def test_the_deployed_path_answers_as_the_network(backbone: str, fusion: bool, stride: int) -> None:
    sizes = {"lateral_channels": 16, "smooth_channels": 8, "scale_fusion": fusion, "map_stride": stride}
    network = stirred(from_dict(Model, {"backbone": backbone, **sizes}))
    expected = network.prob(torch.from_numpy(BATCH)).numpy()
    assert expected.shape == (2, 1, 64 // stride, 96 // stride)
    before = {name: w.clone() for name, w in network.state_dict().items()}
    np.testing.assert_allclose(TorchEngine(network, Recipe(name="r")).run(BATCH), expected, rtol=0, atol=1e-4)
    assert all(torch.equal(w, before[name]) for name, w in network.state_dict().items())


def test_engines_agree(model_file: Path) -> None:
    native = TorchEngine.load(model_file.with_name("w.safetensors"))
    engines: list[Engine] = [OnnxEngine(model_file), OpenVinoEngine(model_file), native]
    maps = [engine.run(BATCH) for engine in engines]
    assert maps[0].shape == (2, 1, 64, 96)
    for prob in maps[1:]:
        np.testing.assert_allclose(prob, maps[0], rtol=0, atol=1e-4)
    for engine, name in zip(engines, ("ONNX Runtime", "OpenVINO", "PyTorch"), strict=True):
        assert engine.describe().startswith(name) and "cpu, fp32" in engine.describe()
        assert engine.recipe.name == "small"


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_a_detector_may_be_sent_to_another_process(model_file: Path, engine: str) -> None:
    detector = Detector(model_file, engine=engine, threads=1, tile="auto").with_decode(score_threshold=0.25)
    sent = pickle.loads(pickle.dumps(detector))
    assert sent.describe() == detector.describe() and (sent.decode, sent.tile) == (detector.decode, "auto")
    batch = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    assert np.array_equal(sent.engine.run(batch), detector.engine.run(batch))


@pytest.mark.parametrize("engine", [OnnxEngine, OpenVinoEngine])
def test_threads_do_not_mix_up_results(model_file: Path, engine: type[OnnxEngine | OpenVinoEngine]) -> None:
    shared = engine(model_file)
    batches = [BATCH[:1] * scale for scale in (0.5, 1.0, 2.0, 4.0)]
    expected = [shared.run(batch) for batch in batches]
    found: dict[int, bool] = {}

    def work(i: int) -> None:
        found[i] = all(np.array_equal(shared.run(batches[i]), expected[i]) for _ in range(5))

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == dict.fromkeys(range(4), True)


def alone(program: str, model: Path) -> None:
    """Runs a program in a process of its own, where nothing has been loaded and which may die."""
    subprocess.run([sys.executable, "-c", program, str(model)], check=True, timeout=30)


def test_first_runs_in_threads_do_not_wait_for_each_other(model_file: Path) -> None:
    program = """if True:
        import sys, threading, numpy, pathlib
        from diffbin.engines.openvino import OpenVinoEngine
        engine, begin = OpenVinoEngine(pathlib.Path(sys.argv[1])), threading.Event()
        def work():
            while not begin.is_set():  # busy, to be in line for the interpreter
                pass
            engine.run(numpy.zeros((1, 3, 32, 32), "float32"))
        workers = [threading.Thread(target=work, daemon=True) for _ in range(4)]
        sys.setswitchinterval(1e-6)
        for worker in workers:
            worker.start()
        begin.set()
        for worker in workers:
            worker.join()"""
    alone(program, model_file)


def test_signals_are_heard_after_one_engine_has_replaced_another(model_file: Path) -> None:
    program = """if True:
        import signal, sys, pathlib
        from diffbin.engines.openvino import OpenVinoEngine
        engine = OpenVinoEngine(pathlib.Path(sys.argv[1]))
        engine = OpenVinoEngine(pathlib.Path(sys.argv[1]))
        del engine
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            sys.exit(0)
        sys.exit(1)"""
    alone(program, model_file)


@pytest.mark.slow
def test_auto_takes_openvino_where_it_is_installed_and_can(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Detector(model_file).describe().startswith("OpenVINO")
    config = Model(backbone="resnet18_dcnv2", lateral_channels=16, smooth_channels=8)
    write_weights(tmp_path / "d.safetensors", Recipe(name="d", model=config), stirred(config).state_dict())
    export(tmp_path / "d.safetensors", tmp_path / "d.onnx", card={})
    assert Detector(tmp_path / "d.onnx").describe().startswith("ONNX Runtime")
    with pytest.raises(ModelError, match="OpenVINO cannot run"):
        Detector(tmp_path / "d.onnx", engine="openvino")
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "diffbin.engines.openvino")
    with pytest.raises(DependencyError, match=r"pip install '\.\[openvino\]'"):
        Detector(model_file, engine="openvino")


CUDA = PROVIDERS["cuda"]
TOO_OLD = "CUDA failure 35: the driver is too old"


class RuntimeException(Exception):
    """As ONNX Runtime calls what its providers raise when a session is made."""


class GpuBuild:
    """Stands in for an ONNX Runtime built for GPUs; what its provider for them does here is in `start`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start, self.tried = "", list[str]()
        self._session = onnxruntime.InferenceSession
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(reversed(PROVIDERS.values())))
        monkeypatch.setattr(onnxruntime, "InferenceSession", self.open)
        monkeypatch.setattr(onnxruntime, "preload_dlls", self.load, raising=False)
        monkeypatch.setattr("diffbin.engines.onnx.finds_gpu", lambda: self.start != "no GPU")

    def load(self) -> None:
        """Says what is missing as ONNX Runtime does, which prints it among the answers."""
        if self.start == "missing":
            print("Failed to load libcublas.so.13: no such file\nPlease follow")

    def open(self, path: str, options: Any, *, providers: list[str], enable_fallback: int) -> Any:
        """A session on the CPU that says what such a build would."""
        self.tried += providers
        assert enable_fallback == 0  # or it prints to stdout, and gives up the GPU in the middle of a run
        if providers == [PROVIDERS["cpu"]] or self.start in ("left out", "missing"):
            return self._session(path, options, providers=[PROVIDERS["cpu"]])
        if self.start == "raises":
            raise RuntimeError(f"/src/cuda_call.cc:154 void CudaCall(int) {TOO_OLD} ; GPU=-1 ; line=355\nsome more")
        if self.start == "raises later":
            raise RuntimeException("CUDNN failure 1: CUDNN_STATUS_NOT_INITIALIZED ; GPU=0")
        session = self._session(path, options, providers=[PROVIDERS["cpu"]])
        session.get_providers = lambda: [*providers, PROVIDERS["cpu"]]
        return session


@pytest.fixture
def gpu_build(monkeypatch: pytest.MonkeyPatch) -> GpuBuild:
    return GpuBuild(monkeypatch)


def test_what_is_printed_meanwhile_is_not_lost(gpu_build: GpuBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that load the libraries at once the first would put stdout back while the second holds it."""
    ends = iter((0.1, 0.3))
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: time.sleep(next(ends)))
    before = sys.stdout
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: _load_libraries(), range(2)))
    assert sys.stdout is before


def test_auto_takes_a_gpu_that_starts(gpu_build: GpuBuild, model_file: Path) -> None:
    for runtime in (Runtime(), Runtime(engine="onnx"), Runtime(device="cuda")):
        engine = load(model_file, runtime)
        assert engine.describe().startswith("ONNX Runtime") and ", cuda, fp32" in engine.describe()
        assert engine.run(BATCH).shape == (2, 1, 64, 96)
    assert set(gpu_build.tried) == {CUDA}  # TensorRT only when it is asked for
    assert ", tensorrt, " in load(model_file, Runtime(device="tensorrt")).describe()
    gpu_build.tried.clear()
    assert load(model_file, Runtime(device="cpu")).describe().startswith("OpenVINO")
    assert ", cpu, " in load(model_file, Runtime(engine="onnx", device="cpu")).describe()
    assert CUDA not in gpu_build.tried


def test_auto_takes_the_cpu_for_what_a_gpu_does_not_compute(gpu_build: GpuBuild, model_file: Path) -> None:
    try:
        engine = load(model_file, Runtime(precision="bf16"))
    except ConfigError as error:
        assert "does not compute in bf16" in str(error)  # an older CPU
    else:
        assert engine.describe().startswith("OpenVINO") and "cpu, bf16" in engine.describe()
    with pytest.raises(ConfigError, match="not in bf16"):
        load(model_file, Runtime(precision="bf16", device="cuda"))


def test_a_gpu_that_is_not_there_is_passed_over_unless_asked_for(
    gpu_build: GpuBuild, model_file: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    gpu_build.start = "no GPU"
    caplog.set_level("INFO", "diffbin")
    assert load(model_file).describe().startswith("OpenVINO") and CUDA not in gpu_build.tried
    assert ", cpu, " in load(model_file, Runtime(engine="onnx")).describe() and capfd.readouterr() == ("", "")
    assert caplog.text.count("No GPU is taken. There is no NVIDIA GPU") == 2
    for device in ("cuda", "tensorrt"):
        for by in ("auto", "onnx"):
            with pytest.raises(DependencyError, match="no NVIDIA GPU"):
                Detector(model_file, engine=by, device=device)


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ("left out", r"here: a library of CUDA, cuDNN or TensorRT is missing\. pip install 'onnxruntime-gpu\["),
        ("missing", r"here: Failed to load libcublas\.so\.13: no such file\. pip install"),
        ("raises", rf"here \({TOO_OLD}\); use --device cpu"),
        ("raises later", r"here \(CUDNN failure 1: CUDNN_STATUS_NOT_INITIALIZED\); use"),
    ],
)
def test_a_gpu_that_does_not_start_is_passed_over_with_a_warning_unless_asked_for(
    gpu_build: GpuBuild, model_file: Path, start: str, told: str,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    gpu_build.start = start
    for engine, openvino, taken in (
        ("auto", True, "OpenVINO"), ("onnx", True, "ONNX Runtime"), ("auto", False, "ONNX Runtime"),
    ):  # fmt: skip
        monkeypatch.setattr("diffbin.zoo.find_spec", lambda name, there=openvino: there)
        with pytest.warns(EngineWarning, match="The CPU computes, not the GPU. .*" + told) as warned:
            described = Detector(model_file, engine=engine).describe()
        assert described.startswith(taken) and ", cpu, " in described
        assert len(warned) == 1 and warned[0].filename == __file__
    for device in ("cuda", "tensorrt"):
        for by in ("auto", "onnx"):
            with pytest.raises(DeviceError, match=told):
                Detector(model_file, engine=by, device=device)
    assert load(model_file, Runtime(device="cpu")).describe()  # and no warning
    assert capfd.readouterr() == ("", "")


def test_onnx_runtime_for_cpus_goes_without_a_warning(
    model_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("diffbin.engines.onnx.finds_gpu", lambda: True)
    caplog.set_level("INFO", "diffbin")
    assert ", cpu, " in load(model_file).describe()
    assert "No GPU is taken. This ONNX Runtime has no CUDA" in caplog.text and "onnxruntime-gpu" in caplog.text


def test_a_gpu_is_what_the_driver_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (0, 100):  # done; there is no device
        monkeypatch.setattr(ctypes, "CDLL", lambda name, code=answer: SimpleNamespace(cuInit=lambda flags: code))
        assert finds_gpu() == (answer == 0)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    assert not finds_gpu()


def test_a_checkpoint_goes_where_pytorch_has_a_device(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, placed = model_file.with_name("w.safetensors"), list[str]()

    def to(network: DBNet, device: torch.device) -> DBNet:
        placed.append(device.type)
        return network

    monkeypatch.setattr(DBNet, "to", to)
    for device, there, expected in (("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu")):
        placed.clear()
        monkeypatch.setattr(torch.cuda, "is_available", lambda answer=there: answer)
        load(weights, from_dict(Runtime, {"device": device}))
        assert placed == [expected]


def test_what_is_asked_for_and_absent_is_an_error(model_file: Path) -> None:
    weights = model_file.with_name("w.safetensors")
    for runtime, model, error, text in (
        (Runtime(device="cuda"), model_file, DependencyError, "CUDAExecutionProvider"),
        (Runtime(device="tensorrt"), model_file, DependencyError, "TensorrtExecutionProvider"),
        (Runtime(device="cuda", engine="openvino"), model_file, DependencyError, "on the CPU"),
        (Runtime(device="cuda"), weights, DependencyError, "finds no GPU"),
        (Runtime(device="tensorrt"), weights, DependencyError, "--engine onnx"),
        (Runtime(engine="torch"), model_file, ModelError, "PyTorch runs checkpoints"),
        (Runtime(engine="onnx"), weights, ModelError, "export it"),
        (Runtime(engine="onnx", precision="bf16"), model_file, ConfigError, "--engine openvino or torch"),
        (Runtime(engine="onnx", precision="int8"), model_file, ConfigError, "export --int8"),
        (Runtime(precision="fp16"), weights, ConfigError, "fp16 on cpu"),
    ):
        with pytest.raises(error, match=text):
            load(model, runtime)
    for threads in (-1, 100000):
        with pytest.raises(ConfigError, match=rf"runtime\.threads is {threads}; it must be a number from 0 to 1024"):
            Detector(model_file, threads=threads)
    with pytest.raises(ConfigError, match="engine is 'tflite'; it must be one of"):
        Detector(model_file, engine="tflite")


def test_bf16_is_close(model_file: Path) -> None:
    torch_bf16 = TorchEngine.load(model_file.with_name("w.safetensors"), Runtime(precision="bf16"))
    exact = OnnxEngine(model_file).run(BATCH)
    assert "bf16" in torch_bf16.describe()
    np.testing.assert_allclose(torch_bf16.run(BATCH), exact, atol=0.05)
    try:
        vino = OpenVinoEngine(model_file, Runtime(precision="bf16"))
    except ConfigError as error:
        assert "does not compute in bf16" in str(error)  # an older CPU
    else:
        np.testing.assert_allclose(vino.run(BATCH), exact, atol=0.05)


def test_a_model_of_others_is_told(tmp_path: Path, model_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = onnx.load(str(model_file))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "bare.onnx"))
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    for engine in (OnnxEngine, OpenVinoEngine):
        with pytest.raises(ModelError, match="was not made by `diffbin export`"):
            engine(tmp_path / "bare.onnx")
        with pytest.raises(ModelError, match=r"bad\.onnx"):
            engine(tmp_path / "bad.onnx")
    assert capfd.readouterr().err == "", "the libraries say nothing themselves"
    assert METADATA_KEY == "diffbin" and small_recipe(tmp_path).model == SMALL

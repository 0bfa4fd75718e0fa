"""CUDA graphs: when they are captured, kept and dropped, by a stand-in for the GPU; where there is one, its answers."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from diffbin.engines import Runtime, graphs
from diffbin.engines.graphs import GRAPHS, Array, Graphs, Shape
from diffbin.engines.torch import TorchEngine
from diffbin.errors import EngineWarning
from diffbin.plain import from_dict


def batch(width: int, value: float = 1.0) -> Array:
    return np.full((1, 3, 32, width), value, np.float32)


class Gpu:
    """Counts what it is asked for. Its graphs have one input, as real ones have, and notice two threads in them."""

    def __init__(self) -> None:
        self.plain, self.captured, self.replayed = Counter[Shape](), list[Shape](), Counter[Shape]()
        self.full = set[Shape]()  # shapes for which there is no memory
        self.busy = threading.Lock()
        self.takes_s = 0.0

    def run(self, pictures: Array) -> Array:
        self.plain[pictures.shape] += 1
        return pictures[:, :1] * 2

    def capture(self, shape: Shape) -> "FakeGraph":
        assert self.busy.acquire(blocking=False), "captured while another thread is at work"
        self.captured.append(shape)
        time.sleep(self.takes_s)
        self.busy.release()
        if shape in self.full:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.\nTried to allocate 1 GB")
        return FakeGraph(self, shape)


class FakeGraph:
    def __init__(self, gpu: Gpu, shape: Shape) -> None:
        self.gpu, self.pictures = gpu, np.zeros(shape, np.float32)

    def replay(self, pictures: Array) -> Callable[[], Array]:
        assert self.gpu.busy.acquire(blocking=False), "replayed while another thread is at work"
        self.gpu.replayed[pictures.shape] += 1
        self.pictures[:] = pictures
        time.sleep(self.gpu.takes_s)
        prob = self.pictures[:, :1] * 2
        self.gpu.busy.release()
        return lambda: prob


@pytest.fixture
def gpu() -> Gpu:
    return Gpu()


def test_a_shape_is_captured_at_its_third_sight(gpu: Gpu) -> None:
    runs = Graphs(gpu.run, gpu.capture)
    for i in range(6):
        np.testing.assert_array_equal(runs.run(batch(32, i)), batch(32, i)[:, :1] * 2)
        assert gpu.captured == ([batch(32).shape] if i >= 2 else [])
    runs.run(batch(64))
    assert gpu.plain == {batch(32).shape: 2, batch(64).shape: 1} and gpu.replayed == {batch(32).shape: 4}


def test_those_used_last_are_kept(gpu: Gpu) -> None:
    runs, widths = Graphs(gpu.run, gpu.capture), [32 * (i + 1) for i in range(GRAPHS + 1)]
    for width in widths[:-1]:
        for _ in range(3):
            runs.run(batch(width))
    runs.run(batch(widths[0]))  # now the second is the one to go
    for _ in range(3):
        runs.run(batch(widths[-1]))
    plain = gpu.plain.copy()
    for width in (widths[0], *widths[2:]):
        runs.run(batch(width))
    assert gpu.plain == plain and len(gpu.captured) == GRAPHS + 1
    runs.run(batch(widths[1]))
    assert gpu.plain[batch(widths[1]).shape] == plain[batch(widths[1]).shape] + 1


def test_more_shapes_than_room_are_captured_ever_more_rarely(gpu: Gpu) -> None:
    runs, shapes, rounds = Graphs(gpu.run, gpu.capture), GRAPHS + 4, 310
    for _ in range(rounds):
        for i in range(shapes):
            runs.run(batch(i + 1))
    assert max(Counter(gpu.captured).values()) <= 3
    assert gpu.plain.total() + gpu.replayed.total() == rounds * shapes


def test_what_cannot_be_captured_is_told_once_and_computed(gpu: Gpu) -> None:
    runs = Graphs(gpu.run, gpu.capture)
    gpu.full.add(batch(32).shape)
    for i in range(40):
        if i == 2:
            told = r"of batches 1 x 3 x 32 x 32 \(CUDA out of memory\.\); they are computed without"
            with pytest.warns(EngineWarning, match=told):
                answer = runs.run(batch(32, i))
        else:
            answer = runs.run(batch(32, i))  # a warning would be an error
        np.testing.assert_array_equal(answer, batch(32, i)[:, :1] * 2)
    assert gpu.captured == [batch(32).shape] and not gpu.replayed
    for _ in range(3):
        runs.run(batch(64))
    assert gpu.replayed == {batch(64).shape: 1}


def test_threads_do_not_meet_in_a_graph(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.takes_s = 0.001
    monkeypatch.setattr(graphs, "GRAPHS", 2)  # of four shapes: they are dropped and captured anew meanwhile
    runs, right = Graphs(gpu.run, gpu.capture), list[bool]()

    def work(thread: int) -> None:
        for i in range(40):
            given = batch(32 * (i % 4 + 1), thread + i)
            right.append(np.array_equal(runs.run(given), given[:, :1] * 2))

    workers = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert right == [True] * 240
    assert gpu.plain.total() + gpu.replayed.total() == 240 and gpu.replayed


class CudaGraphOnCpu:
    """Stands in for PyTorch's class and its way to capture: what is captured is computed again at each replay."""

    def __init__(self) -> None:
        self.work: Any = None
        self.result: Any = None

    def replay(self) -> None:
        self.result.copy_(self.work())


def test_the_way_to_the_gpu_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, by stand-ins for what PyTorch has for GPUs alone: buffers, precision, warm-ups, pools."""
    done, pools, runs = list[str](), list[int](), list[tuple[torch.dtype, Shape]]()
    empty = torch.empty

    @contextmanager
    def capture(graph: CudaGraphOnCpu, pool: int, stream: object, *, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local" and len(runs) % (graphs.WARM_UPS + 1) == graphs.WARM_UPS
        pools.append(pool)
        yield
        if len(pools) == 1:
            raise RuntimeError("operation not permitted when stream is capturing")

    def forward(pictures: torch.Tensor) -> torch.Tensor:
        runs.append((pictures.dtype, tuple(pictures.shape)))
        return pictures.bfloat16()[:, :1].float() * 2

    handles = iter(range(9))
    for name, value in {
        "Stream": lambda device: "queued", "stream": lambda stream: nullcontext(), "graph": capture,
        "graph_pool_handle": lambda: next(handles), "CUDAGraph": CudaGraphOnCpu,
        "Event": lambda: SimpleNamespace(record=done.append, synchronize=lambda: done.append("waited")),
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)
    monkeypatch.setattr(torch, "empty", lambda size, pin_memory, dtype: empty(size, dtype=dtype))
    captures = graphs.CudaCapture(forward, torch.device("cpu"))
    with pytest.raises(RuntimeError, match="capturing"):
        captures(batch(32).shape)
    graph = captures(batch(64).shape)
    captures(batch(32).shape)
    assert pools == [0, 1, 1] and {dtype for dtype, _ in runs} == {torch.float32}
    recorded: Any = graph.graph
    recorded.work, recorded.result = lambda: forward(graph.pictures), graph.prob
    first = graph.replay(batch(64, 3.0))
    second = graph.replay(batch(64, 4.0))
    assert done == ["queued"] * 2
    for answer, value in ((second, 8.0), (first, 6.0)):
        prob = answer()
        assert prob.dtype == np.float32 and prob.flags.c_contiguous and prob.flags.owndata
        np.testing.assert_array_equal(prob, batch(64, value)[:, :1])
    assert done[2:] == ["waited"] * 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_replays_what_it_computes(model_file: Path, precision: str) -> None:
    """Shapes by turns from several threads, more of them than graphs are kept."""
    runtime = from_dict(Runtime, {"device": "cuda", "precision": precision})
    engine = TorchEngine.load(model_file.with_name("w.safetensors"), runtime)
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(n, 3, 64, 32 * w)).astype(np.float32) for n in (1, 2) for w in range(1, GRAPHS)]
    expected = [engine.run(given) for given in batches]
    faults: list[str] = []

    def work(first: int) -> None:
        for i in (*range(first, len(batches)), *range(first)) * 8:
            prob = engine.run(batches[i])
            if prob.dtype != np.float32 or not prob.flags.c_contiguous or prob.shape != expected[i].shape:
                faults.append(f"{i}: {prob.dtype} {prob.shape}")
            elif not np.allclose(prob, expected[i], rtol=0, atol=1e-4 if precision == "fp32" else 2e-2):
                faults.append(f"{i}: off by {np.abs(prob - expected[i]).max()}")

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not faults

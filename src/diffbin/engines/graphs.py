"""CUDA graphs: the work of a fixed shape is captured once and replayed, which saves launching its kernels one by one.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffbin.errors import EngineWarning, warn

Array = NDArray[np.float32]
Shape = tuple[int, ...]

GRAPHS = 8  # kept at once, those used last; each has an input and an answer of its own, the memory between is shared
# Plain runs of a shape at which it is captured, the second and third where its graph has had to make room since: ever
# more rarely, for with more shapes than room capturing costs more than it saves.
CAPTURE_AT = (3, 30, 300)
WARM_UPS = 3  # runs on the side stream before capturing, in which libraries choose kernels and take their work space
_CAPTURING = Lock()  # PyTorch captures one graph at a time in a process


class Graph(Protocol):
    """The captured work of one shape."""

    def replay(self, batch: Array) -> Callable[[], Array]:
        """Queues the work; not by two threads at once. What is returned waits for P, a new array, in any thread."""


class Graphs:
    """Runs batches: by a graph those of a shape that comes again and again, else plainly. Threads may share it.

    `plain` computes a batch `(n, 3, h, w)` -> P `(n, 1, h, w)`, in several threads at once; `capture` makes a graph of
    a shape, or raises `RuntimeError`: then the shape is computed plainly for good, with an `EngineWarning`.
    """

    def __init__(self, plain: Callable[[Array], Array], capture: Callable[[Shape], Graph]) -> None:
        self._plain, self._capture = plain, capture
        self._graphs: OrderedDict[Shape, Graph] = OrderedDict()  # the least recently used first
        self._plain_runs: Counter[Shape] = Counter()  # few: sides are multiples of 32 or more
        self._failed: set[Shape] = set()
        self._lock = Lock()  # of all of these, and of capturing and queueing

    def run(self, batch: Array) -> Array:
        """See `Engine.run`."""
        with self._lock:
            graph = self._graph(batch.shape)
            answer = graph.replay(batch) if graph else None
        return answer() if answer else self._plain(batch)  # waited for without the lock: the next batch is queued

    def _graph(self, shape: Shape) -> Graph | None:
        if shape not in self._graphs:
            self._plain_runs[shape] += 1
            if shape in self._failed or self._plain_runs[shape] not in CAPTURE_AT:
                return None
            self._add(shape)
        if shape in self._graphs:
            self._graphs.move_to_end(shape)
        return self._graphs.get(shape)

    def _add(self, shape: Shape) -> None:
        try:
            self._graphs[shape] = self._capture(shape)
        except RuntimeError as error:  # PyTorch's, of memory that is full and of work that cannot be captured
            self._failed.add(shape)
            reason = str(error).strip().partition("\n")[0]
            told = f"No CUDA graph of batches {' x '.join(map(str, shape))} ({reason}); they are computed without."
            warn(told, EngineWarning)
        if len(self._graphs) > GRAPHS:
            self._graphs.popitem(last=False)


class CudaCapture:
    """Captures `forward`, which takes float32 pictures on the device to P there; all on one stream, in one pool."""

    def __init__(self, forward: Callable[[Tensor], Tensor], device: torch.device) -> None:
        self._forward, self._device = forward, device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    @torch.inference_mode()
    def __call__(self, shape: Shape) -> "CudaGraph":
        """See `Graphs`."""
        graph = torch.cuda.CUDAGraph()
        with _CAPTURING, torch.cuda.stream(self._stream):
            pictures = torch.zeros(shape, device=self._device)
            for _ in range(WARM_UPS):
                self._forward(pictures)
            try:  # "thread_local": what other threads do on the GPU meanwhile is not an error
                with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                    prob = self._forward(pictures)
            except RuntimeError:
                self._pool = torch.cuda.graph_pool_handle()  # a pool that a failed graph alone has used is no more
                raise
        return CudaGraph(graph, self._stream, pictures, prob)


@dataclass(frozen=True, eq=False)
class CudaGraph:
    """See `Graph`. The tensors are those on the device that the graph reads from and writes to."""

    graph: torch.cuda.CUDAGraph
    stream: torch.cuda.Stream  # all work of all graphs is on this one, so that none overwrites what another still needs
    pictures: Tensor
    prob: Tensor

    @torch.inference_mode()
    def replay(self, batch: Array) -> Callable[[], Array]:
        """See `Graph.replay`. Copies from and to pinned memory, beside which the processor goes on."""
        given = torch.from_numpy(batch).pin_memory()
        answer = torch.empty(self.prob.shape, dtype=self.prob.dtype, pin_memory=True)
        with torch.cuda.stream(self.stream):
            self.pictures.copy_(given, non_blocking=True)
            self.graph.replay()
            answer.copy_(self.prob, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(self.stream)

        def wait() -> Array:
            done.synchronize()
            prob: Array = answer.numpy().copy()  # pinned memory is scarce, and goes back to its pool
            return prob

        return wait

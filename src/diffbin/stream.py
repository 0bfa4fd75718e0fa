"""Many pictures through one detector: its stages overlap, the order is kept, and memory stays bounded.

    source -> load, resize (workers) -> network, in batches of one shape (runs) -> decode (workers) -> results

The source is read in the caller's thread, and only while fewer pictures than a window are under way: a slow consumer
holds the source back. The engine never waits for a batch to fill. It takes the first picture that is ready and those
of the same shape behind it, so a rare shape is not delayed, and batches fill by themselves where the engine is slowest.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from diffbin.detections import Detections
from diffbin.engines import Engine
from diffbin.errors import ConfigError, InputError
from diffbin.files import MAX_BYTES, Readable, read_open
from diffbin.image import ImageSource, Loaded, Resize, load


@dataclass(frozen=True, eq=False)
class Result:
    """One picture of a stream: `detections`, or the `error` that says why there are none; the other is None.

    Ask `if result.error`; detections of a picture without text are empty, and therefore false.
    """

    index: int  # place in the source, from 0
    source: ImageSource
    detections: Detections | None
    error: InputError | None

    def get(self) -> Detections:
        """The detections; raises the error if there are none."""
        if self.detections is None:
            raise self.error or RuntimeError("a result has neither detections nor an error")
        return self.detections


class Stages(Protocol):
    """What is done to each picture; see `Detector`. Safe to be called from several threads at once."""

    engine: Engine

    def load(self, source: ImageSource) -> Loaded:
        """As much of a picture as is looked at; `InputError` if it is unusable."""

    def in_tiles(self, loaded: Loaded) -> Detections | None:
        """The answer of a picture that is looked at in tiles; None for any other."""

    def prepare(self, loaded: Loaded) -> tuple[Resize, NDArray[np.float32]]:
        """A picture -> the way back, and the network's input `(1, 3, h, w)` float32."""

    def answer(
        self, prob: NDArray[np.float32], resize: Resize, *, batch: NDArray[np.float32], source: ImageSource
    ) -> Detections:
        """P `(h, w)` float32 -> the answer; the network's input and `source` are for other looks, and for warnings."""


def stream(
    stages: Stages, source: Iterable[ImageSource], *, batch_size: int, workers: int, runs: int
) -> Generator[Result, None, None]:
    """See `Detector.stream`."""
    one = isinstance(source, str | bytes | bytearray | memoryview | np.ndarray | Readable)
    if one or not isinstance(source, Iterable):
        raise InputError("A stream is of several pictures: give a list or any other iterable of them.")
    for name, number in (("batch_size", batch_size), ("workers", workers), ("runs", runs)):
        if not isinstance(number, Integral) or number < 1:
            raise ConfigError(f"{name} is {number}; it must be a whole number, at least 1.")
    window = workers + (runs + 1) * batch_size  # for each run a batch in it, one batch gathering, the rest loading
    return _results(_Pipeline(stages, batch_size, workers, runs), source, window)


def _results(pipeline: "_Pipeline", source: Iterable[ImageSource], window: int) -> Generator[Result, None, None]:
    waiting: deque[tuple[int, ImageSource, Future[Detections]]] = deque()
    numbered, failure, wait = enumerate(source), None, True
    try:
        while True:
            try:
                index, item = next(numbered)
            except StopIteration:
                break
            except Exception as error:  # the source's own; what it gave before has its answers all the same
                failure = error
                break
            waiting.append((index, item, pipeline.start(item)))
            while waiting and (len(waiting) == window or waiting[0][2].done()):
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())
        if failure:
            raise failure
    except KeyboardInterrupt:
        wait = False  # if it came while a pool took a task, a lock may be left that the pool's thread waits for
        raise
    finally:
        pipeline.stop(wait=wait)


def _result(index: int, source: ImageSource, answer: Future[Detections]) -> Result:
    try:
        return Result(index, source, answer.result(), None)
    except InputError as error:
        error.__traceback__ = error.__context__ = None  # they hold frames, and those the picture's content
        return Result(index, source, None, error)


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A picture on its way to the network: `batch` `(1, 3, h, w)` float32; `answer` will hold its detections."""

    resize: Resize
    batch: NDArray[np.float32]
    source: ImageSource
    answer: Future[Detections]


class _Pipeline:
    """The stages as tasks of two pools of threads. A picture's error, of whatever stage, goes into its answer."""

    def __init__(self, stages: Stages, batch_size: int, workers: int, runs: int) -> None:
        self._stages, self._batch_size = stages, batch_size
        self._workers = ThreadPoolExecutor(workers, "diffbin-worker")  # threads begin with the first task
        self._runs = ThreadPoolExecutor(runs, "diffbin-run")
        self._ready: list[_Loaded] = []  # for the network, in the order they became so
        self._lock = Lock()  # of `_ready`

    def start(self, source: ImageSource) -> Future[Detections]:
        """Sends a picture on its way; its detections come through the future."""
        answer: Future[Detections] = Future()
        if isinstance(source, np.ndarray):
            source = source.copy()  # cameras fill one array again and again
        elif isinstance(source, bytearray | memoryview):
            source = bytes(source)
        elif isinstance(source, Image.Image | Readable):  # closed, or at the next frame, in its turn
            try:
                source = read_open(source, MAX_BYTES) if isinstance(source, Readable) else load(source)
            except InputError as error:
                answer.set_exception(error)
                return answer
        self._workers.submit(self._load, source, answer)
        return answer

    def stop(self, *, wait: bool) -> None:
        """Ends all threads; what they are at is finished, what waits is dropped."""
        for pool in (self._runs, self._workers):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (self._runs, self._workers):
            pool.shutdown(wait=wait)

    def _load(self, source: ImageSource, answer: Future[Detections]) -> None:
        with _errors_into([answer]):
            picture = self._stages.load(source)
            found = self._stages.in_tiles(picture)
            if found is not None:
                answer.set_result(found)
                return
            loaded = _Loaded(*self._stages.prepare(picture), source, answer)
            with self._lock:
                self._ready.append(loaded)
            self._runs.submit(self._run)

    def _run(self) -> None:
        batch = self._take()
        if not batch:
            return  # an earlier run took the picture along that this one was meant for
        with _errors_into([loaded.answer for loaded in batch]):
            probs = self._stages.engine.run(_joined([loaded.batch for loaded in batch]))
            for loaded, prob in zip(batch, probs[:, 0], strict=True):
                self._workers.submit(self._decode, loaded, prob)

    def _take(self) -> list[_Loaded]:
        """The first picture that is ready and others of its shape, up to the size of a batch."""
        with self._lock:
            same = [loaded for loaded in self._ready if loaded.batch.shape == self._ready[0].batch.shape]
            batch = same[: self._batch_size]
            self._ready = [loaded for loaded in self._ready if loaded not in batch]
            return batch

    def _decode(self, loaded: _Loaded, prob: NDArray[np.float32]) -> None:
        with _errors_into([loaded.answer]):
            answer = self._stages.answer(prob, loaded.resize, batch=loaded.batch, source=loaded.source)
            loaded.answer.set_result(answer)


def _joined(batches: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return batches[0] if len(batches) == 1 else np.concatenate(batches)


@contextmanager
def _errors_into(answers: Sequence[Future[Detections]]) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        for answer in answers:
            answer.set_exception(error)

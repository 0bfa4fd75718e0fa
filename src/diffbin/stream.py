"""Many pictures through one detector: its stages overlap, the order is kept, and memory stays bounded.

    source -> load, resize (workers) -> network, in batches of one shape (runs) -> decode (workers) -> results

The source is read in the caller's thread, and only while fewer pictures than a window are under way: a slow consumer
holds the source back. The engine never waits for a batch to fill. It takes the first picture that is ready and those
of the same shape behind it, so a rare shape is not delayed, and batches fill by themselves where the engine is slowest.
"""

import atexit
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from queue import Empty, SimpleQueue
from threading import Lock, Thread
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
    waiting: deque[tuple[int, ImageSource, _Answer]] = deque()
    numbered, failure = enumerate(source), None
    try:
        pipeline.begin()
        while True:
            try:
                index, item = next(numbered)
            except StopIteration:
                break
            except Exception as error:  # the source's own; what it gave before has its answers all the same
                failure = error
                break
            waiting.append((index, item, pipeline.start(item)))
            while waiting and (len(waiting) == window or not waiting[0][2].empty()):
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())
        if failure:
            raise failure
    finally:
        pipeline.stop()


def _result(index: int, source: ImageSource, answer: "_Answer") -> Result:
    found = answer.get()
    if isinstance(found, InputError):
        found.__traceback__ = found.__context__ = None  # they hold frames, and those the picture's content
        return Result(index, source, None, found)
    if isinstance(found, BaseException):
        raise found
    return Result(index, source, found, None)


# Holds the one answer that a picture gets. A `Future` has a lock of Python's, and an interrupt of the caller can leave
# it taken, so that the thread which brings the answer would wait for ever. A `SimpleQueue` has none.
_Answer = SimpleQueue[Detections | BaseException]


class _Pool:
    """Threads that do tasks; as with `_Answer`, no interrupt of the caller leaves a lock that they would wait for."""

    def __init__(self, number: int, name: str) -> None:
        self._tasks = SimpleQueue[Callable[[], None] | None]()
        self._threads = [Thread(target=self._work, name=f"{name}_{i}", daemon=True) for i in range(number)]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def submit(self, task: Callable[[], None]) -> None:
        self._tasks.put(task)

    def end(self) -> None:
        """What the threads are at is finished, what waits is dropped."""
        with suppress(Empty):
            while True:
                self._tasks.get_nowait()
        for _ in self._threads:
            self._tasks.put(None)

    def join(self) -> None:
        for thread in self._threads:
            if thread.ident is not None:  # else an interrupt came before it was started
                thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            del task  # it holds a picture, and the next may be long in coming


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A picture on its way to the network: `batch` `(1, 3, h, w)` float32; `answer` will hold its detections."""

    resize: Resize
    batch: NDArray[np.float32]
    source: ImageSource
    answer: _Answer


class _Pipeline:
    """The stages as tasks of two pools of threads. A picture's error, of whatever stage, goes into its answer."""

    def __init__(self, stages: Stages, batch_size: int, workers: int, runs: int) -> None:
        self._stages, self._batch_size = stages, batch_size
        self._workers, self._runs = _Pool(workers, "diffbin-worker"), _Pool(runs, "diffbin-run")
        self._ready: list[_Loaded] = []  # for the network, in the order they became so
        self._lock = Lock()  # of `_ready`

    def begin(self) -> None:
        """Starts all threads. They are stopped at the end of the process too, if a stream is left as it is."""
        atexit.register(self.stop)
        for pool in (self._workers, self._runs):
            pool.begin()

    def stop(self) -> None:
        """Ends all threads; what they are at is finished, what waits is dropped."""
        for pool in (self._runs, self._workers):
            pool.end()
        for pool in (self._runs, self._workers):
            pool.join()
        atexit.unregister(self.stop)

    def start(self, source: ImageSource) -> _Answer:
        """Sends a picture on its way to its answer."""
        answer = _Answer()
        if isinstance(source, np.ndarray):
            source = source.copy()  # cameras fill one array again and again
        elif isinstance(source, bytearray | memoryview):
            source = bytes(source)
        elif isinstance(source, Image.Image | Readable):  # closed, or at the next frame, in its turn
            try:
                source = read_open(source, MAX_BYTES) if isinstance(source, Readable) else load(source)
            except InputError as error:
                answer.put(error)
                return answer
        self._workers.submit(partial(self._load, source, answer))
        return answer

    def _load(self, source: ImageSource, answer: _Answer) -> None:
        with _errors_into([answer]):
            picture = self._stages.load(source)
            found = self._stages.in_tiles(picture)
            if found is not None:
                answer.put(found)
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
                self._workers.submit(partial(self._decode, loaded, prob))

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
            loaded.answer.put(answer)


def _joined(batches: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return batches[0] if len(batches) == 1 else np.concatenate(batches)


@contextmanager
def _errors_into(answers: Sequence[_Answer]) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        for answer in answers:
            answer.put(error)

"""Streams: answers as one by one, in order, within bounds, and no thread left behind."""

import atexit
import itertools
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from conftest import DarkIsText, page
from diffbin.config import Preprocess
from diffbin.detections import Detections
from diffbin.detector import Detector
from diffbin.errors import ConfigError, InputError
from diffbin.image import ImageSource, Resize
from diffbin.stream import _Answer, _Loaded, _Pipeline

SIZES = [(96, 128), (128, 96), (96, 128), (40, 300), (96, 128), (1, 1), (128, 96), (200, 150), (96, 128)]
PICTURES = [page(1 + i % 3, size)[0] for i, size in enumerate(SIZES)]


def left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("diffbin-")]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not left()


def same(one: Detections, other: Detections) -> bool:
    return (
        one.size == other.size
        and np.array_equal(one.scores, other.scores)
        and len(one) == len(other)
        and all(np.array_equal(p, q) for p, q in zip(one.polygons, other.polygons, strict=True))
    )


@pytest.mark.parametrize(("batch_size", "workers", "runs"), [(1, 1, 1), (1, 2, 2), (4, 3, 1), (3, 2, 2)])
def test_a_stream_answers_as_one_by_one(model_file: Path, batch_size: int, workers: int, runs: int) -> None:
    for detector in (Detector(model_file, threads=1), Detector(DarkIsText())):
        results = list(detector.stream(iter(PICTURES), batch_size=batch_size, workers=workers, runs=runs))
        assert [result.index for result in results] == list(range(len(PICTURES)))
        for result, picture in zip(results, PICTURES, strict=True):
            assert result.source is picture and same(result.get(), detector.detect(picture))


def test_what_the_source_closes_or_goes_on_with_is_read_before(tmp_path: Path) -> None:
    for i, picture in enumerate(PICTURES[:3]):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    frames = [Image.fromarray(picture) for picture in PICTURES[:3]]
    frames[0].save(tmp_path / "all.tif", save_all=True, append_images=frames[1:])

    def closing(opened: Callable[[Path], Any]) -> Iterator[Any]:
        for i in range(3):
            with opened(tmp_path / f"{i}.png") as file:
                yield file

    def turning() -> Iterator[Image.Image]:
        with Image.open(tmp_path / "all.tif") as image:
            yield from ImageSequence.Iterator(image)

    detector = Detector(DarkIsText())
    for source in (closing(Image.open), closing(partial(Path.open, mode="rb")), turning()):
        for result, picture in zip(detector.stream(source), PICTURES[:3], strict=True):
            assert same(result.get(), detector(picture))
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:90])
    errors = [result.error for result in detector.stream(closing(Image.open))]
    assert errors[0] is None and "the picture is damaged" in str(errors[1]) and errors[2] is None


def test_a_list_answers_as_one_by_one_and_raises_the_first_error(model_file: Path) -> None:
    detector = Detector(model_file, threads=1)
    for found, picture in zip(detector(list[ImageSource](PICTURES)), PICTURES, strict=True):
        assert same(found, detector(picture))
    assert detector([]) == []
    with pytest.raises(InputError, match=r"first\.png"):
        detector([PICTURES[0], "first.png", "second.png"])


def test_threads_share_a_detector(model_file: Path) -> None:
    detector = Detector(model_file)
    expected = [detector(picture) for picture in PICTURES]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(detector.detect, PICTURES * 5))
        lists = list(pool.map(detector, [PICTURES] * 3))
    assert all(same(a, b) for a, b in zip(found, expected * 5, strict=True))
    assert all(same(a, b) for answers in lists for a, b in zip(answers, expected, strict=True))


def test_errors_come_with_their_picture(tmp_path: Path) -> None:
    results = list(Detector(DarkIsText()).stream([PICTURES[0], tmp_path / "no.png", PICTURES[1], b"text"]))
    assert [result.error is None for result in results] == [True, False, True, False]
    assert [result.detections is None for result in results] == [False, True, False, True]
    assert all(result.error.__traceback__ is None for result in results if result.error)  # it would hold the content
    with pytest.raises(InputError, match=r"no\.png cannot be read"):
        results[1].get()


def test_an_array_may_be_filled_anew() -> None:
    """As cameras do: the picture is what it was when the stream took it."""

    def frames() -> Iterator[NDArray[np.uint8]]:
        frame = np.empty_like(picture)
        for i in range(6):
            frame[:] = 255 if i % 2 else picture
            yield frame

    picture = page()[0]
    found = [len(result.get()) for result in Detector(DarkIsText()).stream(frames())]
    assert found == [3, 0] * 3


class Failing(DarkIsText):
    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if batch.shape[2] > batch.shape[3]:
            raise RuntimeError("out of memory")
        return super().run(batch)


def test_a_failing_engine_ends_the_stream_at_its_picture() -> None:
    stream = Detector(Failing()).stream(PICTURES)
    assert next(stream).get().size == SIZES[0]
    with pytest.raises(RuntimeError, match="out of memory"):
        next(stream)


def test_a_failing_source_ends_the_stream_after_what_it_gave() -> None:
    def source() -> Iterator[NDArray[np.uint8]]:
        yield from PICTURES[:3]
        raise OSError("unplugged")

    stream = Detector(DarkIsText()).stream(source())
    assert [next(stream).get().size for _ in range(3)] == SIZES[:3]
    with pytest.raises(OSError, match="unplugged"):
        next(stream)


def test_an_endless_source_is_held_back_by_a_slow_consumer() -> None:
    given = 0

    def source() -> Iterator[NDArray[np.uint8]]:
        nonlocal given
        for given in itertools.count(1):  # noqa: B007
            yield PICTURES[0]

    stream = Detector(DarkIsText()).stream(source(), batch_size=2, workers=3, runs=1)
    for taken, _ in enumerate(itertools.islice(stream, 30)):
        time.sleep(0.002)
        assert taken < given <= taken + 3 + 2 * 2
    stream.close()
    assert given <= 30 + 3 + 2 * 2


def test_a_batch_is_the_oldest_picture_and_others_of_its_shape() -> None:
    def loaded(height: int) -> _Loaded:
        resize = Resize((height, 32), (height, 32), (height, 32))
        return _Loaded(resize, np.zeros((1, 3, height, 32), np.float32), "", _Answer())

    pipeline = _Pipeline(Detector(DarkIsText()), batch_size=2, workers=1, runs=1)
    pictures = [loaded(32), loaded(64), loaded(32), loaded(32)]
    pipeline._ready.extend(pictures)
    batches = [[pictures.index(p) for p in pipeline._take()] for _ in range(4)]
    assert batches == [[0, 2], [1], [3], []]


def test_stages_overlap_and_batches_fill_behind_a_slow_engine() -> None:
    sizes = []

    class Slow(DarkIsText):
        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            sizes.append(len(batch))
            time.sleep(0.05)
            return super().run(batch)

    list(Detector(Slow()).stream([PICTURES[0]] * 13, batch_size=4, runs=1))
    assert max(sizes) == 4 and sum(sizes) == 13


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, GeneratorExit])
def test_leaving_the_loop_ends_all_threads(stop: type[BaseException]) -> None:
    with pytest.raises(stop):
        for result in Detector(DarkIsText()).stream(itertools.repeat(PICTURES[0])):
            if result.index == 5:
                assert left()
                raise stop
    assert not left()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # interrupts of a weak set's own code
def test_an_interrupt_at_any_moment_leaves_no_lock_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is raised wherever the caller's thread is, within a lock's own code too; then a thread waits for ever."""
    detector, ends = Detector(DarkIsText()), list[Callable[[], None]]()
    monkeypatch.setattr(atexit, "register", ends.append)

    def interrupted(moment: int) -> bool:
        def count(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
            frame.f_trace_opcodes = True
            if next(steps) == moment:
                raise KeyboardInterrupt
            return count

        steps, stream = itertools.count(1), detector.stream(PICTURES[3:6])
        next(stream)
        sys.settrace(count)
        try:
            list(stream)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    interrupts = 0
    while interrupted(1 + 3 * interrupts):
        interrupts += 1
        ends[-1]()  # an interrupt of the stop itself is put right at the end of the process
    assert interrupts > 50


@pytest.mark.slow
def test_a_stream_that_is_left_as_it_is_does_not_hold_up_the_end(model_file: Path) -> None:
    program = f"""
        import numpy, diffbin
        stream = diffbin.Detector({str(model_file)!r}).stream(numpy.zeros((64, 64, 3), numpy.uint8) for _ in range(99))
        print(next(stream).index)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0\n", "")


def test_wrong_arguments_are_told_at_once() -> None:
    detector = Detector(DarkIsText())
    for picture in ("a.png", b"", PICTURES[0], Path("a.png")):
        with pytest.raises(InputError, match="several"):
            detector.stream(picture)  # type: ignore[arg-type]
    for name in ("batch_size", "workers", "runs"):
        with pytest.raises(ConfigError, match=f"{name} is 0"):
            detector.stream([], **{name: 0})
        with pytest.raises(ConfigError, match=f"{name} is 1.5; it must be a whole number"):
            detector.stream([], **{name: 1.5})  # type: ignore[arg-type]


def test_a_coarse_multiple_makes_few_shapes() -> None:
    def shapes(multiple: int) -> int:
        config = Preprocess(multiple_px=multiple)
        return len({Resize.fit((h, w), config).padded for h in range(50, 2000, 50) for w in range(50, 2000, 50)})

    assert shapes(32) > 60 and shapes(128) < 25

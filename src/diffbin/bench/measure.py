"""Every combination of a plan, timed by turns."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from diffbin import zoo
from diffbin.bench.peers import Size
from diffbin.bench.subjects import Ours, Subject, Theirs, Times, random_engine
from diffbin.engines import Runtime
from diffbin.errors import ConfigError, DiffbinError
from diffbin.image import load
from diffbin.plain import from_dict

Maker = tuple[str, Callable[[], Subject]]  # what will be made, in words, and what makes it


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be measured: every combination of these."""

    models: Sequence[str] = (zoo.EMBEDDED,)
    recipes: Sequence[str] = ()  # their networks, with random weights
    engines: Sequence[str] = ("auto",)
    precisions: Sequence[str] = ("auto",)
    device: str = "auto"
    sizes: Sequence[Size | None] = (None,)  # that a picture is fitted into; None = the model's own
    batches: Sequence[int] = (1,)
    threads: Sequence[int] = (0,)  # 0 = one a core
    peers: Sequence[str] = ()  # at each size of ours, and at their own
    turns: int = 7
    many: int = 16  # pictures one after the other, for the throughput; 0 = it is not measured

    def __post_init__(self) -> None:
        if min(*self.batches, self.turns) < 1 or min(*self.threads, self.many) < 0:
            raise ConfigError("Batches and turns are at least 1, threads and pictures in a row at least 0.")
        if 0 in self.threads and len(self.threads) > 1:
            raise ConfigError("Threads are either 0, which is one a core, or numbers to compare.")


@dataclass(frozen=True)
class Row:
    """One combination, and the milliseconds a picture that it took."""

    subject: Subject
    input: str  # what the network sees of the first picture, h x w
    regions: float  # found, a picture
    times: dict[str, list[float]] = field(default_factory=dict)  # by what was timed; one a turn

    def median(self) -> Times:
        """Over all turns."""
        return {name: statistics.median(times) for name, times in self.times.items()}

    def least(self) -> Times:
        """Over all turns."""
        return {name: min(times) for name, times in self.times.items()}


@dataclass(frozen=True)
class Absent:
    """A combination that cannot be measured here."""

    what: str
    reason: str


def measure(
    plan: Plan, pictures: Sequence[Path], *, progress: Callable[[int, int], None] = lambda *_: None
) -> tuple[list[Row], list[Absent]]:
    """Times every combination once a turn; each turn begins with the next picture.

    `progress` is called with the number of turns done and their total. Raises `InputError` for a picture that cannot
    be read.
    """
    for path in pictures:
        load(path)  # told before an engine starts
    rows, absent = _open(_ours(plan), pictures)
    sizes = [*dict.fromkeys(row.subject.size for row in rows), None]
    others, missing = _open(_peers(plan, sizes), pictures)
    rows += others
    for turn in range(plan.turns if rows else 0):
        first = turn % len(pictures)
        for row in rows:
            for name, ms in row.subject.measure([*pictures[first:], *pictures[:first]]).items():
                row.times.setdefault(name, []).append(ms)
        progress(turn + 1, plan.turns)
    return rows, absent + missing


def _ours(plan: Plan) -> Iterator[Maker]:
    loaders = [(name, partial(zoo.load, name)) for name in plan.models]
    loaders += [(f"{name} (random)", partial(random_engine, name)) for name in plan.recipes]
    for (name, loader), engine, precision, threads in product(loaders, plan.engines, plan.precisions, plan.threads):
        asked = {"engine": engine, "precision": precision, "device": plan.device, "threads": threads}
        shared = cache(partial(loader, from_dict(Runtime, asked)))  # by all sizes and batches
        for size, batch in product(plan.sizes, plan.batches):
            what = f"{name}, {engine}, {precision}, batch {batch}"
            yield what, partial(Ours.open, name, shared, size=size, batch=batch, threads=threads, many=plan.many)


def _peers(plan: Plan, sizes: Sequence[Size | None]) -> Iterator[Maker]:
    for name, size, threads in product(plan.peers, sizes, plan.threads):
        what = f"{name}, {f'{size[0]}x{size[1]}' if size else 'its own size'}"
        yield what, partial(Theirs.open, name, size, threads=threads, many=plan.many)


def _open(makers: Iterator[Maker], pictures: Sequence[Path]) -> tuple[list[Row], list[Absent]]:
    """A row for each that can be made and has done all pictures once, which warms it up."""
    rows, absent = [], []
    for what, make in makers:
        try:
            subject = make()
            rows.append(Row(subject, *subject.warm_up(pictures)))
        except (DiffbinError, MemoryError, RuntimeError) as error:  # the last is PyTorch's when a GPU's memory is full
            absent.append(Absent(what, str(error)))
    return rows, absent


@contextmanager
def rendered() -> Iterator[list[Path]]:
    """Four pictures of 1280 x 720 with 10 to 30 words, the same every time."""
    from diffbin.data.synth import Synth, render_set

    with TemporaryDirectory() as folder:
        config = Synth(size_px=(720, 1280), words_min=10, empty_ratio=0.0)
        render_set(config, out=Path(folder), count=4, seed=0, workers=1)
        yield sorted((Path(folder) / "images").iterdir())

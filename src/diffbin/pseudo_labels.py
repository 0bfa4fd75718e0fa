"""Labels by a trained model for pictures that have none (pseudo-labels, Lee 2013), to train another model on.

What the model is sure of becomes a label, what it is unsure of is marked as do-not-care, the rest is background.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from diffbin.data.annotations import check_stems, pictures_in
from diffbin.data.labels import ICDAR_IGNORED
from diffbin.data.picture import read_picture
from diffbin.detections import Detections
from diffbin.detector import Detector
from diffbin.errors import InputError
from diffbin.files import write_whole
from diffbin.formats.icdar import line
from diffbin.rgb import Picture

LEFT_OUT = "left_out.txt"
ODD_NAMES = "surrogateescape"  # file names need not be UTF-8


@dataclass(frozen=True)
class Rule:
    """What becomes of a region, by its score: from `keep` on a label, from `ignore` on do-not-care, below nothing.

    A picture without any label is left out, or with `empty` written all the same, as one without sure text.
    """

    model: str  # its name, for the record
    keep: float
    ignore: float
    empty: bool = False
    options: str = ""  # others that decide what is found, as the command has them

    def __post_init__(self) -> None:
        if not 0 <= self.ignore <= self.keep <= 1:
            raise InputError(f"keep is {self.keep} and ignore is {self.ignore}; it must be 0 <= ignore <= keep <= 1.")

    def __str__(self) -> str:
        others = [", empty ones too"] * self.empty + [f", {self.options}"] * bool(self.options)
        return f"{self.model}, keep {self.keep:g}, ignore {self.ignore:g}{''.join(others)}"

    def text(self, found: Detections) -> str | None:
        """The label file, a line `x1,y1,...,xn,yn,score` or `...,###` a region; None for a picture to leave out."""
        if not self.empty and not (found.scores >= self.keep).any():
            return None
        regions = found.filter(self.ignore)
        return "".join(line(r.polygon, f"{r.score:.4f}" if r.score >= self.keep else ICDAR_IGNORED) for r in regions)


@dataclass(frozen=True)
class Tally:
    """Numbers of pictures, and a sentence for each that failed."""

    labelled: int
    left_out: int
    there: int  # dealt with by an earlier call
    failed: Sequence[str]


def label_pictures(
    detector: Detector, folder: Path, out: Path, rule: Rule, *, progress: Callable[[int, int], None] = lambda *_: None
) -> Tally:
    """Writes `out/STEM.txt` for the pictures of a folder, in pixels of the pictures as stored, and goes on where a call
    before was broken off.

    Pictures left out stand in `out/left_out.txt`, below the rule. Raises `InputError` where `out` was begun by another
    rule, or two pictures would share a file.
    """
    pictures = pictures_in(folder)
    check_stems(pictures)
    for path in pictures:
        if path.name.splitlines() != [path.name] or f"{path.stem}.txt" == LEFT_OUT:
            raise InputError(f"The picture {str(path)!r} cannot be told of in {LEFT_OUT}; rename it.")
    left_out = _begin(out / LEFT_OUT, rule)
    waiting = [path for path in pictures if path.name not in left_out and not (out / f"{path.stem}.txt").exists()]
    counts, failed, started = Counter[str](), list[str](), list[Path]()
    unsure = detector.with_decode(score_threshold=rule.ignore)
    with (
        closing(unsure.stream(_readable(waiting, started, failed))) as results,
        (out / LEFT_OUT).open("a", encoding="utf-8", errors=ODD_NAMES) as record,
    ):
        for done, result in enumerate(results, 1):
            path = started[result.index]
            if result.detections is None:
                failed.append(f"{path}: {result.error}")
            elif (text := rule.text(result.detections)) is None:
                counts["left out"] += 1
                record.write(f"{path.name}\n")
                record.flush()
            else:
                counts["labelled"] += 1
                write_whole(out / f"{path.stem}.txt", text.encode())
            progress(done, len(waiting))
    return Tally(counts["labelled"], counts["left out"], len(pictures) - len(waiting), failed)


def _begin(record: Path, rule: Rule) -> set[str]:
    """Names of pictures left out so far; starts the record where there is none."""
    if not record.exists():
        write_whole(record, f"{rule}\n".encode())
    first, *names = record.read_text("utf-8", ODD_NAMES).splitlines() or [""]
    if first != str(rule):
        raise InputError(f'{record.parent} was begun by another rule, "{first}"; take that one, or another folder.')
    return set(names)


def _readable(paths: Sequence[Path], started: list[Path], failed: list[str]) -> Iterator[Picture]:
    """The pictures as stored, which is how labels see them; `started` and `failed` fill on the way."""
    for path in paths:
        try:
            picture = read_picture(path)
        except InputError as error:
            failed.append(str(error))
        else:
            started.append(path)
            yield picture

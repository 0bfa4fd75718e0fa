"""What `examples/read.py` makes of regions, and how `benchmarks/reading.py` counts, with a stand-in for rapidocr."""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from diffbin.data.labels import Annotation
from diffbin.detections import Points
from diffbin.metrics.iou import score

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "read.py"
Cut = NDArray[np.uint8]


class Recogniser:
    """Tells which way the picture runs in what it is shown; where red counts columns and green rows, and blue is 7."""

    def __init__(self) -> None:
        self.scores = {"along": 0.9, "down": 0.9, "up": 0.9}
        self.classified: list[str] = []  # what it might have turned by itself

    def __call__(self, cut: Cut, *, use_det: bool, use_cls: bool, use_rec: bool) -> Any:
        assert use_rec and not use_det and (cut[..., 0] == 7).all(), "it is BGR, and a region"
        red, green = (int(cut[0, -1, channel]) - int(cut[0, 0, channel]) for channel in (2, 1))
        way = "along" if red > 0 else "down" if green > 0 else "up"
        self.classified += [way] if use_cls else []
        return SimpleNamespace(txts=(way,), scores=(self.scores[way],))


@pytest.fixture
def recogniser(monkeypatch: pytest.MonkeyPatch) -> Recogniser:
    recogniser, module = Recogniser(), ModuleType("rapidocr")
    module.RapidOCR = lambda params: recogniser  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rapidocr", module)
    return recogniser


@pytest.fixture
def picture() -> Cut:
    rows, columns = np.mgrid[:100, :100].astype(np.uint8)
    return np.stack([columns, rows, np.full_like(rows, 7)], axis=2)


def quad(x: float, y: float, w: float, h: float) -> Points:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)


def test_what_is_tall_is_read_both_ways(recogniser: Recogniser, picture: Cut) -> None:
    reader = runpy.run_path(str(EXAMPLE))["Reader"]()
    assert reader.read(picture, quad(10, 10, 40, 20)) == ("along", 0.9, False)
    assert recogniser.classified == ["along"]
    recogniser.scores = {"along": 0.0, "down": 0.6, "up": 0.8}
    assert reader.read(picture, quad(10, 10, 20, 40)) == ("up", 0.8, True)
    recogniser.scores["down"] = 0.85
    assert reader.read(picture, quad(10, 10, 20, 40)) == ("down", 0.85, False)
    assert recogniser.classified == ["along"], "both ways would be one"


def test_words_of_a_line_stand_in_the_order_of_its_text(recogniser: Recogniser) -> None:
    example = runpy.run_path(str(EXAMPLE))
    word, text = example["Word"], example["text"]
    assert text([word("one", 0.9), word("?", 0.3), word("", 0.9), word("two", 0.5)]) == "one two"
    assert text([word("three", 0.9, True), word("two", 0.9, True), word("I", 0.9)]) == "I two three"
    assert text([word("?", 0.1)]) == ""


def test_the_text_of_pictures_is_printed(
    recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    same = SimpleNamespace(txts=("a",), scores=(1.0,))
    monkeypatch.setattr(sys.modules["rapidocr"], "RapidOCR", lambda params: lambda cut, **_: same)
    path = str(ROOT / "examples" / "img_984.jpg")
    main = runpy.run_path(str(EXAMPLE))["main"]
    assert main("missing.jpg", path) == 1
    out, err = capsys.readouterr()
    name, *lines = out.splitlines()
    assert name == path and len(lines) > 5 and {*" ".join(lines).split()} == {"a"}
    assert err == "missing.jpg cannot be read: No such file or directory.\n"
    assert main() == 2 and "python examples/read.py street.jpg" in capsys.readouterr().err


def test_what_the_recogniser_would_refuse_is_not_read(
    recogniser: Recogniser, picture: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("too thin")

    monkeypatch.setattr(sys.modules["rapidocr"], "RapidOCR", lambda params: refuse)
    reader = runpy.run_path(str(EXAMPLE))["Reader"]()
    assert reader.read(picture, quad(10, 10, 120, 1)) == ("", 0.0, False)
    with pytest.raises(ValueError, match="too thin"):  # whatever else is wrong is told
        reader.read(picture, quad(10, 10, 80, 1))


def test_a_word_counts_as_read_where_its_letters_are_the_label_s(recogniser: Recogniser) -> None:
    matches = runpy.run_module("benchmarks.reading")["matches"]
    labels = [quad(0, top, 40, 10) for top in (0, 20, 40, 60, 80)]
    annotation = Annotation(
        labels, np.array([False, False, True, False, False]), ["Exit!", "Way", "###", "missed", "&"]
    )
    read = (
        [quad(0, 40, 40, 10), quad(1, 0, 40, 10), quad(0, 21, 40, 10), quad(0, 80, 40, 10)],
        ["no", "EXIT", "Wav", ""],
    )
    found, right = (score([match], 0) for match in matches(annotation, read))
    assert (found.hits, right.hits) == (3, 1)
    assert found.regions == right.regions == 4 and found.predictions == right.predictions == 3


def test_nothing_found_is_nothing_read(recogniser: Recogniser) -> None:
    matches = runpy.run_module("benchmarks.reading")["matches"]
    annotation = Annotation([quad(0, 0, 40, 10)], np.array([False]), ["Exit"])
    for match in matches(annotation, ([], [])):
        assert score([match], 0).recall == 0 and score([match], 0).predictions == 0

"""The labels of lines that `examples/line_labels.py` writes, with a stand-in for the detector of rapidocr."""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest

PROGRAM = Path(__file__).parents[2] / "examples" / "line_labels.py"


def box(x0: int, y0: int, x1: int, y1: int) -> list[list[int]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def label(x0: int, y0: int, x1: int, y1: int, text: str) -> str:
    return ",".join(str(v) for corner in box(x0, y0, x1, y1) for v in corner) + f",{text}\n"


def test_sure_lines_over_words_are_labels_and_the_rest_is_not_cared_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over_words, over_nothing, unsure = box(8, 8, 92, 32), box(8, 60, 92, 80), box(100, 60, 190, 80)
    found = SimpleNamespace(boxes=np.array([over_words, over_nothing, unsure]), scores=(0.9, 0.9, 0.5))
    stand_in = ModuleType("rapidocr")
    stand_in.RapidOCR = lambda params: lambda picture: found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rapidocr", stand_in)
    images, gt, out = (tmp_path / name for name in ("images", "gt", "out"))
    images.mkdir()
    gt.mkdir()
    cv2.imwrite(str(images / "a.jpg"), np.full((100, 200, 3), 90, np.uint8))
    words = label(10, 10, 50, 30, "two") + label(60, 10, 90, 30, "###") + label(120, 10, 180, 30, "alone")
    (gt / "a.txt").write_text(words)

    runpy.run_path(str(PROGRAM))["main"](str(images), str(gt), str(out))

    assert (out / "gt" / "a.txt").read_text().splitlines() == [
        label(12, 12, 138, 48, "line").strip(),
        label(12, 90, 138, 120, "###").strip(),
        label(150, 90, 285, 120, "###").strip(),
        label(180, 15, 270, 45, "###").strip(),
    ]
    enlarged = cv2.imread(str(out / "images" / "a.jpg"))
    assert enlarged is not None and enlarged.shape == (150, 300, 3)

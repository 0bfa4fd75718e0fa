"""What is said of text that is seen too small."""

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import DarkIsText
from diffbin import Detector, legibility
from diffbin.config import Preprocess
from diffbin.errors import SmallTextWarning
from diffbin.image import Resize, resized
from diffbin.pages import Page
from diffbin.rgb import Picture


def scan(lines: int, height: int = 12, size: tuple[int, int] = (400, 300)) -> Picture:
    """White, with black bars in the place of lines; of the ordinary size it is seen at 0.32."""
    sheet = np.full((*size, 3), 255, np.uint8)
    for i in range(lines):
        sheet[2 * height * i + height : 2 * height * (i + 1), 30:270] = 0
    return sheet


@pytest.mark.parametrize("size", [(1754, 1240), (4000, 1240), (3200, 1000), (3000, 2000)])
def test_the_size_that_a_warning_names_is_enough(size: tuple[int, int]) -> None:
    config = Preprocess()
    with pytest.warns(SmallTextWarning) as told:
        legibility.warn_of_print(Page(Path("a.pdf"), 1), Resize.fit(size, config), config)
    found = re.search(r"--size (\d+) finds", str(told[0].message))
    assert found and Resize.fit(size, resized(config, int(found[1]))).ratio >= 1


def test_small_text_on_a_scan_is_told_with_a_size_that_helps() -> None:
    detector = Detector(DarkIsText())
    for look in (detector, detector.detect):
        with pytest.warns(SmallTextWarning, match="Text in the picture is seen so small .* or --size 300") as told:
            assert len(look(scan(15))) == 15
        assert len(told) == 1 and told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(detector.with_size(300)(scan(15))) == 15
        assert len(detector(scan(7))) == 7, "too few to tell"
        assert len(detector.with_size(300)(scan(10, 40, (800, 600)))) == 10, "large enough"


def test_small_text_is_looked_at_again_where_that_is_asked_for() -> None:
    @dataclass
    class Watched(DarkIsText):
        sizes: list[tuple[int, ...]] = field(default_factory=list)

        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            self.sizes.append(batch.shape[2:])
            return super().run(batch)

    engine = Watched()
    detector = Detector(engine, tile="auto")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = detector(scan(15))
        assert [len(result.get()) for result in detector.stream([scan(15), scan(7)])] == [15, 7]
    whole = Detector(DarkIsText()).with_size(300)(scan(15))
    assert all(np.array_equal(a, b) for a, b in zip(found.polygons, whole.polygons, strict=True)) and len(found) == 15
    assert engine.sizes == [(128, 96), (416, 320), (128, 96), (416, 320), (128, 96)]


def test_a_stream_names_the_picture(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), scan(15))
    with pytest.warns(SmallTextWarning, match=r"Text in .*a\.png is seen so small") as told:
        assert [len(result.get()) for result in Detector(DarkIsText()).stream([tmp_path / "a.png"])] == [15]
    assert len(told) == 1


def test_of_a_very_large_picture_one_thing_is_told() -> None:
    with pytest.warns(SmallTextWarning, match="--tile auto") as told:
        assert len(Detector(DarkIsText()).detect(scan(15, 100, (4000, 3000)))) == 15
    assert len(told) == 1

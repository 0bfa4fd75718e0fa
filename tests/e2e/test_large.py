"""Large pictures put together from the examples: what is found in the single pictures is found again in tiles.

"Clear" regions have a score of 0.05 and more above the threshold. Of the others some are lost by any shift of the
picture, without tiles as well (`python -m benchmarks.tiling`, row "moved").
"""

import pytest
from benchmarks.tiling import EXAMPLES, Found, assemble, compare, enlarge

from diffbin import Detector
from diffbin.image import load


def found_again(size: tuple[int, int], names: str) -> Found:
    detector = Detector(tile="auto")
    large = assemble(detector, [load(path) for path in sorted(EXAMPLES.glob(names))], size)
    return compare(detector, large.regions, detector.detect(large.picture))


def test_a_large_picture_answers_what_its_parts_do() -> None:
    found = found_again((750, 2666), "img_9[48][46].jpg")
    assert found.clear_again >= found.clear - 1 > 40 and found.clear_split == 0
    assert found.again >= 0.95 * found.regions


@pytest.mark.slow
def test_a_picture_of_8000_by_6000_answers_what_its_parts_do() -> None:
    found = found_again((6000, 8000), "*.jpg")
    assert found.clear_again >= 0.995 * found.clear and found.clear_split == 0
    assert found.regions > 800 and found.again >= 0.95 * found.regions


@pytest.mark.slow
def test_words_larger_than_tiles_can_read_are_found() -> None:
    detector = Detector(tile="auto")
    large = enlarge(detector, load(EXAMPLES / "img_946.jpg"), (2160, 3840))
    found = compare(detector, large.regions, detector.detect(large.picture))
    assert found.regions == 18 and found.again >= 17

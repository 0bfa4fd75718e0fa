"""Large pictures put together from the examples: what is found in the single pictures is found again in tiles.

Some regions are lost or split by any shift of the picture, without tiles as well, so tiles are held to what merely
moving the single pictures costs: the small picture to two clear regions fewer and one in parts, the large one to 4 %
fewer and 0.5 % in parts (`python -m benchmarks.tiling`, row "moved"). "Clear" regions have a score of 0.05 and more
above the threshold. The large picture holds each of its pictures twelve times, so one region there counts 1.5 %; by
engine and rounding tiles lose one or two of them.
"""

import pytest
from benchmarks.tiling import EXAMPLES, Found, assemble, compare, enlarge, moved

from diffbin import Detector
from diffbin.image import load


def found_again(size: tuple[int, int], names: str) -> tuple[Found, Found]:
    """In tiles, and in single pictures that are merely moved."""
    detector = Detector(tile="auto")
    large = assemble(detector, [load(path) for path in sorted(EXAMPLES.glob(names))], size)
    answers = (detector.detect(large.picture), moved(Detector(), large))
    tiles, shifted = (compare(detector, large.regions, answer) for answer in answers)
    return tiles, shifted


@pytest.mark.slow
def test_a_large_picture_answers_what_its_parts_do() -> None:
    tiles, shifted = found_again((750, 2666), "img_9[48][46].jpg")
    assert tiles.clear_again >= shifted.clear_again - 2 > 40 and tiles.clear_split <= 1
    assert tiles.again >= 0.87 * tiles.regions


@pytest.mark.slow
def test_a_picture_of_8000_by_6000_answers_what_its_parts_do() -> None:
    tiles, shifted = found_again((6000, 8000), "*.jpg")
    assert tiles.clear_again >= 0.96 * shifted.clear_again
    assert tiles.clear_split <= shifted.clear_split + 0.005 * tiles.clear
    assert tiles.regions > 800 and tiles.clear_again >= 0.95 * tiles.clear and tiles.again >= 0.87 * tiles.regions


@pytest.mark.slow
def test_words_larger_than_tiles_can_read_are_found() -> None:
    detector = Detector(tile="auto")
    large = enlarge(detector, load(EXAMPLES / "img_946.jpg"), (2160, 3840))
    found = compare(detector, large.regions, detector.detect(large.picture))
    assert found.regions > 16 and found.again >= 0.8 * found.regions

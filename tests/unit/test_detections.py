"""The answer: filtering, order, clipping, drawing."""

import json
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffbin import detections
from diffbin.detections import Detections
from diffbin.draw import draw
from diffbin.formats.json import to_json


def box(x: float, y: float, w: float = 20, h: float = 10) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)


def make(*corners: tuple[float, float]) -> Detections:
    return Detections([box(*c) for c in corners], np.linspace(0.9, 0.5, len(corners), dtype=np.float32), (100, 200))


def test_reading_order() -> None:
    found = make((100, 52), (10, 80), (10, 50), (60, 3), (5, 0)).in_reading_order()
    assert [p[0].tolist() for p in found.polygons] == [[5, 0], [60, 3], [10, 50], [100, 52], [10, 80]]
    assert found.scores.tolist() == pytest.approx([0.5, 0.6, 0.7, 0.9, 0.8])
    assert len(Detections([], np.zeros(0, np.float32), (5, 5)).in_reading_order()) == 0


def test_what_lies_more_than_half_a_height_lower_is_another_line() -> None:
    for lower, order in ((4, [10, 50]), (6, [50, 10])):
        found = make((50, 0), (10, lower)).in_reading_order()
        assert [p[0, 0] for p in found.polygons] == order


def test_lines_that_run_leftwards_or_downwards() -> None:
    """Two columns of one page, turned as the script runs, below a title."""
    page = [(200, 20, 500, 40), *column(50, 100, 9, 4), *column(400, 107, 8, 4)]
    mirrored = [(1000 - left - width, top, width, height) for left, top, width, height in page]
    turned = [(1000 - top - height, left, height, width) for left, top, width, height in page]
    for reading, places in (("ltr", page), ("rtl", mirrored), ("vertical-rl", turned)):
        assert order(placed(*places), reading) == places


def placed(*places: tuple[int, int, int, int]) -> Detections:
    """Upright regions of such left, top, width and height, mixed up."""
    mixed = np.random.default_rng(0).permutation(len(places)).tolist()
    return Detections([box(*places[i]) for i in mixed], np.ones(len(places), np.float32), (1000, 1000))


def order(found: Detections, reading: str = "ltr") -> list[tuple[int, ...]]:
    boxes = found.in_reading_order(reading).boxes().astype(int).tolist()
    return [(left, top, right - left, bottom - top) for left, top, right, bottom in boxes]


def column(left: int, top: int, rows: int, words: int = 1, width: int = 300) -> list[tuple[int, int, int, int]]:
    gap, each = 8, (width + 8) // words
    return [(left + each * i, top + 30 * row, each - gap, 20) for row in range(rows) for i in range(words)]


@pytest.mark.parametrize("words", [1, 4])
@pytest.mark.parametrize("shift", [0, 7, 15])
def test_columns_are_read_one_after_the_other(words: int, shift: int) -> None:
    """Under a title, above a caption, and once more; three of them too; their lines need not be level."""
    page = [(200, 20, 500, 40), *column(50, 100, 9, words), *column(400, 100 + shift, 8, words)]
    page += [(50, 400, 650, 20), *column(50, 450, 5, words), *column(400, 450 + shift, 6, words), (350, 650, 60, 20)]
    assert order(placed(*page)) == page
    three = [place for i in range(3) for place in column(20 + 340 * i, 50 + shift * (i % 2), 6, words)]
    assert order(placed(*three)) == three


def test_tables_and_receipts_are_read_in_rows() -> None:
    for width in (40, 120):
        rows = [(x, 50 + 30 * i, w, 20) for i in range(10) for x, w in ((50, 250), (600, width))]
        assert order(placed(*rows)) == rows
    few = [(x, 50 + 30 * i, 300, 20) for i in range(2) for x in (50, 600)]
    assert order(placed(*few)) == few


def test_a_long_table_is_read_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, is_text = list[int](), detections._is_text

    def counted(*asked: Any) -> bool:
        looks.append(sum(map(len, asked[1])))
        return is_text(*asked)

    monkeypatch.setattr(detections, "_is_text", counted)
    rows = [(left, 30 * row, 60, 20) for row in range(400) for left in (0, 200, 400)]
    assert order(placed(*rows)) == rows
    assert len(looks) <= 4 * 400 and max(looks) <= detections.ENOUGH_LINES


def test_a_column_may_begin_with_short_lines() -> None:
    left = [(0, 30 * row, 60 if row < 22 else 300, 20) for row in range(60)]
    right = column(400, 0, 60)
    assert order(placed(*left, *right)) == [*left, *right]


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32])
def test_numbers_of_any_kind_are_ordered(kind: type) -> None:
    polygons: list[Any] = [box(5, 30.0 * row, 200).astype(kind) for row in range(9, -1, -1)]
    found = Detections(polygons, np.ones(10, np.float32), (400, 400)).in_reading_order()
    assert [p[0, 1] for p in found.polygons] == [30 * row for row in range(10)]


@pytest.mark.parametrize(
    ("width", "degrees"), [*product([46, 200], [-9, -4, -1.5, 0, 0.5, 2, 4, 12]), (200, -25), (200, 29)]
)
def test_a_page_that_lies_askew_is_read_line_by_line(width: int, degrees: float) -> None:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    lines = [box(left, 30 * row, width, 20) for row in range(12) for left in range(0, 400, width + 12)]
    mixed = np.random.default_rng(0).permutation(len(lines)).tolist()
    found = Detections([lines[i] @ turn for i in mixed], np.linspace(1, 0, len(lines)).astype(np.float32), (900, 900))
    scores = found.in_reading_order().scores
    assert [mixed[round(place)] for place in ((1 - scores) * (len(lines) - 1)).tolist()] == list(range(len(lines)))


@pytest.mark.parametrize("top", range(300, 400, 7))
def test_rows_beside_something_tall_stay_rows(top: int) -> None:
    """As a stamp in the margin, a price, the head of a table's side."""
    rows = [(100 + 130 * word, 36 * row, 120, 26) for row in range(20) for word in range(3)]
    found = order(placed(*rows, (0, top, 60, 190)))
    assert [place for place in found if place[0]] == rows


def test_large_and_small_words_stand_on_one_line() -> None:
    assert order(placed((300, 30, 80, 20), (0, 0, 200, 50), (210, 30, 80, 20))) == [
        (0, 0, 200, 50), (210, 30, 80, 20), (300, 30, 80, 20)
    ]  # fmt: skip


def test_a_number_beside_a_column_belongs_to_it() -> None:
    numbered = [place for i in range(5) for place in ((20, 50 + 30 * i, 25, 20), (100, 50 + 30 * i, 300, 20))]
    beside = column(500, 50, 5)
    ended = [place for i in range(5) for place in ((500, 50 + 30 * i, 300, 20), (900, 50 + 30 * i, 25, 20))]
    assert order(placed(*column(100, 50, 5), *beside)) == [*column(100, 50, 5), *beside]
    assert order(placed(*column(100, 50, 5), *ended)) == [*column(100, 50, 5), *ended]
    assert sorted(order(placed(*numbered, *beside))) == sorted([*numbered, *beside])


@given(st.lists(st.tuples(*[st.integers(0, 400)] * 2, *[st.integers(0, 200)] * 2), max_size=40))
def test_every_region_is_read_once(places: list[tuple[int, int, int, int]]) -> None:
    assert sorted(order(placed(*places))) == sorted(places)


def test_what_is_clipped_starts_at_its_top_left_still() -> None:
    quad = np.array([[739.7, -42], [990.8, 183.5], [942.8, 241.5], [691.6, 33.3]], np.float32)
    inside = quad - np.array((500, -100), np.float32)
    first, second = Detections([quad, inside], np.ones(2, np.float32), (720, 1280)).clip().polygons
    assert first[0].tolist() == quad[3].tolist() and first[1].tolist() == [np.float32(739.7), 0]
    assert np.array_equal(second, inside)


def test_filter_clip_boxes_iterate() -> None:
    found = make((-5, 95), (190, 0))
    assert found.clip().boxes().tolist() == [[0, 95, 15, 100], [190, 0, 200, 10]]
    assert len(found.filter(0.6)) == 1 == len(list(found.filter(0.6)))
    assert found[0].score == pytest.approx(0.9)
    with pytest.raises(ValueError, match="1 polygons but 2 scores"):
        Detections([box(0, 0)], np.zeros(2, np.float32), (5, 5))


def test_to_json_and_back() -> None:
    found = Detections([box(1.234, 2), box(3, 4)[:3]], np.array([0.12345, 1], np.float32), (100, 200))
    again = Detections.from_dict(json.loads(to_json(found, "a.png")))
    assert again.size == (100, 200) and again.scores.tolist() == pytest.approx([0.12345, 1], abs=6e-5)
    for polygon, read in zip(found.polygons, again.polygons, strict=True):
        np.testing.assert_allclose(read, polygon, atol=0.005)
        assert read.dtype == np.float32
    none = Detections([], np.zeros(0, np.float32), (5, 6))
    assert len(Detections.from_dict(none.to_dict())) == 0


@pytest.mark.parametrize(
    ("size", "polygon", "score"),
    [
        ([5, 6], [], 1),
        ([5, 6], [[1, 2], [3, 4]], 1),
        ([5, 6], [[1, 2], [3, 4], [5]], 1),
        ([5, 6], [[1, 2], [3, 4], [5, 0]], [1]),
        ("56", [[1, 2], [3, 4], [5, 0]], 1),
        ([5], [[1, 2], [3, 4], [5, 0]], 1),
    ],
)
def test_what_is_no_answer_is_refused(size: object, polygon: object, score: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        Detections.from_dict({"size": size, "regions": [{"polygon": polygon, "score": score}]})


def test_a_part_of_them_and_one_among_them() -> None:
    found = make((5, 0), (60, 3), (10, 50))
    part = found[1:]
    assert isinstance(part, Detections) and part.size == found.size and len(part) == 2
    assert part.scores.tolist() == found.scores[1:].tolist() and np.array_equal(part.polygons[0], found.polygons[1])
    regions = list(found)
    assert regions.index(regions[2]) == 2 and len(set(regions)) == 3


def test_polygons_of_unequal_length_and_none() -> None:
    triangle = np.array([[-3, 4], [50, 4], [9, 120]], np.float32)
    found = Detections([box(150, 50), triangle], np.ones(2, np.float32), (100, 200)).clip().in_reading_order()
    assert [len(p) for p in found.polygons] == [3, 4]
    assert found.boxes().tolist() == [[0, 4, 50, 100], [150, 50, 170, 60]]
    empty = make().clip()
    assert len(empty) == 0 and empty.boxes().shape == (0, 4)


def test_drawing_leaves_the_picture_alone() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    drawn = draw(picture, make((50, 50)))
    assert not picture.any() and drawn[50, 60].any() and not drawn[10, 10].any()
    assert np.array_equal(draw(picture, make()), picture)

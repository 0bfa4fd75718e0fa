"""Words joined to lines."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from diffbin.config import Source
from diffbin.data.annotations import Picture, read_annotation
from diffbin.data.labels import Annotation, Label
from diffbin.data.lines import join_words
from diffbin.detections import Detections, Points
from diffbin.errors import ConfigError
from diffbin.geometry import clockwise, signed_area
from diffbin.lines import lines, neighbours

LINE = "10,10,50,10,50,30,10,30,two\n60,12,90,12,90,30,60,30,###\n100,10,180,10,180,30,100,30,words\n"


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def turned(polygon: Points, degrees: float) -> Points:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.asarray(polygon @ np.array([[cos, sin], [-sin, cos]]), np.float32)


def words(*polygons: Points, ignored: tuple[int, ...] = ()) -> Annotation:
    flags = np.array([i in ignored for i in range(len(polygons))], np.bool_)
    return Annotation(list(polygons), flags, [f"w{i}" for i in range(len(polygons))])


def inside(outline: Points, point: tuple[float, float]) -> bool:
    return cv2.pointPolygonTest(outline, point, False) >= 0


@pytest.mark.parametrize("degrees", [0, 37, 90, 180, 250])
def test_words_of_a_line_become_one_region_however_it_lies(degrees: float) -> None:
    boxes = [box(120, 10, 200, 31), box(10, 10, 50, 30), box(62, 12, 110, 30), box(10, 45, 90, 65)]
    found = join_words(words(*[turned(b, degrees) for b in boxes]))
    assert found.texts == ["w1 w2 w0", "w3"] and found.ignored.tolist() == [False, False]
    line = turned(found.polygons[0], -degrees)
    assert line.min(axis=0) == pytest.approx([10, 10], abs=1.1) and line.max(axis=0) == pytest.approx(
        [200, 31], abs=1.1
    )
    assert signed_area(line) > 0 and inside(line, (56, 20)) and inside(line, (115, 20)) and not inside(line, (56, 33))
    assert found.polygons[0].dtype == np.float32


@pytest.mark.parametrize(
    "other",
    [
        box(75, 10, 120, 30),
        box(52, 25, 100, 45),
        box(55, 0, 150, 45),
        turned(box(55, -16, 100, 4), 30),
        box(20, 10, 50, 30),
    ],
    ids=["far", "lower", "higher", "turned", "upon it"],
)
def test_what_is_no_line_stays_apart(other: Points) -> None:
    assert neighbours([box(10, 10, 50, 30), other]) == []


def test_words_without_area_and_no_words() -> None:
    assert join_words(words()).polygons == []
    assert len(join_words(words(box(10, 10, 50, 30), box(55, 10, 55, 30))).polygons) == 2


def test_words_around_a_ring_leave_it_open() -> None:
    around = [turned(box(-12, -110, 12, -90), 360 / 20 * i) for i in range(20)]
    found = join_words(words(*around))
    assert len(found.polygons) == 1
    assert not inside(found.polygons[0], (0, 0)) and inside(found.polygons[0], (100, 1))


def test_a_line_is_ignored_when_half_of_it_is() -> None:
    boxes = [box(10, 10, 50, 30), box(55, 10, 75, 30), box(80, 10, 100, 30)]
    assert join_words(words(*boxes, ignored=(1,))).ignored.tolist() == [False]
    assert join_words(words(*boxes, ignored=(1, 2))).ignored.tolist() == [True]
    assert join_words(words(boxes[0], ignored=(0,))).ignored.tolist() == [True]


def test_a_source_says_what_is_taught_of_its_labels(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(LINE)
    picture = Picture(tmp_path / "a.png", Label(tmp_path / "a.txt"), "a.png")
    as_they_are = read_annotation(Source(), picture)
    assert len(as_they_are.polygons) == 3 and as_they_are.ignored.tolist() == [False, True, False]
    assert read_annotation(Source(labels_as="line"), picture).texts == ["two ### words"]
    assert len(read_annotation(Source(labels_as="line", unit="line"), picture).polygons) == 3
    assert read_annotation(Source(min_side_px=19), picture).ignored.tolist() == [False, True, False]
    assert read_annotation(Source(min_side_px=21), picture).ignored.all()
    assert not read_annotation(Source(labels_as="line", min_side_px=19), picture).ignored.any()
    for stored in ({"format": "td500"}, {"unit": "line", "images": "pages"}):
        with pytest.raises(ConfigError, match="not parted into words"):
            Source(labels_as="word", **stored)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="not for sources"):
        Source(format="synth", min_side_px=3)


def found(*polygons: Points) -> Detections:
    scores = np.linspace(0.9, 0.8, len(polygons), dtype=np.float32)
    return Detections([clockwise(polygon) for polygon in polygons], scores, (400, 400))


def indices(detections: Detections) -> list[list[int]]:
    """Of the regions of each line."""
    return [[detections.scores.tolist().index(s) for s in line.words.scores.tolist()] for line in lines(detections)]


@pytest.mark.parametrize("degrees", [0, 8, -30, 40])
def test_words_that_were_found_are_joined_however_they_lie(degrees: float) -> None:
    """A narrow letter among them, too; the line below stays apart."""
    boxes = [box(100, 100, 150, 120), box(158, 100, 163, 120), box(172, 101, 210, 119), box(100, 140, 180, 160)]
    answer = found(*(turned(b, degrees) for b in boxes))
    assert indices(answer) == [[0, 1, 2], [3]]
    line = lines(answer)[0]
    assert line.score == pytest.approx(float(answer.scores[:3].mean())) and signed_area(line.polygon) > 0
    assert turned(line.polygon, -degrees).max(axis=0) == pytest.approx([210, 120], abs=1.1)
    assert lines(answer)[1].polygon is answer.polygons[3]


def test_lines_that_run_downwards_stay_apart_and_go_on_downwards() -> None:
    columns = [box(x, y, x + 20, y + 90) for x in (100, 130) for y in (50, 150)]
    assert indices(found(*columns)) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("degrees", [-30, -15, -5, 0, 5, 15, 30])
@pytest.mark.parametrize("reading", ["ltr", "rtl"])
def test_words_of_a_line_come_along_it(degrees: float, reading: str) -> None:
    """Rising ones, too, of which those at the end stand higher than those that begin it; beside a level line."""
    level = [box(100 + 110 * i, 700, 200 + 110 * i, 730) for i in range(3)]
    askew = [turned(box(200 + 130 * i, 300, 310 + 130 * i, 340), degrees) for i in range(4)]
    found = Detections([clockwise(p) for p in (*level, *askew)], np.ones(7, np.float32), (1000, 1500))
    joined = lines(found.in_reading_order(reading))
    assert sorted(len(line.words) for line in joined) == [3, 4]
    for line in joined:
        middles = [float(polygon[:, 0].mean()) for polygon in line.words.polygons]
        assert middles == sorted(middles, reverse=reading == "rtl")


def test_lines_of_nothing() -> None:
    assert lines(found()) == []


def test_lines_of_a_thousand_words_are_the_lines() -> None:
    rows = [[box(20 * i, 30 * j, 20 * i + 15, 30 * j + 10) for i in range(25)] for j in range(40)]
    assert [len(line.words) for line in lines(found(*(word for row in rows for word in row)))] == [25] * 40


@pytest.mark.parametrize("degrees", [90, 270])
def test_a_page_on_its_side_has_the_lines_it_has_upright(degrees: float) -> None:
    """Its short words stand nearer to those of other lines than to their neighbours."""
    rows = [(10, 60), (72, 86), (98, 108), (120, 190)]
    boxes = [box(left, top, right, top + 16) for top in (10, 28, 46) for left, right in rows]

    def found(degrees: float) -> set[frozenset[tuple[int, int]]]:
        of = {turned(b, degrees).tobytes(): (i // 4, i % 4) for i, b in enumerate(boxes)}
        polygons = [turned(b, degrees) for b in boxes]
        page = Detections(polygons, np.ones(len(boxes), np.float32), (300, 300))
        return {frozenset(of[polygon.tobytes()] for polygon in line.words.polygons) for line in lines(page)}

    assert found(degrees) == found(0) == {frozenset((row, i) for i in range(4)) for row in range(3)}


def test_a_narrow_letter_beside_a_short_word_turns_nothing() -> None:
    page = Detections([box(10, 10, 20, 50), box(30, 10, 80, 50)], np.ones(2, np.float32), (100, 100))
    assert [len(line.words) for line in lines(page)] == [2]

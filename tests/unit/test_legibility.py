"""What is said of text that is seen too small, and when it is looked at again."""

import io
import re
import warnings
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from threading import current_thread
from typing import get_args

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import DarkIsText
from diffbin import Detector, legibility, options
from diffbin.config import Decode, Preprocess
from diffbin.decode import in_doubt, slant
from diffbin.detections import Detections
from diffbin.errors import InputError, SmallTextWarning
from diffbin.geometry import intersections, rectangle_corners, signed_area
from diffbin.image import ImageSource, Loaded, Resize, load_for
from diffbin.pages import pages
from diffbin.rgb import Picture

CONFIG = Preprocess()


@dataclass
class Watched(DarkIsText):
    """Keeps the shapes of its batches."""

    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        self.shapes.append(batch.shape)
        return super().run(batch)


class Myopic(Watched):
    """Sees no text higher than 50 pixels of the input."""

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        prob = super().run(batch)
        _, labels, boxes, _ = cv2.connectedComponentsWithStats((prob[0, 0] > 0).astype(np.uint8))
        return np.asarray(prob * (boxes[:, cv2.CC_STAT_HEIGHT] <= 50)[labels] * (labels > 0), np.float32)


def scan(lines: int, height: int = 12, size: tuple[int, int] = (400, 300)) -> Picture:
    """White, with black bars in the place of lines; of the ordinary size it is seen at 0.32."""
    sheet = np.full((*size, 3), 255, np.uint8)
    for i in range(lines):
        sheet[2 * height * i + height : 2 * height * (i + 1), 30:270] = 0
    return sheet


def found(count: int, height: float) -> Detections:
    rows = np.array([(200, 30 * i, 100, height, 10) for i in range(count)], np.float64)
    return Detections(list(rectangle_corners(rows)), np.ones(count, np.float32), (1000, 1000))


@pytest.mark.parametrize(
    ("count", "height", "ratio", "wanted"),
    [  # heights are of the network's input
        (8, 12, 0.4, 0.4 * 22 / 12),
        (7, 12, 0.4, 0.4),
        (8, 14.9, 0.4, 0.4 * 22 / 14.9),
        (8, 15.1, 0.4, 0.4),
        (8, 5, 0.4, 1.0),
        (8, 14.9, 0.79, 1.0),
        (8, 5, 0.81, 0.81),
    ],
)
def test_how_large_small_text_wants_to_be_seen(count: int, height: float, ratio: float, wanted: float) -> None:
    resize = Resize.by((1000, 1000), ratio, CONFIG)
    assert legibility.wanted_ratio(found(count, height / ratio), resize) == pytest.approx(wanted, rel=1e-4)


def test_the_second_look_is_bounded() -> None:
    large = Resize.by((9000, 9000), 0.18, CONFIG)
    assert 9000 * legibility.wanted_ratio(found(8, 20), large) == pytest.approx(4.4e6**0.5)
    for ratio in (0.19, 0.3):  # of the most, 0.233, four fifths are enough
        larger = Resize.by((9000, 9000), ratio, CONFIG)
        assert legibility.wanted_ratio(found(8, 20), larger) == larger.ratio


@pytest.mark.parametrize("size", [(1754, 1240), (4000, 1240), (3200, 1000), (3000, 2000)])
@pytest.mark.parametrize("wanted", [0.5, 0.83, 1.0])
def test_the_size_that_a_warning_names_is_enough(size: tuple[int, int], wanted: float) -> None:
    with pytest.warns(SmallTextWarning) as told:
        legibility.warn_of_found("a.png", size, wanted, CONFIG)
    named = re.search(r"a\.png .* --size (\d+)", str(told[0].message))
    assert named and wanted <= Resize.fit(size, CONFIG.resized(int(named[1]))).ratio < wanted * 1.3


def test_no_size_is_named_that_the_command_refuses() -> None:
    assert get_args(options.Size)[-1].max == legibility.LARGEST_SIZE
    with pytest.warns(SmallTextWarning) as told:
        legibility.warn_of_found("a.png", (1000, 9000), 1.0, CONFIG)
    assert "--tile auto finds more (in Python" in str(told[0].message) and "size" not in str(told[0].message)


def test_small_text_on_a_scan_is_told() -> None:
    detector = Detector(DarkIsText(), tile="off")
    for look in (detector, detector.detect, Detector(DarkIsText(), tile=1000)):  # the last uses no tiles either
        with pytest.warns(SmallTextWarning, match="Text in the picture is seen so small .* or --size 300") as told:
            assert len(look(scan(15))) == 15
        assert len(told) == 1 and told[0].filename == __file__
    with pytest.warns(SmallTextWarning):
        exec("look(sheet)", {"look": detector, "sheet": scan(15)})  # where there is no name of a module
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(detector.with_size(300)(scan(15))) == 15
        assert len(detector(scan(7))) == 7, "too few to tell"
        assert len(detector.with_size(300)(scan(10, 40, (800, 600)))) == 10, "large enough"


def test_small_text_is_looked_at_again() -> None:
    whole = Detector(DarkIsText()).with_size(300)(scan(15))
    for tile in ("again", "auto"):
        engine = Watched()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            twice = Detector(engine, tile=tile)(scan(15))
        assert len(twice) == 15 and engine.shapes == [(1, 3, 128, 96), (1, 3, 512, 384)]
        assert all(np.array_equal(a, b) for a, b in zip(twice.polygons, whole.polygons, strict=True))


def test_it_is_looked_at_until_most_is_large_enough() -> None:
    class Thick(Watched):
        """Answers what is thin by thicker regions, so that the first look cannot tell how small it is."""

        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.asarray(cv2.dilate(super().run(batch)[0, 0], np.ones((3, 3)))[None, None], np.float32)

    sheet = np.full((1000, 750, 3), 255, np.uint8)
    for top, left in product(range(50, 950, 50), range(50, 700, 100)):
        sheet[top : top + 6, left : left + 50] = 0
    engine = Thick()
    assert len(Detector(engine)(sheet)) == 18 * 7
    assert len(engine.shapes) == 3 and engine.shapes == sorted(engine.shapes)


def test_a_size_that_is_asked_for_is_looked_at_once_unless_tiles_may_be() -> None:
    small = replace(DarkIsText().recipe.preprocess, short_px=95)
    for detector in (Detector(DarkIsText()).with_size(95), Detector(DarkIsText(), preprocess=small)):
        with pytest.warns(SmallTextWarning, match="--tile auto finds more"):
            assert len(detector(scan(15))) == 15
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Detector(DarkIsText(), tile="auto").with_size(95)(scan(15))) == 15


def test_a_large_jpeg_is_first_decoded_small_and_then_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = list[tuple[int, ...]]()

    def load_watched(source: ImageSource, config: Preprocess | None) -> Loaded:
        found = load_for(source, config)
        loaded.append(found.picture.shape)
        return found

    monkeypatch.setattr("diffbin.detector.load_for", load_watched)
    monkeypatch.setattr("diffbin.legibility.load_for", load_watched)
    content = cv2.imencode(".jpg", scan(15, 40, (1600, 1200)))[1].tobytes()
    expected = Detector(DarkIsText(), tile="auto")(content)
    assert [shape[:2] for shape in loaded] == [(1600, 1200)]
    for source in (content, io.BytesIO(content)):
        loaded.clear()
        found = Detector(DarkIsText())(source)
        assert [shape[:2] for shape in loaded] == [(200, 150), (1600, 1200)]
        assert len(found) == 15 and np.abs(found.boxes() - expected.boxes()).max() < 4


def test_what_cannot_be_looked_at_again_keeps_its_first_answer() -> None:
    class Once:
        """Of another size, or no more to be read, the second time."""

        def __init__(self, *pictures: Picture) -> None:
            self.pictures = list(pictures)

        def load(self) -> Picture:
            if not self.pictures:
                raise InputError("It is empty.")
            return self.pictures.pop(0)

    detector = Detector(DarkIsText())
    expected = detector(scan(15))
    assert len(detector(Once(scan(15))).polygons) == len(expected), "one picture by itself is at hand still"
    for source in (Once(scan(15)), Once(scan(15), scan(3, 12, (300, 400)))):
        with pytest.warns(SmallTextWarning, match="has changed, or can be read only once"):
            (result,) = detector.stream([source])
        assert len(result.get()) == 15 and result.get().size == (400, 300)


def test_the_second_look_keeps_large_text_of_the_first() -> None:
    sheet = scan(10)
    sheet[300:380, 30:270] = 0
    tallest = [max(np.ptp(p[:, 1]) for p in Detector(engine)(sheet).polygons) for engine in (Myopic(), DarkIsText())]
    assert tallest[0] == pytest.approx(tallest[1], abs=8) and tallest[1] > 80


def test_where_nothing_is_found_it_looks_from_farther_away(tmp_path: Path) -> None:
    class Near(Myopic):
        """Sees pictures larger than the other engines here."""

        recipe = replace(Myopic.recipe, preprocess=Preprocess(long_px=256, short_px=192))

    sheet = np.full((300, 400, 3), 255, np.uint8)
    sheet[90:210, 80:320] = 0
    cv2.imwrite(str(tmp_path / "a.png"), sheet)
    expected = Detector(DarkIsText())(sheet).boxes()
    for tile in ("again", "auto"):
        engine = Near()
        found = Detector(engine, tile=tile)(tmp_path / "a.png")
        assert engine.shapes == [(1, 3, 192, 256), (1, 3, 96, 128), (1, 3, 32, 64)]
        assert np.abs(found.boxes() - expected).max() <= 8 and found.size == (300, 400)
        (result,) = Detector(Near(), tile=tile).stream([tmp_path / "a.png"])
        assert np.array_equal(result.get().boxes(), found.boxes())
    for once in (Detector(Near(), tile="off"), Detector(Near()).with_size(191)):
        assert len(once(tmp_path / "a.png")) == 0


def test_what_is_looked_at_again_does_not_depend_on_the_score_that_is_asked_for() -> None:
    """Pieces of large letters, which the model is not sure of, keep nobody from looking from farther away."""

    class Pieces(Myopic):
        recipe = replace(
            Myopic.recipe,
            preprocess=Preprocess(long_px=256, short_px=192),
            decode=replace(Myopic.recipe.decode, score_threshold=0.8),
        )

        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            prob = super().run(batch)
            height, width = prob.shape[2:]
            if len(self.shapes) == 1:
                prob[0, 0, height // 3 : height // 2, width // 3 : width // 2] = 0.6
            return prob * np.float32(0.9)

    sheet = np.full((300, 400, 3), 255, np.uint8)
    sheet[90:210, 80:320] = 0
    answers = [Detector(Pieces()).with_decode(score_threshold=score)(sheet) for score in (0.3, 0.8)]
    assert len(answers[0]) == 1 and np.array_equal(answers[0].boxes(), answers[1].boxes())
    assert len(Detector(Pieces()).with_decode(score_threshold=0.95)(sheet)) == 0

    class Pale(Watched):
        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            return super().run(batch) * np.float32(0.9)

    engine = Pale()
    assert len(Detector(engine).with_decode(score_threshold=0.95)(scan(15))) == 0 and len(engine.shapes) == 2


class Doubtful(Myopic):
    """Sees pictures larger than the other engines here, and of letters that are too high for it traces."""

    recipe = replace(Myopic.recipe, preprocess=Preprocess(long_px=256, short_px=192))

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        prob: NDArray[np.float32] = np.maximum(super().run(batch), DarkIsText().run(batch) * np.float32(0.2))
        return prob


def test_a_title_that_is_too_large_is_found_beside_what_is_small(tmp_path: Path) -> None:
    poster = np.full((300, 400, 3), 255, np.uint8)
    poster[30:150, 40:360] = 0
    for top in (200, 240):
        poster[top : top + 20, 60:180] = 0
    cv2.imwrite(str(tmp_path / "a.png"), poster)
    expected = Detector(DarkIsText())(poster).boxes()
    engine = Doubtful()
    found = Detector(engine)(tmp_path / "a.png")
    assert engine.shapes == [(1, 3, 192, 256), (1, 3, 96, 128), (1, 3, 32, 64)]
    assert len(found) == 3 and np.abs(found.boxes() - expected).max() <= 8  # title first, as it is read
    (result,) = Detector(Doubtful()).stream([tmp_path / "a.png"])
    assert np.array_equal(result.get().boxes(), found.boxes())
    assert len(Detector(Doubtful(), tile="off")(poster)) == len(Detector(Doubtful()).with_size(191)(poster)) == 2

    poster[30:150] = 255
    engine = Doubtful()
    assert len(Detector(engine)(poster)) == 2 and len(engine.shapes) == 1  # without a title once is enough


def test_a_closer_look_keeps_what_was_found_from_farther_away() -> None:
    page = scan(10, height=24, size=(1200, 900))
    page[600:1100, 50:850] = 0
    engine = Doubtful()
    found = Detector(engine)(page)
    heights = sorted(np.ptp(polygon[:, 1]) for polygon in found.polygons)
    assert len(found) == 11 and heights[-1] > 500 and heights[-2] < 80
    assert [shape[2] for shape in engine.shapes[:3]] == [256, 128, 64] and engine.shapes[3][2] > 256


def square(left: float, side: float) -> NDArray[np.float32]:
    return np.array([[left, 0], [left + side, 0], [left + side, side], [left, side]], np.float32)


@pytest.mark.parametrize(
    ("near", "far", "kept"),
    [
        ([(0, 10, 0.9)], [(20, 50, 0.9)], [0, 20]),  # another text
        ([(0, 40, 0.9)], [(0, 50, 0.95)], [0]),  # the same, and near it is better seen
        ([(0, 20, 0.9)], [(0, 50, 0.9)], [0, 0]),  # something in it, as small print
        ([(0, 30, 0.9)], [(0, 50, 0.9)], [0]),  # so much of it that it is known
        ([(0, 30, 0.9)], [(0, 56, 0.95)], [0]),  # a letter
        ([(-8, 30, 0.9)], [(0, 56, 0.9)], [-8, 0]),  # what reaches out is none
        ([(0, 20, 0.5)], [(0, 50, 0.6)], [0, 0]),  # neither is sure
        ([(0, 40, 0.5)], [(0, 50, 0.9)], [0]),  # a piece of it goes
        ([(0, 40, 0.5)], [(0, 50, 0.6)], [0]),  # neither is sure: near
        ([(0, 40, 0.5)], [(100, 50, 0.6)], [0, 100]),
        ([(0, 20, 0.5)], [(10, 50, 0.9)], [0, 10]),  # of a piece at its rim the better half is its own
        ([], [(0, 50, 0.9)], [0]),
    ],
)
def test_what_is_seen_near_and_far_is_joined(
    near: list[tuple[float, float, float]], far: list[tuple[float, float, float]], kept: list[float]
) -> None:
    first, second = (
        Detections([square(left, side) for left, side, _ in of], np.array([s for *_, s in of], np.float32), (200, 200))
        for of in (near, far)
    )
    joined = legibility.joined(first, second, 0.8)
    assert [polygon[0, 0] for polygon in joined.polygons] == kept and joined.size == (200, 200)
    if kept == [0] and near:
        stays = far if far[0][2] >= 0.8 > near[0][2] or far[0][1] == 56 else near
        assert joined.scores[0] == np.float32(stays[0][2])


def test_clear_maps_leave_no_doubt() -> None:
    prob = np.zeros((100, 100), np.float32)
    assert not in_doubt(prob, 0.5, 2)
    prob[40:60, 20:80] = 0.9
    prob[36:40, 20:80] = 0.3  # a rim
    assert not in_doubt(prob, 0.5, 2)
    prob[:4] = 0.3  # one of text that the picture cuts
    prob[70:76, 20:26] = 0.3  # a spot
    assert not in_doubt(prob, 0.5, 2)
    prob[70:78, 20:60] = 0.15
    assert in_doubt(prob, 0.5, 2)
    prob[70:78, 20:60] = 0.3
    assert in_doubt(prob, 0.5, 2) and not in_doubt(prob, 0.25, 2)
    assert not in_doubt(prob, 0.5, 1)  # of a map as large as the input these are thin
    prob[70:78] = 0.1
    assert not in_doubt(prob, 0.5, 2)


def test_from_farther_away_small_text_is_none() -> None:
    class Later(Watched):
        """Finds nothing the first time."""

        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            return super().run(batch) * np.float32(len(self.shapes) > 1)

    sheet = np.full((300, 400, 3), 255, np.uint8)
    sheet[140:170, 100:300] = 0
    engine = Later()
    assert len(Detector(DarkIsText())(sheet)) == 1
    assert len(Detector(engine)(sheet)) == 0 and len(engine.shapes) == 3


def test_a_stream_looks_twice_and_the_first_time_where_batches_are_made() -> None:
    class Placed(Watched):
        """Keeps the thread of each batch, too."""

        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            threads[batch.shape[2:]].add(current_thread().name.partition("_")[0])
            return super().run(batch)

    threads, engine = defaultdict[tuple[int, ...], set[str]](set), Placed()
    sheets = [scan(15), scan(7), scan(15), scan(7)]
    results = Detector(engine).stream(sheets, batch_size=2, workers=1, runs=1)
    assert [len(result.get()) for result in results] == [15, 7, 15, 7]
    assert engine.shapes.count((1, 3, 512, 384)) == 2
    assert threads == {(128, 96): {"diffbin-run"}, (512, 384): {"diffbin-worker"}}


def test_a_stream_names_the_picture_and_a_document_once(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), scan(15))
    with pytest.warns(SmallTextWarning, match=r"Text in .*a\.png is seen so small") as told:
        assert [len(r.get()) for r in Detector(DarkIsText(), tile="off").stream([tmp_path / "a.png"])] == [15]
    assert len(told) == 1
    cv2.imwritemulti(str(tmp_path / "a.tif"), [scan(15), scan(15)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        list(Detector(DarkIsText()).with_size(95).stream(pages(tmp_path / "a.tif")))
    assert [str(w.message).split(" is seen")[0] for w in caught] == [f"Text in {tmp_path / 'a.tif'}"]


def test_of_a_very_large_picture_one_thing_is_told() -> None:
    for detector, lines in ((Detector(DarkIsText(), tile="off"), 15), (Detector(DarkIsText()), 7)):
        with pytest.warns(SmallTextWarning, match="4000 x 3000 pixels .* --tile auto") as told:
            assert len(detector.detect(scan(lines, 100, (4000, 3000)))) == lines
        assert len(told) == 1


@pytest.mark.slow
def test_of_a_very_large_picture_looked_at_again_nothing_is_told_unless_that_is_too_small_too() -> None:
    class Usual(DarkIsText):
        """Its input is as large as an ordinary model's."""

        recipe = replace(DarkIsText.recipe, preprocess=Preprocess(long_px=960, short_px=720))

    engine = Usual()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Detector(engine)(scan(40, 20, (4000, 3000)))) == 40
    with pytest.warns(SmallTextWarning, match="8000 x 6000 pixels and is seen at 0.2") as told:
        assert len(Detector(engine)(scan(80, 40, (8000, 6000)))) == 80
    assert len(told) == 1


class Upright(Watched):
    """Is sure of text that is wider than high, and of no other."""

    recipe = replace(DarkIsText.recipe, decode=Decode(min_width_px=2.0, score_threshold=0.8))

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        prob = super().run(batch)
        _, labels, boxes, _ = cv2.connectedComponentsWithStats((prob[0, 0] > 0).astype(np.uint8))
        lies = boxes[:, cv2.CC_STAT_WIDTH] > boxes[:, cv2.CC_STAT_HEIGHT]
        return np.asarray(prob * np.where(lies, 1, 0.7)[labels], np.float32)


def bars(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (96, 128)) -> Picture:
    """White, with black bars: left, top, right, bottom."""
    sheet = np.full((*size, 3), 255, np.uint8)
    for left, top, right, bottom in boxes:
        sheet[top:bottom, left:right] = 0
    return sheet


LYING, STANDING = [(10, 10, 60, 20), (10, 30, 60, 40)], [(80, 10, 90, 80), (100, 10, 110, 80)]


@pytest.mark.parametrize(
    ("boxes", "before", "now"),
    [
        (STANDING, 0, 2),
        ([*LYING, *STANDING], 2, 4),
        ([*LYING, (70, 10, 80, 40)], 2, 2),  # 30 pixels of 130 stand
        ([*LYING, (70, 10, 80, 61)], 2, 3),  # 51
        (LYING, 2, 2),
        ([(10, 10, 30, 30)], 0, 0),  # a square
    ],
)
def test_a_picture_whose_text_runs_up_or_down_is_looked_at_turned(
    boxes: list[tuple[int, int, int, int]], before: int, now: int
) -> None:
    sheet, looked = bars(*boxes), Upright()
    expected = Detector(DarkIsText())(sheet).boxes()
    assert len(Detector(Upright(), tile="off")(sheet)) == len(Detector(Upright()).with_size(96)(sheet)) == before
    found = Detector(looked)(sheet)
    assert len(found) == now and found.size == (96, 128)
    assert ((1, 3, 128, 96) in looked.shapes) == (now > before)
    if before < now == len(expected):
        assert np.abs(found.boxes() - expected).max() < 0.01, "not where they were, or in another order"
        starts = [polygon.sum(axis=1).argmin() for polygon in found.polygons if signed_area(polygon) > 0]
        assert starts == [0] * now
    (result,) = Detector(Upright()).stream([sheet])
    assert np.array_equal(result.get().boxes(), found.boxes())


@pytest.mark.parametrize(
    ("degrees", "wanted"),
    [(0, 0), (19, 0), (-19, 0), (21, 21), (-40, -40), (60, 60), (76, 90), (-80, 90), (90, 90)],
)
def test_by_how_much_a_picture_is_turned_for_its_text_to_run_along(degrees: float, wanted: float) -> None:
    """Degrees against the clock; the axis of y points down, so such a line falls."""
    rows = np.array([(100, 30 * i, 60, 10, degrees) for i in range(3)], np.float64)
    squares = np.array([(300, 30 * i, 12, 10, 45) for i in range(9)], np.float64)  # which tell nothing
    quads = [*rectangle_corners(rows), *rectangle_corners(squares)]
    assert slant(Detections(quads, np.ones(12, np.float32), (400, 400))) == pytest.approx(wanted, abs=0.1)


class Level(Watched):
    """Is sure of text that lies level within 12 degrees, and of no other."""

    recipe = Upright.recipe

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        prob = super().run(batch)
        for contour in cv2.findContours((prob[0, 0] > 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]:
            (width, height), degrees = cv2.minAreaRect(contour)[1:]
            if abs(np.sin(np.deg2rad(degrees if width > height else degrees + 90))) > np.sin(np.deg2rad(12)):
                cv2.drawContours(prob[0, 0], [contour], -1, (0.7,), cv2.FILLED)
        return prob


def askew(sheet: Picture, degrees: float) -> tuple[Picture, NDArray[np.float64]]:
    """The picture turned around its middle, and by which `(2, 3)`."""
    height, width = sheet.shape[:2]
    way = np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1), np.float64)
    return np.asarray(cv2.warpAffine(sheet, way, (width, height), borderValue=(255, 255, 255)), np.uint8), way


@pytest.mark.parametrize("degrees", [-60, -35, 25, 45, 70])
@pytest.mark.parametrize("times", [1, 3])  # the second is seen at a third of the size that the first is
def test_a_picture_that_is_askew_is_looked_at_level(degrees: float, times: int) -> None:
    level = bars((40, 40, 90, 52), (40, 70, 80, 82), size=(128, 128)).repeat(times, 0).repeat(times, 1)
    (sheet, way), engine = askew(level, degrees), Level()
    expected = [cv2.transform(polygon[None], way)[0] for polygon in Detector(DarkIsText())(level).polygons]
    assert not len(Detector(Level(), tile="off")(sheet))
    found = Detector(engine)(sheet)
    assert len(found) == 2 and found.size == sheet.shape[:2] and min(engine.shapes[1][2:]) > 96
    shared = intersections(found.polygons, expected)
    for polygon, areas in zip(found.polygons, shared, strict=True):
        own, other = cv2.contourArea(polygon), cv2.contourArea(expected[int(areas.argmax())])
        assert areas.max() > 0.95 * other and own < 1.4 * other, "elsewhere"  # it is blurred twice, and so thicker


def test_small_text_of_a_page_that_is_askew_is_looked_at_closer() -> None:
    page, _ = askew(np.roll(scan(15, size=(500, 500)), (64, 100), axis=(0, 1)), 40)
    (result,) = Detector(Level()).stream([page])
    found = Detector(Level())(page)
    assert len(found) == len(result.get()) == 15
    corners = np.array([cv2.minAreaRect(polygon)[1] for polygon in found.polygons])
    assert corners.max(axis=1) == pytest.approx(255, abs=6)


def test_columns_that_are_seen_well_stay_as_they_are() -> None:
    class Columns(Upright):
        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            """See `Engine.run`; 0.95 for a picture that is wider than high, as the one here is."""
            self.shapes.append(batch.shape)
            return (batch[:, :1] < 0) * np.float32(0.95 if batch.shape[3] > batch.shape[2] else 0.9)

    engine = Columns()
    found = Detector(engine)(bars(*STANDING))
    assert len(engine.shapes) == 2 and len(found) == 2 and np.allclose(found.scores, 0.95)


def test_small_text_of_a_page_on_its_side_is_looked_at_closer() -> None:
    page = np.ascontiguousarray(np.rot90(scan(15)))
    engine = Upright()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (result,) = Detector(engine).stream([page])
        found = Detector(Upright())(page)
    assert len(found) == len(result.get()) == 15 and found.size == page.shape[:2]
    first, turned, closer = engine.shapes
    assert turned == (*first[:2], first[3], first[2]) and closer[2] > turned[2]
    assert np.ptp(found.boxes()[:, [1, 3]], axis=1) == pytest.approx(255, abs=4)


def test_another_score_is_asked_for_of_both_sides() -> None:
    sheet = bars(*LYING, *STANDING)
    assert [len(Detector(Upright()).with_decode(score_threshold=score)(sheet)) for score in (0.5, 0.99)] == [4, 4]


def test_a_long_strip_that_is_askew_is_not_turned() -> None:
    """Its frame would have many times its pixels; a quarter needs none more."""
    sizes = [(720, 1280), (1280, 720), (1000, 1000), (600, 12_000)]
    assert [legibility.may_turn(size, 45) for size in sizes] == [True, True, True, False]
    assert all(legibility.may_turn(size, 90) for size in sizes)


def test_what_is_told_of_a_picture_that_is_looked_at_turned_is_of_the_picture(recwarn: pytest.WarningsRecorder) -> None:
    sheet = np.ascontiguousarray(np.rot90(scan(3, 60, (4000, 1000))))
    Detector(Upright())(sheet)
    assert "The picture has 1000 x 4000 pixels" in str(recwarn.pop(SmallTextWarning).message)


def test_the_surer_look_is_taken_unless_it_has_much_less_text() -> None:
    def seen(count: int, score: float) -> Detections:
        return Detections(found(count, 20).polygons, np.full(count, score, np.float32), (1000, 1000))

    assert legibility.surer(seen(8, 0.95), seen(10, 0.9)) and not legibility.surer(seen(7, 0.95), seen(10, 0.9))
    assert not legibility.surer(seen(10, 0.9), seen(8, 0.95)) and legibility.surer(seen(1, 0.7), seen(1, 0.7)[:0])


def test_of_the_scores_of_a_look_those_of_long_text_count_more() -> None:
    long, short = (np.array([[0, y], [w, y], [w, y + 9], [0, y + 9]], np.float32) for y, w in ((0, 300), (50, 30)))

    def seen(*scores: float) -> Detections:
        return Detections([long, short], np.array(scores, np.float32), (1000, 1000))

    assert not legibility.surer(seen(0.8, 0.9), seen(0.9, 0.5)) and legibility.surer(seen(0.9, 0.5), seen(0.8, 0.9))


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_a_place_in_a_turned_picture_is_that_of_its_pixel_in_the_other(ratio: float) -> None:
    resize = Resize.by((100, 60), ratio, Preprocess())
    batch = np.zeros((1, 3, *resize.padded), np.float32)
    y, x = (round(side * ratio) for side in (20, 50))
    batch[0, 0, y, x] = 1
    look = legibility.Look(batch, resize, "", None, resize.original)
    side = look.turned(90, Preprocess())
    row, column = np.unravel_index(side.batch[0, 0].argmax(), side.batch.shape[2:])
    place = np.array([[column, row], [column + 1, row], [column, row + 1]], np.float32) / np.float32(ratio)
    found = side.upright(Detections([place], np.ones(1, np.float32), side.resize.original))
    assert np.abs(found.polygons[0] - np.array([x, y]) / ratio).sum(axis=1).min() < 1e-3


def test_of_the_other_look_what_runs_along_is_kept() -> None:
    rows = np.array([(100, 100, 60, 20, 0), (200, 100, 20, 60, 0), (300, 100, 20, 20, 0)], np.float64)
    kept = legibility.along(Detections(list(rectangle_corners(rows)), np.ones(3, np.float32), (400, 400)))
    assert [polygon[:, 0].mean() for polygon in kept.polygons] == [100]

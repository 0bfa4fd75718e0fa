"""Answers in files are scored as the detector is that wrote them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from conftest import DarkIsText
from diffbin.cli import app
from diffbin.config import Source
from diffbin.data.picture_weights import PictureWeight, weight_of, write_weights
from diffbin.detector import Detector
from diffbin.errors import DiffbinWarning, InputError
from diffbin.formats.icdar import to_icdar
from diffbin.formats.json import to_json
from diffbin.image import load
from diffbin.metrics.answers import read_answer
from diffbin.metrics.evaluate import evaluate

SQUARE = "0,0,9,0,9,9,0,9"
CORNERS = [[0, 0], [9, 0], [9, 9], [0, 9]]


@pytest.mark.parametrize(("write", "name"), [(to_json, "{}.json"), (to_icdar, "{}.txt"), (to_icdar, "res_{}.txt")])
def test_what_a_detector_wrote_scores_as_it_does(pages: Path, tmp_path: Path, write: object, name: str) -> None:
    sources = [Source(images="images", labels="gt")]
    (tmp_path / "out").mkdir()
    detector = Detector(DarkIsText()).with_decode(unclip_ratio=0.01, rim_px=0.0)
    for picture in ("img_1", "img_2"):
        image = pages / "images" / f"{picture}.png"
        stored = load(image).copy()
        cv2.rectangle(stored, (2, 2), (7, 6), (20, 20, 20), -1)  # what is no text
        cv2.imwrite(str(image), stored)
        answer = write(detector(image), picture)  # type: ignore[operator]
        (tmp_path / "out" / name.format(picture)).write_text(answer, "utf-8")
    scored = evaluate(tmp_path / "out", sources, str(pages))
    ran = evaluate(detector, sources, str(pages))
    assert scored.each == ran.each and 0 < scored.fixed.hits < scored.fixed.predictions
    assert scored.ms_per_picture is None and scored.to_dict()["ms_per_picture"] is None


@pytest.mark.parametrize(
    ("line", "points", "score"),
    [
        (SQUARE, 4, 1.0),
        (f"{SQUARE},0.25", 4, 0.25),
        (f"{SQUARE},0.25,a, b", 4, 0.25),
        (f"{SQUARE},word", 4, 1.0),
        (f"{SQUARE},0123", 4, 1.0),
        (f"{SQUARE},87", 4, 1.0),  # a text, for it is no score
        (f"{SQUARE},0,5,.5", 5, 0.5),
        (f"{SQUARE},0.94,2024", 4, 0.94),  # the text is a number
        (f"{SQUARE},0.94,2024,5", 4, 0.94),
        (f"{SQUARE},0,5", 5, 1.0),
        (f"\ufeff{SQUARE},1e-2\r", 4, 0.01),
    ],
)
def test_lines_of_text(tmp_path: Path, line: str, points: int, score: float) -> None:
    (tmp_path / "a.b.txt").write_text(f"{line}\n\n{SQUARE}\n", "utf-8")
    polygons, scores = read_answer(tmp_path, "a.b.jpg")
    assert [len(polygon) for polygon in polygons] == [points, 4]
    assert polygons[0][:4].tolist() == CORNERS and scores.tolist() == [np.float32(score), 1.0]


def test_names(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png.txt").write_text(SQUARE)  # as `detect` calls the second of two pictures called a
    (tmp_path / "sub" / "b.txt").touch()
    assert len(read_answer(tmp_path, "sub/a.png")[0]) == 1 and not len(read_answer(tmp_path, "sub/b.png")[0])
    (tmp_path / "sub" / "a.json").write_text('{"size": [9, 9], "regions": []}')
    with pytest.raises(InputError, match=r"a\.json and a\.png\.txt both answer sub/a\.png"):
        read_answer(tmp_path, "sub/a.png")
    with pytest.raises(
        InputError, match=r"no answer for sub/c\.png in .*sub: looked for c\.json, .*res_c\.txt; an empty"
    ):
        read_answer(tmp_path, "sub/c.png")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[1]", "is no answer in diffbin's format json"),
        ("[" * 100_000, "is no answer in diffbin's format json"),
        ('{"size": [9, 9], "shapes": []}', "is no answer in diffbin's format json"),
        (
            '{"size": [9, 9], "regions": [{"polygon": [[0, 0], [9, 0], [9, NaN]], "score": 1}]}',
            "outside of any picture",
        ),
        ('{"size": [9, 9], "regions": [{"polygon": [[0, 0], [9, 0], [9, 9]], "score": NaN}]}', "from 0 to 1"),
        ('{"size": [9, 9], "regions": [{"polygon": [[0, 0], [9, 0], [9, 9]], "score": 87}]}', "from 0 to 1"),
    ],
)
def test_other_json(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=rf"a\.json .*{told}"):
        read_answer(tmp_path, "a.jpg")


def test_other_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{SQUARE}\n0,0,9,0,word\n")
    with pytest.raises(InputError, match=r'a\.txt, line 2: "word" stands where at least 8 coordinates'):
        read_answer(tmp_path, "a.jpg")


def test_answers_to_turned_pictures_are_of_another_frame(tmp_path: Path, pages: Path) -> None:
    for name in ("img_1", "img_2"):
        (tmp_path / f"{name}.json").write_text('{"size": [9, 9], "regions": []}')
    path, source = pages / "images" / "img_2.png", Source(images="images", labels="gt")
    assert evaluate(tmp_path, [source], str(pages)).fixed.hits == 0
    with Image.open(path) as image:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        image.save(path, exif=exif)
    with (
        pytest.warns(DiffbinWarning, match="turned by their EXIF"),
        pytest.raises(
            InputError, match=r"img_2\.json is of the upright picture, and the label of img_2\.png of the stored"
        ),
    ):
        evaluate(tmp_path, [source], str(pages))
    (tmp_path / "img_2.json").rename(tmp_path / "img_2.txt")
    (tmp_path / "img_2.txt").write_text("")
    with pytest.warns(DiffbinWarning, match="as stored, and so are answers to score"):
        assert evaluate(tmp_path, [source], str(pages)).fixed.hits == 0


def test_weights_grow_with_the_errors_and_the_hardest_come_first(tmp_path: Path) -> None:
    rows = [PictureWeight("a", weight_of(1.0), 2, 2, 2), PictureWeight("b", weight_of(0.25), 1, 4, 4)]
    write_weights(tmp_path / "hard.csv", rows)
    assert (tmp_path / "hard.csv").read_text().splitlines()[1:] == ["b,0.7500,1,4,4", "a,0.2000,2,2,2"]


def test_the_command(pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for picture in ("img_1", "img_2"):
        labels = (pages / "gt" / f"gt_{picture}.txt").read_text()
        (tmp_path / f"{picture}.txt").write_text(labels.replace("word", "0.5"))
    line = ["eval", "--images", str(pages / "images"), "--gt", str(pages / "gt"), "--answers", str(tmp_path)]
    app([*line, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["fixed"]["hmean"] == 1
    app([*line, "--hard", str(tmp_path / "hard.csv")], standalone_mode=False)
    assert capsys.readouterr().out.startswith("2 pictures, greedy matching") and (tmp_path / "hard.csv").is_file()
    for option in (["--size", "640"], ["--set", "decode.unclip_ratio=2"], ["--model", "diffbin-words"]):
        with pytest.raises(InputError, match=f"runs no model; leave out {option[0]}"):
            app([*line, *option], standalone_mode=False)
    app([*line, "--draw", str(tmp_path / "drawn")], standalone_mode=False)
    assert capsys.readouterr().out.splitlines()[-1] == f"Drawn in {tmp_path / 'drawn'}; most errors: none"
    for options in (["--draw", str(pages / "images")], ["--draw", str(tmp_path / "x"), "--matching", "deteval"]):
        with pytest.raises(InputError, match="--draw "):
            app([*line, *options], standalone_mode=False)
    with pytest.raises(InputError, match="There is no folder of answers"):
        app([*line[:-1], str(tmp_path / "none")], standalone_mode=False)

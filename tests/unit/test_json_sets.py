"""Labels of published sets that are one JSON file: COCO-Text, TextOCR, HierText."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from diffbin.config import Source
from diffbin.data.annotations import list_pictures, read_annotation
from diffbin.data.labels import Annotation
from diffbin.data.pack import pack
from diffbin.data.sources import ShardSource
from diffbin.errors import InputError
from diffbin.options import labelled

QUAD: list[list[float]] = [[10, 10], [50, 10], [50, 30.5], [10, 30]]
BOX: list[list[float]] = [[60, 5], [90, 5], [90, 25], [60, 25]]
FLAT, FLAT_BOX = ([value for point in points for value in point] for points in (QUAD, BOX))

COCOTEXT = {
    "cats": {},
    "imgs": {
        "7": {"id": 7, "file_name": "b_10.jpg", "set": "train", "width": 120, "height": 80},
        "8": {"id": 8, "file_name": "c.jpg", "set": "train"},
        "9": {"id": 9, "file_name": "b_9.jpg", "set": "val"},
    },
    "anns": {
        "45": {
            "id": 45,
            "image_id": 7,
            "mask": FLAT,
            "bbox": [0, 0, 1, 1],
            "legibility": "legible",
            "utf8_string": "a",
        },
        "46": {"id": 46, "image_id": 7, "mask": [], "bbox": [60, 5, 30, 20], "legibility": "illegible"},
        "47": {"id": 47, "image_id": 9, "mask": FLAT_BOX, "bbox": [], "legibility": "legible", "utf8_string": "."},
    },
    "imgToAnns": {"7": [45, 46], "8": [], "9": [47]},
}
TEXTOCR = {
    "imgs": {
        "b_10": {"id": "b_10", "set": "train", "file_name": "train/b_10.jpg"},
        "c": {"id": "c", "set": "train", "file_name": "train/c.jpg"},
    },
    "anns": {
        "b_10_1": {"id": "b_10_1", "image_id": "b_10", "points": FLAT, "bbox": [0, 0, 1, 1], "utf8_string": "a"},
        "b_10_2": {"id": "b_10_2", "image_id": "b_10", "points": FLAT_BOX, "bbox": [0, 0, 1, 1], "utf8_string": "."},
    },
    "imgToAnns": {"b_10": ["b_10_1", "b_10_2"], "c": []},
}


def region(points: list[list[float]], text: str, **parts: Any) -> dict[str, Any]:
    return {"vertices": points, "text": text, "legible": bool(text), "handwritten": False, "vertical": False, **parts}


WIDE: list[list[float]] = [[5, 5], [95, 5], [95, 35], [5, 35]]
LOW: list[list[float]] = [[5, 50], [95, 50], [95, 75], [5, 75]]
HIERTEXT = {
    "info": {"date": "", "version": ""},
    "annotations": [
        {
            "image_id": "b_10",
            "paragraphs": [
                {
                    "vertices": WIDE,
                    "legible": True,
                    "lines": [
                        region(WIDE, "a b", words=[region(QUAD, "a"), region(BOX, "")]),
                        region(LOW, "", words=[]),
                    ],
                },
                {"vertices": BOX, "legible": False, "lines": []},
            ],
        },
        {"image_id": "c", "paragraphs": []},
    ],
}
FILES: dict[str, Any] = {"cocotext": COCOTEXT, "textocr": TEXTOCR, "hiertext": HIERTEXT}


def pictures(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        Image.new("RGB", (120, 80), "grey").save(folder / name)
    return folder


def read(folder: Path, format_: str, text: str, **changes: Any) -> dict[str, Annotation]:
    images = pictures(folder / "images", "b_10.jpg", "b_9.jpg", "c.jpg")
    (folder / "labels").write_text(text)
    source = Source(format=format_, images=str(images), labels=str(folder / "labels"), **changes)  # type: ignore[arg-type]
    return {picture.name: read_annotation(source, picture) for picture in list_pictures(source, "")}


@pytest.mark.parametrize("format_", ["cocotext", "textocr"])
def test_regions_of_words(tmp_path: Path, format_: str) -> None:
    """What is illegible is ignored; a picture without regions has no text."""
    found = read(tmp_path, format_, json.dumps(FILES[format_]))
    assert list(found) == ["b_10.jpg", "c.jpg"]
    assert [points.tolist() for points in found["b_10.jpg"].polygons] == [QUAD, BOX]
    assert found["b_10.jpg"].ignored.tolist() == [False, True] and found["b_10.jpg"].texts[0] == "a"
    assert not found["c.jpg"].polygons


def test_validation_pictures_of_coco_text_are_a_set_of_their_own(tmp_path: Path) -> None:
    found = read(tmp_path, "cocotext_val", json.dumps(COCOTEXT))
    assert list(found) == ["b_9.jpg"]
    assert found["b_9.jpg"].texts == ["."] and not found["b_9.jpg"].ignored.any()


def test_words_of_hiertext(tmp_path: Path) -> None:
    """Where a line's words or a paragraph's lines are not labelled, there is text all the same."""
    found = read(tmp_path, "hiertext", json.dumps(HIERTEXT))
    assert list(found) == ["b_10.jpg", "c.jpg"] and not found["c.jpg"].polygons
    assert [points.tolist() for points in found["b_10.jpg"].polygons] == [QUAD, BOX, LOW, BOX]
    assert found["b_10.jpg"].ignored.tolist() == [False, True, True, True]
    assert found["b_10.jpg"].texts == ["a", "", "", ""]


def test_lines_of_hiertext(tmp_path: Path) -> None:
    found = read(tmp_path, "hiertext", json.dumps(HIERTEXT), unit="line")
    assert [points.tolist() for points in found["b_10.jpg"].polygons] == [WIDE, LOW, BOX]
    assert found["b_10.jpg"].ignored.tolist() == [False, True, True] and found["b_10.jpg"].texts[0] == "a b"
    source = labelled(tmp_path / "images", tmp_path / "labels", "hiertext:line")
    assert source.stored_unit == "line" and labelled(None, None, "hiertext").stored_unit == "word"
    pack(source, out=tmp_path / "shards", shard_mb=1)
    shards = Source(format="shards", images=str(tmp_path / "shards"), unit="line")
    assert len(ShardSource(shards, "").load(0).polygons) == 3


def test_hiertext_as_it_is_given_out(tmp_path: Path) -> None:
    images, labels = pictures(tmp_path / "images", "b_10.jpg", "c.jpg"), tmp_path / "train.jsonl.gz"
    source = Source(format="hiertext", images=str(images), labels=str(labels))
    content = gzip.compress(json.dumps(HIERTEXT).encode())
    labels.write_bytes(content)
    first = list_pictures(source, "")[0]
    assert len(read_annotation(source, first).polygons) == 4
    assert read_annotation(source, first) is read_annotation(source, first)  # a million words are there once
    for broken in (content[:-20], content[:40] + b"\xff" * 40 + content[80:], b"{}"):
        labels.write_bytes(broken)
        with pytest.raises(InputError, match=r"train\.jsonl\.gz is no whole gzip file"):
            list_pictures(source, "")


def changed(content: Any, *path: str | int, to: Any) -> str:
    """JSON of the content with another value at this place."""
    copy = json.loads(json.dumps(content))
    *before, last = path
    place = copy
    for key in before:
        place = place[key]
    place[last] = to
    return json.dumps(copy)


@pytest.mark.parametrize(
    ("format_", "text", "said"),
    [
        ("cocotext", "no JSON", "labels is not of the form"),
        ("cocotext", "[]", "labels no region at all"),
        ("cocotext", json.dumps({"anns": COCOTEXT["anns"]}), "is not of the form"),
        ("cocotext", changed(COCOTEXT, "imgs", "7", to={"file_name": "b_10.jpg"}), "is not of the form"),
        ("cocotext", changed(COCOTEXT, "imgs", "7", "file_name", to="d.jpg"), r"label for d\.jpg, and .* no such"),
        ("cocotext", changed(COCOTEXT, "imgs", "7", "file_name", to="c.jpg"), r"c\.jpg twice"),
        ("cocotext", changed(COCOTEXT, "anns", "46", "bbox", to=[1, 2, 3]), "annotation 46 is not like the others"),
        ("cocotext", changed(COCOTEXT, "anns", "45", "mask", to=None), "is not of the form"),
        ("cocotext", changed(COCOTEXT, "anns", "46", "mask", to=None), "annotation 46 is not"),
        ("cocotext", changed(COCOTEXT, "anns", "45", "mask", to=FLAT[:7]), r"what it has of b_10\.jpg is not"),
        ("textocr", changed(TEXTOCR, "anns", to={}), "labels no region at all, as files of test pictures do"),
        ("textocr", changed(TEXTOCR, "anns", "b_10_2", "points", to="112233"), "annotation b_10_2 is not"),
        ("textocr", changed(TEXTOCR, "anns", "b_10_2", "points", to=["1", *FLAT[1:]]), "annotation b_10_2 is not"),
        ("textocr", changed(TEXTOCR, "anns", "b_10_1", to={"image_id": "b_10", "points": FLAT}), "is not of the form"),
        ("textocr", changed(TEXTOCR, "anns", "b_10_2", to={"image_id": "b_10", "points": 5}), "of image b_10 is not"),
        ("textocr", changed(TEXTOCR, "imgs", to={"z": {"file_name": "b_10.jpg"}}), 'labels no picture of its "imgs"'),
        (
            "textocr",
            changed(TEXTOCR, "anns", "b_10_1", "points", to=FLAT[:4]),
            r"what it has of train/b_10\.jpg is not",
        ),
        ("textocr", changed(TEXTOCR, "anns", "b_10_1", "points", to=[1e7, *FLAT[1:]]), "what it has of"),
        ("textocr", changed(TEXTOCR, "imgs", to=[]), "is not of the form"),
        ("hiertext", "{}", "names no picture; its form is"),
        ("hiertext", '{"image_id": "c", "paragraphs": []}\n{"image_id": "d", "paragraphs": []}', "is not of the form"),
        ("hiertext", changed(HIERTEXT, "annotations", 1, "image_id", to="b_10"), r"b_10\.jpg twice"),
        ("hiertext", changed(HIERTEXT, "annotations", 1, "image_id", to=5), "is not of the form"),
        ("hiertext", changed(HIERTEXT, "annotations", 1, "paragraphs", to=[{}]), "labels: c is not labelled like"),
        ("hiertext", changed(HIERTEXT, "annotations", 1, "paragraphs", to=[{"lines": [{}]}]), "c is not labelled like"),
        (
            "hiertext",
            changed(HIERTEXT, "annotations", 1, "paragraphs", to=[{"lines": [region([], "", words=[])]}]),
            r"what it has of c\.jpg is not",
        ),
    ],
)
def test_a_set_of_another_form_is_named(tmp_path: Path, format_: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, format_, text)

"""Labels as other tools write them: labelme, PaddleOCR, MMOCR, COCO."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from diffbin.config import Source
from diffbin.data.annotations import READERS, list_pictures, read_annotation
from diffbin.data.labels import Annotation
from diffbin.data.pack import pack
from diffbin.data.picture import open_picture, orientation
from diffbin.data.sources import PictureSource, ShardSource
from diffbin.detections import Detections
from diffbin.errors import InputError
from diffbin.formats.labelme import to_labelme
from diffbin.image import load

QUAD: list[list[float]] = [[10, 10], [50, 10], [50, 30.5], [10, 30]]
FLAT = np.ravel(QUAD).tolist()
BOX: list[list[float]] = [[60, 5], [90, 5], [90, 25], [60, 25]]


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (120, 80), "grey").save(folder / name)
    return folder


def labels_of(source: Source) -> dict[str, Annotation]:
    return {picture.name: read_annotation(source, picture) for picture in list_pictures(source, "")}


def labelme(**changes: Any) -> str:
    shape: dict[str, Any] = {"label": "text", "points": QUAD, "shape_type": "polygon", "group_id": None, "flags": {}}
    return json.dumps(
        {"version": "5.4.1", "flags": {}, "shapes": [{**shape, **changes}], "imagePath": "a.png"}, indent=2
    )


SET_FILES = {
    "paddleocr": "\n".join(
        [
            '﻿b_10.png\t[{"transcription": "a, b", "points": [[10, 10], [50, 10], [50, 30.5], [10, 30]]}, '
            '{"transcription": "###", "points": [[60, 5], [90, 5], [90, 25], [60, 25]], "difficult": false}]',
            "",
            'some/where/b_9.png\t[{"transcription": "c", "points": [[1, 1], [9, 1], [9, 9]], "difficult": true}]',
            "c.png\t[]",
        ]
    ),
    "mmocr": json.dumps(
        {
            "metainfo": {"dataset_type": "TextDetDataset", "task_name": "textdet"},
            "data_list": [
                {
                    "img_path": "b_10.png",
                    "instances": [
                        {"polygon": FLAT, "bbox": [0, 0, 1, 1], "ignore": False, "text": "a, b"},
                        {"polygon": np.ravel(BOX).tolist(), "ignore": True, "text": "###"},
                    ],
                },
                {"img_path": "some\\where\\b_9.png", "instances": [{"polygon": [1, 1, 9, 1, 9, 9], "ignore": True}]},
                {"img_path": "c.png", "instances": []},
            ],
        }
    ),
    "coco": json.dumps(
        {
            "images": [
                {"id": 7, "file_name": "b_10.png"},
                {"id": 3, "file_name": "some/where/b_9.png"},
                {"id": 4, "file_name": "c.png"},
            ],
            "annotations": [
                {"image_id": 3, "segmentation": [[1, 1, 9, 1, 9, 9]], "bbox": [1, 1, 8, 8], "iscrowd": 1},
                {"image_id": 7, "segmentation": [FLAT], "bbox": [0, 0, 1, 1], "iscrowd": 0, "text": "a, b"},
                {"image_id": 7, "segmentation": {"counts": "", "size": []}, "bbox": [60, 5, 30, 20], "iscrowd": 1},
            ],
            "categories": [{"id": 1, "name": "text"}],
        }
    ),
}


@pytest.mark.parametrize("format_", list(SET_FILES))
def test_one_file_for_a_set(tmp_path: Path, format_: str) -> None:
    """A name may have folders in front that are not below the one given, as PPOCRLabel and Windows write them."""
    images = write(tmp_path / "images", "b_10.png", "b_9.png", "c.png", "not_labelled.png")
    (tmp_path / "labels").write_text(SET_FILES[format_])
    source = Source(format=format_, images=str(images), labels=str(tmp_path / "labels"))  # type: ignore[arg-type]
    found = labels_of(source)
    assert list(found) == ["b_9.png", "b_10.png", "c.png"]
    assert [p.tolist() for p in found["b_10.png"].polygons] == [QUAD, BOX]
    assert found["b_10.png"].ignored.tolist() == [False, True] and found["b_10.png"].texts[0] == "a, b"
    assert found["b_9.png"].ignored.tolist() == [True] and found["b_9.png"].polygons[0].tolist() == [
        [1, 1],
        [9, 1],
        [9, 9],
    ]
    assert not found["c.png"].polygons
    assert len(PictureSource(source, "")) == 3
    images = write(tmp_path / "deep", "b_10.png", "b_9.png", "where/b_9.png", "some/where/b_9.png", "c.png")
    assert [p.name for p in list_pictures(Source(format=format_, images=str(images), labels=source.labels), "")] == [  # type: ignore[arg-type]
        "b_10.png",
        "c.png",
        "some/where/b_9.png",
    ]


@pytest.mark.parametrize(
    ("format_", "text", "said"),
    [
        ("paddleocr", "a.png [{}]", r"labels, line 1 is not of the form NAME, a tabulator"),
        ("paddleocr", 'a.png\t[{"transcription": "a"}]', "line 1 is not"),
        ("paddleocr", "a.png\t[]\na.png\t[]", r"a\.png twice"),
        ("paddleocr", 'a.png\t[{"transcription": "a", "points": [[1, 2], [3, 4]]}]', r"what it has of a\.png"),
        ("paddleocr", "b.png\t[]", r"a label for b\.png, and \S*images no such picture; add it"),
        ("paddleocr", "a.png\t[]\nimages/a.png\t[]", r"2 labels for \S*a\.png, by several paths"),
        ("paddleocr", "../images/../b.png\t[]", "no such picture"),
        ("paddleocr", "a.png\t[]\n../images/a.png\t[]", "by several paths"),
        ("paddleocr", "a.png\t{}", "line 1 is not"),
        ("paddleocr", 'a.png\t[{"transcription": "a", "points": [["1", 2], [3, 4], [5, 6]]}]', "what it has of"),
        ("paddleocr", "\n", "names no picture"),
        ("mmocr", "[]", "not of the form"),
        ("mmocr", '{"data_list": [{"img_path": 1, "instances": []}]}', "not of the form"),
        ("mmocr", '{"data_list": [{"img_path": "a.png", "instances": [{"bbox": [1, 2, 3, 4]}]}]}', "what it has of"),
        ("coco", "no JSON", "not of the form"),
        (
            "coco",
            '{"images": [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}], "annotations": []}',
            "several images of the id 1",
        ),
        (
            "coco",
            '{"images": [], "annotations": [{"id": 5, "image_id": 1, "bbox": [1, 2, 3, 4]}]}',
            "annotation 5 is of",
        ),
        (
            "coco",
            '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1}]}',
            "number 1 has",
        ),
        ("mmocr", '{"data_list": [{"img_path": "a.png", "instances": ""}]}', "what it has of"),
        ("mmocr", '{"data_list": [{"img_path": "a.png", "instances": [{"polygon": "112233"}]}]}', "what it has of"),
        (
            "mmocr",
            '{"data_list": [{"img_path": "a.png", "instances": [{"polygon": [1, 1, 9, 1, 9, 9], "ignore": "no"}]}]}',
            "what it has of",
        ),
    ],
)
def test_a_set_of_another_form_is_named(tmp_path: Path, format_: str, text: str, said: str) -> None:
    images = write(tmp_path / "images", "a.png")
    (tmp_path / "labels").write_text(text)
    with pytest.raises(InputError, match=said):
        labels_of(Source(format=format_, images=str(images), labels=str(tmp_path / "labels")))  # type: ignore[arg-type]


def test_a_folder_in_the_place_of_the_file_of_a_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no label file .* serves all pictures"):
        list_pictures(Source(format="mmocr", images=str(tmp_path), labels=str(tmp_path)), "")


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    images, labels = write(tmp_path / "images", "a.png", "b.png"), tmp_path / "labels"
    source = Source(format="paddleocr", images=str(images), labels=str(labels))
    labels.write_text("a.png\t[]")
    assert list(labels_of(source)) == ["a.png"]
    labels.write_text('b.png\t[]\na.png\t[{"transcription": "a", "points": [[1, 1], [9, 1], [9, 9]]}]')
    first, second = list_pictures(source, "")
    assert [len(read_annotation(source, picture).polygons) for picture in (first, second)] == [1, 0]
    labels.write_text("a.png\t[]\n")
    assert not read_annotation(source, first).polygons
    with pytest.raises(InputError, match=r"no longer has a label for b\.png"):
        read_annotation(source, second)


def test_turned_boxes_of_cvat(tmp_path: Path) -> None:
    images, labels = write(tmp_path / "images", "a.png"), tmp_path / "labels"
    box = {"image_id": 1, "segmentation": [], "bbox": [30, 30, 60, 20], "iscrowd": 0, "attributes": {"rotation": 90.0}}
    labels.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.png"}], "annotations": [box]}))
    (found,) = labels_of(Source(format="coco", images=str(images), labels=str(labels))).values()
    assert np.round(found.polygons[0], 3).tolist() == [[70, 10], [70, 70], [50, 70], [50, 10]]


def test_two_pictures_that_would_share_a_file_of_labelme(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "a.jpg")
    with pytest.raises(InputError, match=r"2 pictures of .* are called a and share a label"):
        list_pictures(Source(format="labelme", images=str(tmp_path), labels=str(tmp_path)), "")


def test_labelme(tmp_path: Path) -> None:
    read = READERS["labelme"]
    path = tmp_path / "a.json"
    path.write_text(labelme(label="Wort"))
    assert read(path).polygons[0].tolist() == QUAD and read(path).texts == ["Wort"] and not read(path).ignored.any()
    path.write_text(labelme(shape_type="rectangle", points=[[90, 25], [60, 5]], description="word"))
    assert read(path).polygons[0].tolist() == BOX and read(path).texts == ["word"]
    path.write_text(labelme(shape_type="oriented_rectangle"))
    assert read(path).polygons[0].tolist() == QUAD
    for mark in ({"label": "###"}, {"description": "###"}):
        path.write_text(labelme(**mark))
        assert read(path).ignored.tolist() == [True]
    for text in ('{"shapes": []}', "\n"):
        path.write_text(text)
        assert not read(path).polygons


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (labelme(shape_type="circle"), r"shape 1 is a circle; text is outlined by polygon, rect"),
        (labelme(points=[[1, 2], [3, 4]]), "not of labelme's form"),
        (labelme(shape_type="rectangle", points=QUAD), "not of labelme's form"),
        (labelme(points=[["1", 2], [3, 4], [5, 6]]), "not of labelme's form"),
        (labelme(points=[[int("9" * 400), 2], [3, 4], [5, 6]]), "not of labelme's form"),
        ('{"shapes": {}}', "not of labelme's form"),
        (labelme(points=[["a", 2], [3, 4], [5, 6]]), "not of labelme's form"),
        ('{"image": "a.png", "size": [1, 1], "regions": []}', "not of labelme's form"),
        ("{", "not of labelme's form"),
    ],
)
def test_labelme_of_another_form_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=rf"a\.json.*{said}"):
        READERS["labelme"](tmp_path / "a.json")


def test_answers_for_labelme_are_read_as_they_were_written(tmp_path: Path) -> None:
    polygons = [np.array(QUAD, np.float32), np.array([[1.004, 2], [9, 2], [9, 7], [5, 8], [1, 7]], np.float32)]
    text = to_labelme(Detections(polygons, np.array([0.9, 0.8], np.float32), (80, 120)), "../a.png")
    content = json.loads(text)
    assert text.count("\n") == 1 and content["imagePath"] == "../a.png" and content["imageData"] is None
    assert (content["imageHeight"], content["imageWidth"]) == (80, 120)
    assert all(isinstance(shape["label"], str) and shape["flags"] == {} for shape in content["shapes"])
    (tmp_path / "a.json").write_text(text)
    for wanted, found in zip(polygons, READERS["labelme"](tmp_path / "a.json").polygons, strict=True):
        assert np.abs(wanted - found).max() < 0.006


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_upright_pictures_are_those_of_detection(tmp_path: Path, suffix: str, turn: int) -> None:
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    Image.fromarray(pixels).save(path, exif=exif, lossless=True)  # which WebP alone asks for
    assert orientation(path) == turn
    opened = open_picture(path, upright=True)
    assert opened.size == load(path).shape[:2] and np.array_equal(opened.read()[0], load(path))


def test_turns_that_xmp_alone_tells_of_are_none(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg", xmp=XMP)
    assert orientation(tmp_path / "a.jpg") == 1
    assert open_picture(tmp_path / "a.jpg", upright=True).read()[0].shape == (40, 60, 3)


def test_photographs_that_labelme_turns_are_taken_upright(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """The upper half is white as stored, the right one once turned by EXIF: there is the text."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    stored = np.zeros((80, 120, 3), np.uint8)
    stored[:40] = 255
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif.tobytes())
    (tmp_path / "a.json").write_text(labelme(points=[[45, 10], [75, 10], [75, 110], [45, 110]]))
    source = Source(format="labelme", images=str(tmp_path), labels=str(tmp_path))
    pack(source, out=tmp_path / "shards", shard_mb=1)
    for opened in (
        PictureSource(source, ""),
        ShardSource(Source(format="shards", images=str(tmp_path / "shards")), ""),
    ):
        scene = opened.load(0)
        assert scene.size == (120, 80)
        pixels, reduction = scene.read(2.0)
        edge = 40 // reduction
        assert pixels.shape[:2] == (120 // reduction, 80 // reduction)
        assert pixels[:, edge + 5 :].mean() > 250 and pixels[:, : edge - 5].mean() < 5
        assert scene.polygons[0].tolist() == [[45, 10], [75, 10], [75, 110], [45, 110]]
    assert not recwarn.list

"""Detections as text: what is written, and that it can be read again."""

import csv
import json
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from diffbin.config import Source
from diffbin.data.annotations import list_pictures, read_annotation
from diffbin.detections import Detections
from diffbin.formats import FORMATS
from diffbin.formats.alto import NAMESPACE as ALTO
from diffbin.formats.coco import to_coco
from diffbin.formats.page import NAMESPACE as PAGE
from diffbin.leftovers import is_ours

QUAD = np.array([[1, 2], [21, 2], [21, 12], [1, 12]], np.float32)
BEYOND = np.array([[190.126, -4], [230, 30.5], [180, 44.4]], np.float32)
FOUND = Detections([QUAD, BEYOND], np.array([0.9, 0.123456], np.float32), (100, 200))
NONE = Detections([], np.zeros(0, np.float32), (5, 6))
ODD = 'a "b" & <c>\x01\udce9,ü.png'  # as a file may be called, in part no UTF-8
IN_XML = 'a "b" & <c>\ufffd\ufffd,ü.png'


@pytest.mark.parametrize("format_", sorted(FORMATS))
@pytest.mark.parametrize("found", [FOUND, NONE])
def test_an_answer_is_known_by_its_first_line(format_: str, found: Detections) -> None:
    way = FORMATS[format_]
    text = way.head + way.write(found, ODD)
    assert not text or text.endswith("\n")
    others = {name for name, other in FORMATS.items() if other.begins.match(text.partition("\n")[0].encode())}
    empty = not text or format_ == "coco"  # coco is never a file of ours
    assert others == (set() if empty else {format_})


@pytest.mark.parametrize(
    ("name", "content", "ours"),
    [
        ("a.txt", b"", True),
        ("a.txt", b"\nnotes", False),
        ("a.json", b"", False),
        ("a.csv", b"image,score,left,top,right,bottom,polygon,seen\n", False),
        ("a.xml", b'<?xml version="1.0" encoding="UTF-8"?><!-- by diffbin --><PcGts/>\n', False),
        ("a.xml", b'<?xml version="1.0" encoding="UTF-8"?><!-- by diffbin -->\r\n<PcGts/>', True),
        ("a.xml", b'<?xml version="1.0" encoding="UTF-8"?><!-- ALTO by diffbin -->\n<alto/>', True),
    ],
)
def test_what_others_have_saved_is_theirs(tmp_path: Path, name: str, content: bytes, ours: bool) -> None:
    (tmp_path / name).write_bytes(content)
    way = next(way for way in FORMATS.values() if way.suffix == Path(name).suffix)
    assert is_ours(tmp_path / name, way) is ours


def test_icdar_and_json() -> None:
    assert FORMATS["icdar"].write(FOUND, "a.png") == "1,2,21,2,21,12,1,12,0.9000\n190,-4,230,30,180,44,0.1235\n"
    content = json.loads(FORMATS["json"].write(FOUND, "a.png"))
    assert content["image"] == "a.png" and content["size"] == [100, 200]
    assert content["regions"][0] == {"polygon": [[1, 2], [21, 2], [21, 12], [1, 12]], "score": 0.9}
    assert FORMATS["icdar"].write(NONE, "") == "" and json.loads(FORMATS["json"].write(NONE, ""))["regions"] == []


def test_csv_is_one_table() -> None:
    way = FORMATS["csv"]
    lines = (way.head + way.write(FOUND, ODD) + way.write(NONE, "none.png") + way.write(FOUND, "b.png")).split("\n")
    rows = list(csv.DictReader(lines))
    assert [row["image"] for row in rows] == [ODD, ODD, "b.png", "b.png"]
    first, second, _, _ = rows
    assert (first["score"], first["polygon"]) == ("0.9000", "1 2 21 2 21 12 1 12")
    assert [second[side] for side in ("left", "top", "right", "bottom")] == ["180", "-4", "230", "44.4"]
    assert second["polygon"] == "190.13 -4 230 30.5 180 44.4"


def test_coco_is_read_as_labels_again(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    Image.new("RGB", (6, 5)).save(tmp_path / "none.png")
    text = to_coco([("none.png", NONE), ("a.png", FOUND)])
    (tmp_path / "coco.json").write_text(text)
    source = Source(format="coco", images=str(tmp_path), labels=str(tmp_path / "coco.json"))
    labels = {picture.name: read_annotation(source, picture) for picture in list_pictures(source, "")}
    assert [len(labels[name].polygons) for name in ("none.png", "a.png")] == [0, 2]
    assert labels["a.png"].polygons[0].tolist() == QUAD.tolist()
    content = json.loads(text)
    assert content["images"][1] == {"id": 2, "file_name": "a.png", "width": 200, "height": 100}
    first, second = content["annotations"]
    assert (first["bbox"], first["area"], first["score"]) == ([1, 2, 20, 10], 200, 0.9)
    assert [a["id"] for a in (first, second)] == [1, 2] and {a["image_id"] for a in (first, second)} == {2}
    assert json.loads(FORMATS["coco"].write(FOUND, "a.png"))["annotations"][0]["image_id"] == 1


def test_page_xml() -> None:
    """As its schema has it: whole pixels within the picture, lines within their region, the score of `Coords`."""
    root = ElementTree.fromstring(FORMATS["page"].write(FOUND, ODD))
    space = {"p": PAGE}
    page = root.find("p:Page", space)
    assert page is not None
    assert page.attrib == {"imageFilename": IN_XML, "imageWidth": "200", "imageHeight": "100"}
    outline = page.find("p:TextRegion/p:Coords", space)
    assert outline is not None and outline.attrib == {"points": "1,0 200,0 200,44 1,44"}
    lines = [coords.attrib for coords in page.iterfind("p:TextRegion/p:TextLine/p:Coords", space)]
    assert lines == [
        {"points": "1,2 21,2 21,12 1,12", "conf": "0.9000"},
        {"points": "190,0 200,30 180,44", "conf": "0.1235"},
    ]
    created = root.findtext("p:Metadata/p:Created", "", space)
    assert datetime.fromisoformat(created).utcoffset() is not None
    assert ElementTree.fromstring(FORMATS["page"].write(NONE, "")).find(".//p:TextRegion", space) is None


def test_alto() -> None:
    root = ElementTree.fromstring(FORMATS["alto"].write(FOUND, ODD))
    space = {"a": ALTO}
    assert root.findtext(".//a:fileName", "", space) == IN_XML
    block = root.find("a:Layout/a:Page/a:PrintSpace/a:TextBlock", space)
    assert block is not None
    place = {"HPOS": "180", "VPOS": "0", "WIDTH": "20", "HEIGHT": "44"}
    assert {**block.attrib} == {"ID": "block", "HPOS": "1", "VPOS": "0", "WIDTH": "199", "HEIGHT": "44"}
    line = block.findall("a:TextLine", space)[1]
    assert line.attrib == {"ID": "line_2", **place}
    shape, string = line
    assert shape[0].attrib == {"POINTS": "190,0 200,30 180,44"}
    assert string.attrib == {"CONTENT": "", **place, "WC": "0.1235"}
    assert ElementTree.fromstring(FORMATS["alto"].write(NONE, "")).find(".//a:TextBlock", space) is None


def test_regions_beside_each_other_are_words_of_a_line() -> None:
    quads = [QUAD, QUAD + np.array([24, 0], np.float32), QUAD + np.array([0, 40], np.float32)]
    found = Detections(quads, np.array([0.9, 0.5, 0.25], np.float32), (100, 200))
    page, alto = (ElementTree.fromstring(FORMATS[name].write(found, "a.png")) for name in ("page", "alto"))
    space = {"p": PAGE, "a": ALTO}
    lines = page.findall(".//p:TextLine", space)
    assert [[word.attrib["id"] for word in line.findall("p:Word", space)] for line in lines] == [
        ["word_1_1", "word_1_2"], []
    ]  # fmt: skip
    conf = [coords.attrib["conf"] for coords in lines[0].iterfind(".//p:Coords", space)]
    assert conf == ["0.7000", "0.9000", "0.5000"]
    strings = [line.findall("a:String", space) for line in alto.iterfind(".//a:TextLine", space)]
    assert [[string.attrib["HPOS"] for string in line] for line in strings] == [["1", "25"], ["1"]]
    text = FORMATS["hocr"].write(found, "a.png")
    assert text.count('"ocr_line"') == 2 and text.count('"ocrx_word"') == 3 and "bbox 1 2 45 12; poly" in text


def test_hocr() -> None:
    text = FORMATS["hocr"].write(FOUND, ODD)
    root, space = ElementTree.fromstring(text.partition("\n")[2]), {"h": "http://www.w3.org/1999/xhtml"}
    page, in_title = root.find("h:body/h:div", space), IN_XML.replace('"', "%22")
    assert page is not None and page.attrib["title"] == f'image "{in_title}"; bbox 0 0 200 100; ppageno 0'
    lines = page.findall("h:div/h:span", space)
    assert lines[1].attrib == {
        "class": "ocr_line", "id": "line_2", "title": "bbox 180 0 200 44; poly 190 0 200 30 180 44"
    }  # fmt: skip
    assert lines[1][0].attrib == {"class": "ocrx_word", "title": "bbox 180 0 200 44; x_wconf 12"}
    assert "/></span>" not in text and "<title></title>" in text, "HTML knows no empty elements of these names"
    assert "ocr_carea" not in FORMATS["hocr"].write(NONE, "").partition("</head>")[2]

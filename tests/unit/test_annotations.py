import pickle
import re
import sys
import warnings
from pathlib import Path, PurePosixPath, PureWindowsPath

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image
from scipy.io import savemat

from diffbin.config import Decode, Source
from diffbin.data import labels
from diffbin.data.annotations import READERS, list_pictures, natural_key, take_part
from diffbin.data.labels import Annotation, Label
from diffbin.data.sources import PictureSource
from diffbin.decode import decode
from diffbin.errors import ConfigError, DependencyError, DiffbinWarning, InputError
from diffbin.formats.icdar import line
from diffbin.metrics.evaluate import list_labelled

QUAD = "1,2,30,2,30,20,1,20"


def label(folder: Path, text: str, name: str = "gt.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_icdar_with_byte_order_mark_commas_and_ignored(tmp_path: Path) -> None:
    found = READERS["icdar"](label(tmp_path, f"\ufeff{QUAD},a, b\r\n{QUAD},###\n\n{QUAD}\n"))
    assert found.texts == ["a, b", "###", ""]
    assert found.ignored.tolist() == [False, True, False]
    assert all(p.shape == (4, 2) and p.dtype == np.float32 for p in found.polygons)
    assert found.polygons[0].tolist() == [[1, 2], [30, 2], [30, 20], [1, 20]]


def test_icdar_polygons_of_more_points_and_fractions(tmp_path: Path) -> None:
    found = READERS["icdar"](label(tmp_path, "0,0,10,-1.5,20,0,20,10,10,8.5,0,10,word\n0,0,10,0,20,0,20,10,0,10\n"))
    assert [p.shape for p in found.polygons] == [(6, 2), (5, 2)]
    assert found.polygons[0][1].tolist() == [10, -1.5]
    assert found.texts == ["word", ""]


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ("903,178,938,180,936,193,902,192", "6,000"),
        ("382,108,464,107,461,130,379,130", "36,000,000"),
        ("456,17,521,34,515,57,451,41", "40,257"),
        ("903,178,938,180,936,193,902,192", "35"),
        ("42,40,90,40,90,60,42,60", "3,99"),
        ("903,178,938,180,936,193,902,192", "99999999"),
    ],
)
def test_numbers_in_a_transcription_are_no_vertices(tmp_path: Path, box: str, text: str) -> None:
    found = READERS["icdar"](label(tmp_path, f"{box},{text}"))
    assert found.polygons[0].shape == (4, 2)
    assert found.texts == [text]


@pytest.mark.parametrize("text", ["word", "###", "0.9000", "x 12", "a, b"])
def test_a_fifth_corner_far_from_the_others_is_one_where_a_text_follows(tmp_path: Path, text: str) -> None:
    """As of a tilted word that the picture's upper edge cuts."""
    found = READERS["icdar"](label(tmp_path, f"49.2,16.2,110.2,0,237.5,0,239,5.6,59.1,53.3,{text}"))
    assert found.polygons[0].shape == (5, 2) and found.texts == [text]
    assert found.ignored.tolist() == [text == "###"]


@pytest.mark.parametrize("text", ["0.9000", "###"])
def test_outlines_are_read_as_they_were_written(text: str) -> None:
    """Grown outlines begin with several points of one round corner."""
    rng, settings = np.random.default_rng(0), Decode(shape="polygon", unclip_ratio=2.0, epsilon_ratio=0.002)
    for _ in range(40):
        prob = np.zeros((720, 1280), np.float32)
        x, y, width, height, angle = rng.uniform((200, 150, 30, 10, -40), (1000, 550, 500, 60, 40)).tolist()
        cv2.fillPoly(prob, [cv2.boxPoints(((x, y), (width, height), angle)).astype(np.int32)], 1.0)
        (wanted,) = decode(prob, settings, scale=(1.0, 1.0), size=(720, 1280)).polygons
        found = labels.parse_icdar(line(wanted, text).encode(), "gt.txt")
        assert found.texts == [text] and found.polygons[0].tolist() == wanted.round().tolist()


def test_lines_end_where_editors_end_them(tmp_path: Path) -> None:
    label = tmp_path / "a.txt"
    label.write_bytes("1,1,9,1,9,9,1,9,a\u2028b\x0bc\x85d\r\n\r2,1,9,1,9,9,1,9,e\n".encode())
    assert READERS["icdar"](label).texts == ["a\u2028b\x0bc\x85d", "e"]
    label.write_text("1,1,9,1,9,9,1,9,a\n\nno box\n")
    with pytest.raises(InputError, match="line 3"):
        READERS["icdar"](label)


def test_an_empty_file_is_a_picture_without_text(tmp_path: Path) -> None:
    for name in ("icdar", "totaltext"):
        found = READERS[name](label(tmp_path, "\n"))
        assert not found.polygons and found.ignored.shape == (0,) and not found.texts


@pytest.mark.parametrize("line", ["1,2,3,4,5,6,7", "1,2,3,4,5,6,7,eight", "1,2,3,4,nan,6,7,8,text", "hello"])
def test_a_malformed_icdar_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match=r"gt\.txt, line 2: .*at least 8 coordinates"):
        READERS["icdar"](label(tmp_path, f"{QUAD}\n{line}\n"))


def test_a_file_of_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    path.write_bytes(b"1,2,3,4,5,6,7,8,caf\xe9")
    with pytest.raises(InputError, match="not UTF-8"):
        READERS["icdar"](path)
    with pytest.raises(InputError, match="cannot be read"):
        READERS["icdar"](tmp_path / "none.txt")


def test_boxes_of_icdar_2013(tmp_path: Path) -> None:
    """With blanks, as the training pictures have them, or commas, as those of the test."""
    text = '158 128 411 181 "Footpath"\r\n38, 43, 920, 215, "a, \\"b\\" \\\\"\r\n\n'
    text += '1,2,3,4,"###"\r\n5 6 7 8 ""\r\n1 2 3 4 "5 6 "7""'
    (tmp_path / "100.jpg").touch()
    label(tmp_path, "\ufeff" + text, "gt_100.txt")
    (picture,) = list_pictures(Source(format="icdar2013"), str(tmp_path))
    found = READERS["icdar2013"](picture.label)
    assert found.texts == ["Footpath", 'a, "b" \\', "###", "", '5 6 "7"']
    assert found.ignored.tolist() == [False, False, True, False, False]
    assert found.polygons[0].tolist() == [[158, 128], [411, 128], [411, 181], [158, 181]]
    assert found.polygons[1].tolist() == [[38, 43], [920, 43], [920, 215], [38, 215]]


@pytest.mark.parametrize("line", [f"{QUAD},word", '1 2 3 "word"', '1 2 3 four "word"', "1 2 3 4 word", "1 2 3 4 5"])
def test_a_malformed_line_of_icdar_2013_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match=r'gt\.txt, line 2: .* is not left top right bottom "transcription"'):
        READERS["icdar2013"](label(tmp_path, f'1 2 3 4 "a"\n{line}\n'))


def test_scripts_of_mlt_2019(tmp_path: Path) -> None:
    """A script more than in 2017; nothing is escaped."""
    text = f'{QUAD},Hindi,\u0928\u092e\u0938\u094d\u0924\u0947, "1,5"\r\n{QUAD},None,###\r\n{QUAD},Symbols,#\r\n'
    (tmp_path / "tr_img_00001.jpg").touch()
    label(tmp_path, text, "tr_img_00001.txt")
    (picture,) = list_pictures(Source(format="mlt"), str(tmp_path))
    found = READERS["mlt"](picture.label)
    assert found.texts == ['\u0928\u092e\u0938\u094d\u0924\u0947, "1,5"', "###", "#"]
    assert found.ignored.tolist() == [False, True, False] and found.polygons[0].shape == (4, 2)


def test_loaders_get_the_points_of_a_picture_as_one_array() -> None:
    polygons = [np.arange(2 * n, dtype=np.float32).reshape(n, 2) for n in (3, 5)]
    wanted = Annotation(polygons, np.array([True, False]), ["a", ""])
    found = pickle.loads(pickle.dumps(wanted))
    assert [p.tolist() for p in found.polygons] == [p.tolist() for p in polygons]
    assert found.polygons[0].base is found.polygons[1].base and found.polygons[0].dtype == np.float32
    assert found.ignored.tolist() == [True, False] and found.texts == ["a", ""]
    assert pickle.loads(pickle.dumps(Annotation([], np.zeros(0, np.bool_), []))).polygons == []


def test_totaltext_records_may_be_wrapped(tmp_path: Path) -> None:
    text = (
        "x: [[206 251\n 386 542]], y: [[633 811 931\n  946]], ornt: [u'c'], transcriptions: [u'PETRO'S]']\n"
        "x: [[1, 2, 3]], y: [[4, 5, 6]], ornt: [u'#'], transcriptions: [u'#']\n"
        'x: [[1 2 3 4]], y: [[4 5 6 7]], ornt: [u"m"], transcriptions: [u"it\'s"]'
    )
    for ends in ("\n", "\r\n", "\r"):
        found = READERS["totaltext"](label(tmp_path, text.replace("\n", ends)))
        assert found.texts == ["PETRO'S]", "#", "it's"]
        assert found.ignored.tolist() == [False, True, False]
        assert found.polygons[0].tolist() == [[206, 633], [251, 811], [386, 931], [542, 946]]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("x: [[1 2 3]], y: [[1 2]], ornt: [u'c'], transcriptions: [u'a']", "3 x and 2 y"),
        ("x: [[1 2 z]], y: [[1 2 3]], ornt: [u'c'], transcriptions: [u'a']", '"z"'),
        (QUAD, "not of the form"),
    ],
)
def test_a_malformed_totaltext_record_is_named(tmp_path: Path, record: str, said: str) -> None:
    good = "x: [[1 2 3]], y: [[4 5 6]], ornt: [u'c'], transcriptions: [u'a']\n"
    with pytest.raises(InputError, match=f"line 2: .*{said}"):
        READERS["totaltext"](label(tmp_path, good + record))


def synthtext(folder: Path) -> Path:
    boxes = np.empty((1, 2), object)
    boxes[0, 0] = np.arange(16, dtype=float).reshape(2, 4, 2)
    boxes[0, 1] = np.arange(8, dtype=float).reshape(2, 4)
    names, texts = np.empty((1, 2), object), np.empty((1, 2), object)
    names[0, :] = ["8/b_10.jpg", "8/b_9.jpg"]
    texts[0, 0], texts[0, 1] = np.array(["two \n words "]), np.array(["one"])
    path = folder / "gt.mat"
    savemat(path, {"imnames": names, "wordBB": boxes, "txt": texts})
    return path


def test_synthtext(tmp_path: Path) -> None:
    path = synthtext(tmp_path)
    pictures = list_pictures(Source(format="synthtext", labels="gt.mat"), str(tmp_path))
    assert [picture.image.name for picture in pictures] == ["b_9.jpg", "b_10.jpg"]
    found = READERS["synthtext"](pictures[1].label)
    assert found.texts == ["two", "words"] and not found.ignored.any()
    assert found.polygons[0].tolist() == [[0, 8], [2, 10], [4, 12], [6, 14]]
    assert READERS["synthtext"](Label(path, 1)).polygons[0].shape == (4, 2)


def test_synthtext_without_scipy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    labels._load_synthtext.cache_clear()
    with pytest.raises(DependencyError, match="pip install"):
        READERS["synthtext"](Label(tmp_path / "gt.mat"))


def test_pictures_in_natural_order_with_any_label_name(tmp_path: Path) -> None:
    names = ["img_10.jpg", "img_2.PNG", "img_1.jpeg"]
    for name in [*names, "readme.md"]:
        (tmp_path / name).touch()
    for name in ["gt_img_10.txt", "img_2.txt", "gt_img_1.txt"]:
        (tmp_path / name).touch()
    found = list_pictures(Source(), str(tmp_path))
    assert [p.image.name for p in found] == ["img_1.jpeg", "img_2.PNG", "img_10.jpg"]
    assert [p.label.path.name for p in found] == ["gt_img_1.txt", "img_2.txt", "gt_img_10.txt"]
    (tmp_path / "gt_img_10.txt").rename(tmp_path / "poly_gt_img_10.txt")
    assert list_pictures(Source(format="totaltext", part="2:"), str(tmp_path))[0].label.path.name.startswith("poly")
    with pytest.raises(InputError, match=r"no label for .*img_10\.jpg.*gt_img_10\.txt"):
        list_pictures(Source(), str(tmp_path))
    labelled = list_pictures(Source(skip_unlabelled=True), str(tmp_path))
    assert [p.image.name for p in labelled] == ["img_1.jpeg", "img_2.PNG"]
    (tmp_path / "img_1.jpeg").rename(tmp_path / "img_0.jpeg")
    (tmp_path / "img_3.png").touch()
    label(tmp_path, "", "img_3.txt")
    second = list_pictures(Source(skip_unlabelled=True, part="1:2"), str(tmp_path))
    assert [p.image.name for p in second] == ["img_3.png"], "part counts those with labels"


def test_a_document_whose_pages_are_labelled_wants_no_label(tmp_path: Path) -> None:
    """As `diffbin detect --format labelme` leaves a TIFF of several pages."""
    for name in ("a.png", "scan.tif", "scan-001.page.png", "scan-002.page.png"):
        (tmp_path / name).touch()
    for name in ("a", "scan-001.page", "scan-002.page"):
        label(tmp_path, '{"shapes": []}', f"{name}.json")
    source = Source(format="labelme", images=str(tmp_path), labels=str(tmp_path))
    names = ["a.png", "scan-001.page.png", "scan-002.page.png"]
    assert sorted(picture.name for picture in list_pictures(source, "")) == names
    (tmp_path / "scan-001.page.json").unlink()
    with pytest.raises(InputError, match=r"There is no label for .*scan"):
        list_pictures(source, "")


def test_of_two_labels_of_one_picture_none_is_taken(tmp_path: Path) -> None:
    source = Source(images=str(tmp_path), labels=str(tmp_path))
    (tmp_path / "a.jpg").touch()
    label(tmp_path, QUAD, "gt_a.txt")
    assert list_pictures(source, "")[0].label.path.name == "gt_a.txt"
    label(tmp_path, QUAD, "a.txt")  # as an answer is called that is written there
    with pytest.raises(InputError, match=r"a\.txt and gt_a\.txt both label a\.jpg"):
        list_pictures(source, "")
    (tmp_path / "gt_a.jpg").touch()  # it has a label, too: its own
    assert [picture.label.path.name for picture in list_pictures(source, "")] == ["a.txt", "gt_a.txt"]


def test_boxes_of_td500_are_turned_about_their_middle(tmp_path: Path) -> None:
    found = READERS["td500"](label(tmp_path, "0 0 100 50 40 20 0\n1 1 100 50 40 20 1.5707963\n"))
    assert found.polygons[0].tolist() == [[100, 50], [140, 50], [140, 70], [100, 70]]
    assert found.polygons[1].round(3).tolist() == [[130, 40], [130, 80], [110, 80], [110, 40]]
    assert found.ignored.tolist() == [False, True]
    for bad in ("0 0 100 50 40 20", "0 0 100 50 40 20 0 1", "0 0 100 x 40 20 0"):
        with pytest.raises(InputError, match=r"line 1: .* is not \"index difficult x y width height angle\""):
            READERS["td500"](label(tmp_path, bad))


def test_each_edition_of_ctw1500_has_fourteen_points(tmp_path: Path) -> None:
    points = [[x, y] for x, y in [*((10 * i, i) for i in range(7)), *((60 - 10 * i, 20 + i) for i in range(7))]]
    listed = ",".join(str(value) for point in points for value in point)
    boxes = (f"<box><label>{text}</label><segs>{listed}</segs></box>" for text in ("a &amp; b", "###"))
    editions = {
        "first.txt": f"5,7,70,30,{listed}\n",
        "test.txt": f"{listed},####a, b\n{listed},#######\n",
        "train.xml": f"<image>{''.join(boxes)}</image>",
    }
    found = {name: READERS["ctw1500"](label(tmp_path, text, name)) for name, text in editions.items()}
    assert found["first.txt"].polygons[0].tolist() == [[x + 5, y + 7] for x, y in points]
    for name in ("test.txt", "train.xml"):
        assert [polygon.tolist() for polygon in found[name].polygons] == [points, points]
        assert found[name].ignored.tolist() == [False, True]
    assert [found[name].texts[0] for name in editions] == ["", "a, b", "a & b"]
    with pytest.raises(InputError, match=r"line 1: .* does not begin with 28 coordinates|number 1: .* 28 coordinates"):
        READERS["ctw1500"](label(tmp_path, "1,2,3,4\n"))
    with pytest.raises(InputError, match="is not XML"):
        READERS["ctw1500"](label(tmp_path, "<image>", "cut.xml"))
    with pytest.raises(InputError, match="defines entities"):
        READERS["ctw1500"](label(tmp_path, '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "entity.xml"))


def test_the_test_labels_of_ctw1500_have_longer_names(tmp_path: Path) -> None:
    for name in ("1001", "0001"):
        (tmp_path / f"{name}.jpg").touch()
    label(tmp_path, "", "0001001.txt")
    label(tmp_path, "", "0001.xml")
    found = list_pictures(Source(format="ctw1500", images=str(tmp_path), labels=str(tmp_path)), "")
    assert {picture.name: picture.label.path.name for picture in found} == {
        "0001.jpg": "0001.xml",
        "1001.jpg": "0001001.txt",
    }


@pytest.mark.parametrize("part", ["", ":1"])
def test_a_label_that_would_be_of_two_pictures_is_named(tmp_path: Path, part: str) -> None:
    for name in ("a", "gt_a"):
        (tmp_path / f"{name}.jpg").touch()
    label(tmp_path, "", "gt_a.txt")
    source = Source(images=str(tmp_path), labels=str(tmp_path), part=part, skip_unlabelled=True)
    with pytest.raises(InputError, match=r"a\.jpg and gt_a\.jpg share the label .*gt_a\.txt; rename one"):
        list_pictures(source, "")
    label(tmp_path, "", "a.txt")
    found = [picture.label.path.name for picture in list_pictures(source, "")]
    assert found == (["a.txt"] if part else ["a.txt", "gt_a.txt"])


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder of pictures .*nowhere"):
        list_pictures(Source(images="nowhere"), str(tmp_path))
    with pytest.raises(InputError, match=r"no folder of labels .*nowhere"):
        list_pictures(Source(labels="nowhere"), str(tmp_path))
    with pytest.raises(InputError, match="no picture in"):
        list_pictures(Source(), str(tmp_path))
    with pytest.raises(ConfigError, match="synth"):
        list_pictures(Source(format="synth"), str(tmp_path))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("", list(range(20))),
        ("0:3", [0, 1, 2]),
        ("18:", [18, 19]),
        ("9::10", [9, 19]),
        ("!9::10", [*range(9), *range(10, 19)]),
        ("-2:", [18, 19]),
    ],
)
def test_part(part: str, expected: list[int]) -> None:
    assert take_part(range(20), part) == expected


@pytest.mark.parametrize("part", ["5", "a:b", "::0", "1:2:3:4", "!"])
def test_a_bad_part_is_named(part: str) -> None:
    with pytest.raises(ConfigError, match="must be a slice"):
        take_part(range(20), part)


@pytest.mark.parametrize(("system", "other"), [("linux", "a.jpg"), ("darwin", "A.jpg"), ("win32", "A.jpg")])
def test_pictures_that_would_share_a_label_are_named(
    system: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    for name in ("a.png", other, "a.txt", "A.txt"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"2 pictures of .* are called a and share a label; rename them"):
        list_pictures(Source(images=".", labels="."), str(tmp_path))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("300,400,340,400,340,420,300,420", r"lie outside their picture, as in .*a\.txt; are they of"),
        ("4,4,40,4,4,20,40,20", "cross themselves, as in .*; corners go round"),
        ("0.1,0.1,0.4,0.1,0.4,0.2,0.1,0.2", "are smaller than a pixel, as in .*; are they shares"),
        ("4,4,40,4,40,20,4,20", None),
        ("4,4,40,5,41,21,3,20", None),
        ("300,400,340,400,340,420,300,420,###", None),
    ],
)
def test_labels_that_do_not_fit_their_pictures(tmp_path: Path, text: str, told: str | None) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((60, 80, 3), np.uint8))
    (tmp_path / "a.txt").write_text(f"{text}\n")
    source = Source(images=".", labels=".")
    for look in (lambda: list_labelled([source], str(tmp_path)), lambda: PictureSource(source, str(tmp_path))):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            look()
        said = [str(warning.message) for warning in caught]
        assert len(said) == (told is not None)
        assert told is None or re.search(f"1 of 1 labelled regions {told}", said[0])


def test_few_odd_labels_are_nobodys_mistake(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((60, 80, 3), np.uint8))
    (tmp_path / "a.txt").write_text("4,4,40,4,40,20,4,20\n" * 20 + "300,400,340,400,340,420,300,420\n")
    list_labelled([Source(images=".", labels=".")], str(tmp_path))
    assert not recwarn.list


def test_natural_key_mixes_digits_and_letters() -> None:
    names = [Path(name) for name in ["b1", "10", "a10", "a9", "9", "a"]]
    assert [str(name) for name in sorted(names, key=natural_key)] == ["9", "10", "a", "a9", "a10", "b1"]
    assert natural_key(PureWindowsPath(r"a\b 2.jpg")) == natural_key(PurePosixPath("a/b 2.jpg"))


def test_labelled_pictures_that_viewers_turn_are_told_of(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for name, tags in (("a.jpg", b""), ("b.jpg", exif.tobytes()), ("c.png", b"")):
        Image.new("RGB", (60, 40)).save(tmp_path / name, exif=tags)
        label(tmp_path, QUAD, f"{Path(name).stem}.txt")
    source = Source(images=str(tmp_path), labels=str(tmp_path))
    with pytest.warns(DiffbinWarning, match=r"1 of 3 labelled pictures .* as \S*b\.jpg; .* as stored"):
        assert PictureSource(source, "").load(1).size == (40, 60)
    with pytest.warns(DiffbinWarning, match="1 of 3"):
        list_labelled([source], "")

"""Labels by a model: two thresholds, and a set that training reads."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from conftest import DarkIsText
from diffbin import pseudo_labels
from diffbin.config import Source
from diffbin.data.annotations import list_pictures, read_annotation
from diffbin.detector import Detector
from diffbin.errors import InputError
from diffbin.files import write_whole
from diffbin.pseudo_labels import Rule, label_pictures


class Dark(DarkIsText):
    """P rises from white to black."""

    recipe = replace(DarkIsText.recipe, decode=replace(DarkIsText.recipe.decode, mask_threshold=0.1))

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        return np.asarray(np.clip((2.3 - batch[:, :1]) / 4.4, 0, 1) * (batch[:, :1] != 0), np.float32)


RULE = Rule("dark", keep=0.8, ignore=0.4)


def write(folder: Path, name: str, *shades: int) -> None:
    """A white picture with a bar of each shade of grey."""
    folder.mkdir(exist_ok=True)
    picture = np.full((96, 128, 3), 255, np.uint8)
    for i, shade in enumerate(shades):
        cv2.rectangle(picture, (10, 8 + 28 * i), (100, 26 + 28 * i), (shade,) * 3, -1)
    cv2.imwrite(str(folder / name), picture)


def test_sure_regions_are_labels_unsure_ones_ignored_faint_ones_nothing(tmp_path: Path) -> None:
    write(tmp_path / "photos", "both.png", 0, 110, 215)
    write(tmp_path / "photos", "unsure.png", 110)
    write(tmp_path / "photos", "blank.png")
    tally = label_pictures(Detector(Dark()), tmp_path / "photos", tmp_path / "gt", RULE)
    assert (tally.labelled, tally.left_out, tally.there, tally.failed) == (1, 2, 0, [])
    source = Source(images="photos", labels="gt", skip_unlabelled=True)
    (picture,) = list_pictures(source, str(tmp_path))
    found = read_annotation(source, picture)
    assert picture.name == "both.png" and sorted(found.ignored.tolist()) == [False, True]
    known = found.polygons[found.ignored.tolist().index(False)]
    assert known.min(axis=0) == pytest.approx([10, 8], abs=13) and known.max(axis=0) == pytest.approx([100, 26], abs=13)
    assert 0.8 <= float(found.texts[found.ignored.tolist().index(False)]) <= 1


def test_empty_pictures_are_background_when_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "photos", "unsure.png", 110)
    write(tmp_path / "photos", "blank.png")
    tally = label_pictures(Detector(Dark()), tmp_path / "photos", tmp_path / "gt", replace(RULE, empty=True))
    assert (tally.labelled, tally.left_out) == (2, 0)
    assert (tmp_path / "gt" / "blank.txt").read_text() == ""
    assert (tmp_path / "gt" / "unsure.txt").read_text().endswith(",###\n")


def test_a_call_broken_off_goes_on_and_keeps_to_its_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png", "c.png"):
        write(tmp_path / "photos", name, *((0,) if name != "b.png" else ()))
    (tmp_path / "photos" / "d.png").write_bytes(b"no")

    def full(path: Path, content: bytes) -> None:
        if path.stem == "c":
            raise InputError("the disk is full")
        write_whole(path, content)

    monkeypatch.setattr(pseudo_labels, "write_whole", full)
    with pytest.raises(InputError, match="full"):
        label_pictures(Detector(Dark()), tmp_path / "photos", tmp_path / "gt", RULE)
    monkeypatch.undo()
    tally = label_pictures(Detector(Dark()), tmp_path / "photos", tmp_path / "gt", RULE)
    assert (tally.labelled, tally.left_out, tally.there) == (1, 0, 2)
    assert len(tally.failed) == 1 and "d.png is damaged" in tally.failed[0]
    assert (tmp_path / "gt" / "left_out.txt").read_text() == "dark, keep 0.8, ignore 0.4\nb.png\n"
    with pytest.raises(InputError, match="another rule"):
        label_pictures(Detector(Dark()), tmp_path / "photos", tmp_path / "gt", replace(RULE, keep=0.9))


def test_an_empty_record_is_of_no_rule(tmp_path: Path) -> None:
    write(tmp_path / "photos", "a.png", 0)
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / pseudo_labels.LEFT_OUT).touch()
    with pytest.raises(InputError, match='begun by another rule, ""'):
        label_pictures(Detector(Dark()), tmp_path / "photos", tmp_path / "gt", RULE)


def test_labels_are_in_pixels_of_the_picture_as_stored(tmp_path: Path) -> None:
    write(tmp_path / "photos", "a.png", 0)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter when shown
    Image.open(tmp_path / "photos" / "a.png").save(tmp_path / "photos" / "a.jpg", quality=95, exif=exif)
    (tmp_path / "photos" / "a.png").unlink()
    label_pictures(Detector(Dark()), tmp_path / "photos", tmp_path / "gt", RULE)
    values = [int(v) for v in (tmp_path / "gt" / "a.txt").read_text().split(",")[:8]]
    assert max(values[0::2]) > 90 and max(values[1::2]) < 40


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    write(tmp_path / "photos", "a.png", 255)
    (tmp_path / "photos" / "a.png").rename(tmp_path / "photos" / "caf\udce9.png")
    for left_out, there in ((1, 0), (0, 1)):
        tally = label_pictures(Detector(Dark()), tmp_path / "photos", tmp_path / "gt", RULE)
        assert (tally.left_out, tally.there) == (left_out, there)
    for name in ("a\nb.png", "left_out.png"):
        write(tmp_path / "photos", name, 255)
        with pytest.raises(InputError, match="cannot be told of"):
            label_pictures(Detector(Dark()), tmp_path / "photos", tmp_path / "gt", RULE)
        (tmp_path / "photos" / name).unlink()


def test_what_cannot_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ignore <= keep"):
        Rule("dark", keep=0.3, ignore=0.4)
    for name in ("a.png", "a.jpg"):
        write(tmp_path / "photos", name, 0)
    with pytest.raises(InputError, match=r"2 pictures of .* are called a and share"):
        label_pictures(Detector(Dark()), tmp_path / "photos", tmp_path / "gt", RULE)
    with pytest.raises(InputError, match="no folder of pictures"):
        label_pictures(Detector(Dark()), tmp_path / "none", tmp_path / "gt", RULE)

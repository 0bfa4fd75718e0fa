"""Documents: the pages of PDFs and TIFFs, each a picture of its own."""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import DarkIsText, page
from diffbin import Detector, batch, cli, pages, zoo
from diffbin.answers import Output
from diffbin.errors import DiffbinWarning, InputError, LimitError
from diffbin.image import load
from diffbin.pages import DPI, Page, pictures

SHEETS = [page(words)[0] for words in (1, 2, 3)]  # 96 x 128


def images(count: int = 3) -> list[Image.Image]:
    """New ones: Pillow notes on each how it was saved."""
    return [Image.fromarray(sheet) for sheet in SHEETS[:count]]


def pdf(path: Path, count: int = 3) -> Path:
    first, *others = images(count)
    first.save(path, save_all=True, append_images=others, resolution=DPI)
    return path


def directories(content: bytes) -> list[int]:
    """Where those of a TIFF's pages lie."""
    found, at = [], 4
    while (place := struct.unpack_from("<I", content, at)[0]) != 0:
        found.append(place)
        at = place + 2 + 12 * struct.unpack_from("<H", content, place)[0]
    return found


def tiff(path: Path, count: int = 3) -> Path:
    first, *others = images(count)
    first.save(path, save_all=True, append_images=others)
    return path


def test_each_page_is_a_picture(tmp_path: Path) -> None:
    for path in (pdf(tmp_path / "a.PDF"), tiff(tmp_path / "b.tif")):
        found = pictures(path)
        assert [str(p) for p in found] == [f"{path}#page={n}" for n in (1, 2, 3)]
        for sheet, part in zip(SHEETS, found, strict=True):
            picture = load(part)
            assert picture.shape == (96, 128, 3) and picture.dtype == np.uint8
            error = np.abs(picture.astype(int) - sheet)
            assert error.max() == 0 if path.suffix == ".tif" else error.mean() < 4  # a PDF holds them as JPEG
        assert [len(answer) for answer in Detector(DarkIsText())([*found])] == [1, 2, 3]


def test_a_file_of_one_picture_is_itself(tmp_path: Path) -> None:
    single, jpeg, damaged = tiff(tmp_path / "a.tif", 1), tmp_path / "b.tif", tmp_path / "c.tiff"
    images()[0].save(jpeg, format="JPEG")
    damaged.write_bytes(b"II*\0 no picture")
    for path in (single, jpeg, damaged, tmp_path / "missing.tif"):
        assert pictures(path) == [path]
    assert len(pictures(pdf(tmp_path / "d.pdf", 1))) == 1


def test_smaller_copies_and_masks_are_no_pages(tmp_path: Path) -> None:
    path = tiff(tmp_path / "pyramid.tif")
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<HHI", 284, 3, 1), directories(bytes(content))[1])  # a tag that can be missing
    for kind in (1, 4):
        content[at : at + 12] = struct.pack("<HHII", 254, 4, 1, kind)
        path.write_bytes(content)
        first, third = pictures(path)
        assert [str(part) for part in (first, third)] == [f"{path}#page=1", f"{path}#page=3"]
    assert np.array_equal(load(third), SHEETS[2])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")  # of Pillow
def test_a_tiff_cut_off_has_the_pages_before(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif")
    whole = path.read_bytes()
    path.write_bytes(whole[: directories(whole)[2] + 4])
    with pytest.warns(DiffbinWarning, match="is damaged after page 2"):
        assert len(pictures(path)) == 2


def test_what_cannot_be_opened_tells_why_in_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "a.pdf"
    damaged.write_bytes(b"%PDF-1.7 and nothing else")
    for path, reason in ((damaged, "is damaged or has a password"), (tmp_path / "b.pdf", "No such file")):
        (part,) = pictures(path)
        with pytest.raises(InputError, match=f"{path.name} .*{reason}"):
            load(part)
    whole = pdf(tmp_path / "c.pdf")
    with pytest.raises(InputError, match="#page=4 cannot be drawn"):
        load(Page(whole, 4))
    monkeypatch.setattr(pages, "MAX_PAGES", 2)
    for path in (whole, tiff(tmp_path / "d.tif")):
        (part,) = pictures(path)
        with pytest.raises(LimitError, match="has more than 2 pages"):
            load(part)
    monkeypatch.setattr("diffbin.pages.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install '\.\[pdf\]'"):
        load(pictures(whole)[0])


def test_a_page_has_the_limit_of_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffbin.image.MAX_PIXELS", 96 * 128 - 1)
    for path in (pdf(tmp_path / "a.pdf"), tiff(tmp_path / "a.tif")):
        with pytest.raises(LimitError):
            load(pictures(path)[1])


def test_a_turned_page_is_drawn_as_viewers_show_it(tmp_path: Path) -> None:
    import pypdfium2

    document = pypdfium2.PdfDocument(pdf(tmp_path / "a.pdf"))
    document[0].set_rotation(90)
    document.save(tmp_path / "turned.pdf")
    document.close()
    picture = load(Page(tmp_path / "turned.pdf", 1))
    assert picture.shape == (128, 96, 3)
    assert np.abs(picture.astype(int) - np.rot90(SHEETS[0], -1)).mean() < 4


def detect(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(zoo, "load", lambda *_: DarkIsText())
    monkeypatch.setattr(sys, "argv", ["diffbin", "detect", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_answers_are_named_after_their_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    pdf(folder / "a.pdf")
    tiff(folder / "a.tiff")
    (folder / "bad.pdf").write_bytes(b"")
    assert detect(monkeypatch, folder) == 1
    printed = capsys.readouterr()
    names = [json.loads(line)["image"] for line in printed.out.splitlines()]
    assert names == [f"{name}#page={n}" for name in ("a.pdf", "a.tiff") for n in (1, 2, 3)]
    assert "bad.pdf cannot be read as PDF" in printed.err and "1 of 7" in printed.err
    assert detect(monkeypatch, folder, "--out", out, "--draw", "--crop", "--format", "page") == 1
    texts = sorted(path.name for path in out.glob("*.xml"))
    assert texts == [f"{name}-{n}.xml" for name in ("a", "a.tiff") for n in (1, 2, 3)]
    assert 'imageFilename="../in/a.pdf#page=2"' in (out / "a-2.xml").read_text()
    assert len(list((out / "a-3.crops").iterdir())) == 3
    assert load(out / "a-1.overlay.jpg").shape == (96, 128, 3)
    (folder / "a.tiff").unlink()
    (folder / "bad.pdf").unlink()
    (out / "a-2.xml").unlink()
    assert detect(monkeypatch, folder, "--out", out, "--format", "page", "--resume") == 0
    assert "2 of 3" in capsys.readouterr().err and (out / "a-2.xml").exists()


def test_ten_pages_keep_their_order(tmp_path: Path) -> None:
    images()[0].save(tmp_path / "a.pdf", save_all=True, append_images=images() * 3)
    jobs = batch.plan([str(tmp_path)], Output(folder=tmp_path / "out"))
    names = [job.files.text.name for job in jobs if job.files]
    assert names == sorted(names) and names[0] == "a-01.json" and len(names) == 10

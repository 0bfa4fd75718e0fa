"""Documents: the pages of PDFs and TIFFs, each a picture of its own."""

import io
import json
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import DarkIsText, page
from diffbin import Detector, batch, cli, pages, zoo
from diffbin.answers import Output
from diffbin.config import Preprocess, Source
from diffbin.data.annotations import list_pictures, read_annotation
from diffbin.errors import DiffbinWarning, InputError, LimitError
from diffbin.image import Resize, header_size, load
from diffbin.pages import DPI, Page, pictures
from diffbin.tiff import frames

SHEETS = [page(words)[0] for words in (1, 2, 3)]  # 96 x 128


def images(count: int = 3) -> list[Image.Image]:
    """New ones: Pillow notes on each how it was saved."""
    return [Image.fromarray(sheet) for sheet in SHEETS[:count]]


def pdf(path: Path, count: int = 3) -> Path:
    first, *others = images(count)
    first.save(path, save_all=True, append_images=others, resolution=DPI)
    return path


def in_bytes(count: int) -> bytes:
    content = io.BytesIO()
    first, *others = images(count)
    first.save(content, "TIFF", save_all=True, append_images=others)
    return content.getvalue()


TIFF = in_bytes(3)


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


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((1754, 1240), (1754, 1240)),  # A4
        ((400, 300), (981, 736)),  # a ticket, as any picture
        ((3000, 400), (3000, 400)),  # a receipt
        ((4962, 3508), (2495, 1764)),  # A4 in a TIFF of 424 dots an inch
        ((700, 9000), (585, 7521)),
    ],
)
def test_a_page_is_seen_at_its_own_size(size: tuple[int, int], seen: tuple[int, int]) -> None:
    assert pages.fit(size, Preprocess()).resized == seen
    assert pages.fit(size[::-1], Preprocess()).resized == seen[::-1]
    assert min(pages.fit(size, Preprocess(short_px=1700, long_px=3000)).resized) >= min(seen), "never smaller"


def test_a_page_a_pixel_wide_is_no_large_input() -> None:
    assert np.prod(pages.fit((4_400_000, 1), Preprocess()).padded) < 5_000_000


def test_pages_alone_and_where_nothing_else_is_asked_for_are_seen_so(tmp_path: Path) -> None:
    Image.new("RGB", (1240, 1754)).save(tmp_path / "a.pdf", resolution=DPI)
    (part,), detector = pages.pages(tmp_path / "a.pdf"), Detector(DarkIsText())
    own, asked = detector.preprocess, detector.with_size(900)
    assert detector.with_decode(score_threshold=0.4).prepare(detector.load(part))[0].resized == (1754, 1240)
    padded = Detector(detector.engine, preprocess=replace(own, multiple_px=64))
    assert padded.prepare(padded.load(part))[0].padded == (1792, 1280)
    other_size = Detector(detector.engine, preprocess=replace(own, short_px=own.short_px - 1))
    for other in (asked, asked.with_decode(score_threshold=0.4), detector.with_size(own.short_px), other_size):
        assert other.prepare(other.load(part))[0] == Resize.fit((1754, 1240), other.preprocess)
    assert detector.prepare(detector.load(load(part)))[0] == Resize.fit((1754, 1240), own)


def test_a_file_of_one_picture_is_itself(tmp_path: Path) -> None:
    single, jpeg, damaged = tiff(tmp_path / "a.tif", 1), tmp_path / "b.tif", tmp_path / "c.tiff"
    images()[0].save(jpeg, format="JPEG")
    damaged.write_bytes(b"II*\0 no picture")
    for path in (single, jpeg, damaged, tmp_path / "missing.tif"):
        assert pictures(path) == [path]
    assert len(pictures(pdf(tmp_path / "d.pdf", 1))) == len(pages.pages(str(tmp_path / "d.pdf"))) == 1


def with_kind(content: bytes, place: int, kind: int) -> bytes:
    """A TIFF, one of whose pictures, from 0, has another tag 254, which comes first as its number is the least."""
    at = directories(content)[place]
    (count,) = struct.unpack_from("<H", content, at)
    entries = [content[at + 2 + 12 * i : at + 14 + 12 * i] for i in range(count)]
    others = [entry for entry in entries if not entry.startswith((struct.pack("<H", 254), struct.pack("<H", 284)))]
    block = b"".join([struct.pack("<HHII", 254, 4, 1, kind), *others])
    assert len(others) == count - 1
    return content[: at + 2] + block + content[at + 2 + len(block) :]


def test_smaller_copies_and_masks_are_no_pages(tmp_path: Path) -> None:
    path = tiff(tmp_path / "pyramid.tif")
    whole = path.read_bytes()
    for kind in (1, 4):
        path.write_bytes(with_kind(whole, 1, kind))
        first, third = pictures(path)
        assert [str(part) for part in (first, third)] == [f"{path}#page=1", f"{path}#page=3"]
        assert np.array_equal(load(third), SHEETS[2])
    path.write_bytes(with_kind(with_kind(whole, 1, 1), 2, 1))
    assert pictures(path) == [path] and np.array_equal(load(path), SHEETS[0])  # without a warning
    path.write_bytes(with_kind(with_kind(whole, 0, 1), 1, 1))
    assert [str(part) for part in pictures(path)] == [f"{path}#page=3"]
    assert np.array_equal(load(path), SHEETS[2]) and header_size(path.read_bytes(), "") == (96, 128)


def test_big_and_big_endian_tiffs() -> None:
    for order, magic in (("<", b"II"), (">", b"MM")):
        short = struct.pack(f"{order}HHIHH", 254, 3, 1, 1, 0)
        lone = magic + struct.pack(f"{order}HIH", 42, 8, 1) + short + bytes(4)
        assert frames(io.BytesIO(lone)) == ([], True)
        entry = struct.pack(f"{order}HHII", 254, 4, 1, 0)
        copy = struct.pack(f"{order}HHII", 254, 4, 1, 1)
        classic = (
            magic + struct.pack(f"{order}HIH", 42, 8, 1) + entry + struct.pack(f"{order}IH", 26, 1) + copy + bytes(4)
        )
        assert frames(io.BytesIO(classic)) == ([0], True)
        assert frames(io.BytesIO(classic[:30])) == ([0], False)
        cycle = magic + struct.pack(f"{order}HIH", 42, 8, 1) + entry + struct.pack(f"{order}I", 8)
        assert frames(io.BytesIO(cycle)) == ([0], True)
        big = magic + struct.pack(f"{order}HHHQQHHQII", 43, 8, 0, 16, 1, 254, 4, 1, 4, 0) + bytes(8)
        assert frames(io.BytesIO(big)) == ([], True)


def test_a_tiff_cut_off_has_the_pages_before(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif")
    whole = path.read_bytes()
    path.write_bytes(whole[: directories(whole)[2] + 4])
    with pytest.warns(DiffbinWarning, match="is cut off after page 2"):
        assert len(pages.pages(path)) == 2
    first, second, rest = pictures(path)
    assert np.array_equal(load(first), SHEETS[0]) and np.array_equal(load(second), SHEETS[1])
    with pytest.raises(InputError, match=r"a\.tif is cut off after page 2"):
        load(rest)


def test_a_page_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif")
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<HHI", 262, 3, 1), directories(bytes(content))[1]) + 8
    content[at : at + 2] = struct.pack("<H", 77)  # no kind of colours
    path.write_bytes(content)
    first, second, third = pictures(path)
    assert np.array_equal(load(first), SHEETS[0]) and np.array_equal(load(third), SHEETS[2])
    with pytest.raises(InputError, match="#page=2 is damaged: unknown pixel mode"):
        load(second)


def form(path: Path, *, password: bool = False, count: int = 1) -> Path:
    """A PDF whose page of 100 x 50 points has a field with a black box for what was typed into it."""
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [4 0 R] >> >>",
        f"<< /Type /Pages /Kids [3 0 R] /Count {count} >>" if count else "<< /Type /Pages /Kids [] /Count 0 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 50] /Annots [4 0 R] >>",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (a) /Rect [10 10 60 40] /F 4 /P 3 0 R /AP << /N 5 0 R >> >>",
        "<< /Type /XObject /Subtype /Form /BBox [0 0 50 30] /Length 17 >>\nstream\n0 g 0 0 50 30 re f\nendstream",
    ]
    text, places = "%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(text))
        text += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    owner = "ab" * 32
    locked = f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{owner}> /U <{owner}> >> /ID [<00> <00>]"
    trailer = f"<< /Size 6 /Root 1 0 R {locked if password else ''} >>"
    text += f"xref\n0 6\n0000000000 65535 f \n{table}trailer\n{trailer}\nstartxref\n{len(text)}\n%%EOF\n"
    path.write_text(text)
    return path


def test_what_was_typed_into_a_form_is_drawn(tmp_path: Path) -> None:
    (part,) = pictures(form(tmp_path / "a.pdf"))
    picture = load(part)
    assert picture.shape == (105, 209, 3)
    assert not picture[50, 80].any() and (picture[50, 180] == 255).all()


def test_what_cannot_be_opened_tells_why_in_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged, locked = tmp_path / "a.pdf", form(tmp_path / "locked.pdf", password=True)
    damaged.write_bytes(b"%PDF-1.7 and nothing else")
    for path, reason in (
        (damaged, "cannot be read as PDF: Failed to load"),
        (tmp_path / "b.pdf", "cannot be read: No such file"),
        (form(tmp_path / "empty.pdf", count=0), "cannot be read as PDF"),
        (locked, "has a password; .*qpdf"),
    ):
        (part,) = pictures(path)
        with pytest.raises(InputError, match=f"{path.name} {reason}"):
            load(part)
    foreign = tmp_path / "a.png"
    foreign.write_bytes(b"no TIFF")
    for path in (foreign, tmp_path / "missing.tif"):
        with pytest.raises(InputError, match=path.name):
            pages.pages(path)
    with pytest.raises(InputError, match=r"diffbin\.pages"):
        load(damaged)
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


def test_a_tilde_is_no_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "~nobody").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(pictures(pdf(Path("~nobody", "a.pdf")))) == 3


def test_a_page_has_the_limit_of_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffbin.image.MAX_PIXELS", 96 * 128 - 1)
    for part in (Page(pdf(tmp_path / "a.pdf"), 2), Page(tiff(tmp_path / "a.tif"), 2)):
        with pytest.raises(LimitError, match="#page=2 has 96 x 128 pixels"):
            part.load()  # before it is drawn or decoded


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
    assert texts == [f"{name}-00{n}.page.xml" for name in ("a", "a.tiff") for n in (1, 2, 3)]
    assert 'imageFilename="a-002.page.png"' in (out / "a-002.page.xml").read_text()  # which other programs can show
    assert load(out / "a-002.page.png").shape == load(out / "a-001.page.overlay.jpg").shape == (96, 128, 3)
    assert len(list((out / "a-003.page.crops").iterdir())) == 3
    (folder / "a.tiff").unlink()
    (folder / "bad.pdf").unlink()
    (out / "a-002.page.xml").unlink()
    assert detect(monkeypatch, folder, "--out", out, "--format", "page", "--resume") == 0
    assert "2 of 3" in capsys.readouterr().err and (out / "a-002.page.xml").exists()


def test_pages_that_were_written_are_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pdf(tmp_path / "a.pdf")
    for _ in range(2):
        assert detect(monkeypatch, tmp_path, "--out", tmp_path, "--format", "alto", "--draw", "--crop") == 0
        assert len(list(tmp_path.glob("*.xml"))) == 3


def test_old_answers_do_not_pass_for_those_of_a_document_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, out = pdf(tmp_path / "a.pdf"), tmp_path / "out"
    assert detect(monkeypatch, document, "--out", out, "--crop") == 0
    for name in ("a-0004.json", "a-plan.json", "a-001b.json"):
        (out / name).write_text("somebody's")
    document.write_bytes(b"")
    assert detect(monkeypatch, document, "--out", out) == 2
    assert sorted(path.name for path in out.iterdir()) == ["a-0004.json", "a-001b.json", "a-plan.json"]


def test_pages_are_corrected_and_learned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Picture and answer are called alike, as labelme and the reader of its labels want them."""
    pdf(tmp_path / "a.pdf")
    images(1)[0].save(tmp_path / "b.png")
    command = (tmp_path, "--out", tmp_path, "--format", "labelme")
    assert detect(monkeypatch, *command) == 0
    source = Source(format="labelme", images=str(tmp_path), labels=str(tmp_path))
    labels = {p.image.name: len(read_annotation(source, p).polygons) for p in list_pictures(source, "")}
    assert labels == {"a-001.page.png": 1, "a-002.page.png": 2, "a-003.page.png": 3, "b.png": 1}
    (tmp_path / "a-002.page.json").unlink()  # a picture like any other now
    kept = (tmp_path / "a-002.page.png").read_bytes()
    (tmp_path / "a.pdf").unlink()
    assert detect(monkeypatch, *command, "--resume") == 0
    (tmp_path / "a-002.page.json").unlink()
    assert detect(monkeypatch, tmp_path / "a-002.page.png", "--out", tmp_path, "--format", "labelme") == 0
    assert (tmp_path / "a-002.page.png").read_bytes() == kept


def test_a_page_that_is_printed_would_lead_to_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for format_, code in (("page", 2), ("alto", 2), ("hocr", 2), ("labelme", 2), ("icdar", 0), ("csv", 0)):
        assert detect(monkeypatch, pdf(tmp_path / "a.pdf", 1), "--format", format_) == code


def written(out: Path, ending: str = ".json") -> list[str]:
    return sorted(path.name for path in out.glob(f"*{ending}"))


def test_a_tiff_cut_off_keeps_the_answers_of_its_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = tiff(tmp_path / "a.tif"), tmp_path / "out"
    assert detect(monkeypatch, path, "--out", out, "--crop") == 0 and len(written(out)) == 3
    whole = path.read_bytes()
    path.write_bytes(whole[: directories(whole)[2] + 4])
    assert detect(monkeypatch, path, "--out", out, "--crop") == 1
    assert written(out) == ["a-001.json", "a-002.json"] and written(out, ".crops") == ["a-001.crops", "a-002.crops"]


def test_answers_of_pages_that_are_gone_go_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a document that has become shorter or a single picture; not those of pictures that are called so."""
    document, scan, out = pdf(tmp_path / "a.pdf"), tiff(tmp_path / "b.tif"), tmp_path / "out"
    images(1)[0].save(tmp_path / "a-003.png")
    images(1)[0].save(tmp_path / "a-004.png")
    assert detect(monkeypatch, tmp_path / "a-004.png", "--out", out) == 0
    assert detect(monkeypatch, document, scan, "--out", out, "--draw") == 0
    assert written(out) == [
        "a-001.json",
        "a-002.json",
        "a-003.json",
        "a-004.json",
        *(f"b-00{i}.json" for i in (1, 2, 3)),
    ]
    pdf(document, 2)
    tiff(scan, 1)
    assert detect(monkeypatch, document, scan, "--out", out) == 0
    assert written(out) == ["a-001.json", "a-002.json", "a-004.json", "b.json"] and not written(out, ".jpg")
    document.write_bytes(b"")
    assert detect(monkeypatch, tmp_path / "a-003.png", document, "--out", out) == 1
    assert written(out) == ["a-003.json", "a-004.json", "b.json"]


def test_a_missing_package_costs_no_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document, out = pdf(tmp_path / "a.pdf"), tmp_path / "out"
    assert detect(monkeypatch, document, "--out", out) == 0
    monkeypatch.setattr("diffbin.pages.find_spec", lambda _: None)
    assert detect(monkeypatch, document, "--out", out) == 2
    assert len(written(out)) == 3


def test_answers_of_other_formats_keep_their_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document, out = pdf(tmp_path / "a.pdf"), tmp_path / "out"
    assert detect(monkeypatch, document, "--out", out, "--format", "page", "--draw") == 0
    for _ in range(2):
        assert detect(monkeypatch, document, "--out", out) == 0
    assert len(written(out, ".page.png")) == len(written(out, ".overlay.jpg")) == len(written(out)) == 3
    assert detect(monkeypatch, document, "--out", out, "--format", "labelme") == 0  # JSON as well, called otherwise
    assert detect(monkeypatch, document, "--out", out) == 0
    assert len(written(out, "[0-9].json")) == len(written(out, ".page.json")) == 3


def test_pictures_that_are_called_like_pages_are_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("scan.png", "scan.page.png"):
        images(1)[0].save(tmp_path / name)
    for _ in range(2):
        assert detect(monkeypatch, tmp_path, "--out", tmp_path, "--draw") == 0
    assert written(tmp_path) == ["scan.json", "scan.page.json"] and (tmp_path / "scan.page.png").exists()
    jobs = batch.plan([str(tmp_path / "*")], Output())
    assert [job.name for job in jobs] == ["scan.page.png", "scan.png"]  # no overlay


@given(st.data())
def test_whatever_a_tiff_leads_to(data: st.DataObject) -> None:
    content = bytearray(TIFF)
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(4, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    found, _ = frames(io.BytesIO(data.draw(st.sampled_from([b"", b"II+\0", b"MM+\0"])) or content[:4]), 50)
    assert found == []
    found, _ = frames(io.BytesIO(content[: data.draw(st.integers(4, len(content)))]), 50)
    assert found == sorted(set(found)) and len(found) <= 50


def test_a_tiff_that_leads_to_nowhere_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (2**64 - 1, 2**63, 2**40):
        (tmp_path / "a.tif").write_bytes(b"II+\0" + struct.pack("<HHQ", 8, 0, place))
        assert detect(monkeypatch, tmp_path / "a.tif") == 2
        with pytest.raises(InputError, match=r"damaged|known format"):
            load((tmp_path / "a.tif").read_bytes())


def test_pages_of_one_document_are_called_alike(tmp_path: Path) -> None:
    """Also where one of the names is taken."""
    images()[0].save(tmp_path / "a-007.png")
    images()[0].save(tmp_path / "a.pdf", save_all=True, append_images=images() * 3)
    with pytest.raises(InputError, match=r"both be called .*a-007\.json; --resume"):
        batch.plan([str(tmp_path)], Output(folder=tmp_path / "out", resume=True))
    jobs = batch.plan([str(tmp_path)], Output(folder=tmp_path / "out"))
    names = [job.files.text.name for job in jobs if job.files]
    assert names == ["a-007.json", *(f"a.pdf-{n:03}.json" for n in range(1, 11))]


def test_bench_takes_pictures_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pdf(tmp_path / "a.pdf")
    monkeypatch.setattr(sys, "argv", ["diffbin", "bench", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2 and "draw the pages first" in capsys.readouterr().err

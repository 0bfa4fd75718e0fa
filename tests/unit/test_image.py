"""Pictures in: kinds of sources, orientation, limits, damage; and the resize rule."""

import io
import os
import struct
import zlib
from pathlib import Path
from time import process_time

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from diffbin import heic, image, jpeg
from diffbin.config import Preprocess
from diffbin.errors import DiffbinWarning, InputError, LimitError
from diffbin.image import Resize, load, load_for

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 255, (20, 30, 3), np.uint8)


def encode(picture: Image.Image, format_: str, **options: object) -> bytes:
    written = io.BytesIO()
    picture.save(written, format_, **options)
    return written.getvalue()


def test_every_kind_of_source_gives_the_same(tmp_path: Path) -> None:
    pillow = Image.fromarray(PICTURE)
    (tmp_path / "a.png").write_bytes(encode(pillow, "PNG"))
    (entry,) = os.scandir(tmp_path)
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), entry, encode(pillow, "PNG"), PICTURE, pillow):
        assert np.array_equal(load(source), PICTURE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = load(encode(Image.fromarray(PICTURE), "PNG", exif=exif))
    assert loaded.shape == ((20, 30, 3) if orientation < 5 else (30, 20, 3))
    corner = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (-1, 0), 7: (-1, -1), 8: (0, -1)}
    assert np.array_equal(loaded[0, 0], PICTURE[corner[orientation]])


@pytest.mark.parametrize("exif", [b"none", b"Exif\0\0none", b"II*\0", b"II*\0\x08\0\0\0\1\0", b"II*\0\0\0\0\0"])
def test_damaged_exif_turns_nothing(exif: bytes) -> None:
    for format_ in ("PNG", "WEBP"):
        assert load(encode(Image.fromarray(PICTURE), format_, exif=exif)).shape == (20, 30, 3)


def test_exif_of_many_numbers_costs_nothing() -> None:
    """Pillow would make an object of each."""
    tags = struct.pack("<HHHIIHHI", 2, 0x0112, 5, 4_000_000, 64, 0x0112, 3, 1)
    exif = b"II*\0" + struct.pack("<I", 8) + tags.ljust(32_000_056, b"\1")
    begun = process_time()
    assert load(encode(Image.fromarray(PICTURE), "PNG", exif=exif)).shape == (20, 30, 3)
    assert process_time() - begun < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_a_tiff_is_turned_once(orientation: int, compression: str) -> None:
    """Pillow turns it as it reads the pixels, and no picture of another format."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    upright = load(encode(Image.fromarray(PICTURE), "PNG", exif=exif))
    tiff = encode(Image.fromarray(PICTURE), "TIFF", tiffinfo={ExifTags.Base.Orientation: orientation},
                  compression=compression)  # fmt: skip
    for read in (False, True):
        with Image.open(io.BytesIO(tiff)) as image:
            if read:
                image.load()
            assert np.array_equal(load(image), upright)
    assert np.array_equal(load(tiff), upright)


class Pieces(io.BytesIO):
    """A file that gives a few bytes at a time, as a pipe does."""

    def read(self, size: int | None = -1) -> bytes:
        """At most 100 of them."""
        return super().read(min(size or 0, 100))


def test_open_files_and_other_bytes(tmp_path: Path) -> None:
    png = encode(Image.fromarray(PICTURE), "PNG")
    (tmp_path / "a.png").write_bytes(png)
    for content in (bytearray(png), memoryview(png), io.BytesIO(png)):
        assert np.array_equal(load(content), PICTURE)
    with (tmp_path / "a.png").open("rb") as file:
        assert np.array_equal(load(file), PICTURE)
    (tmp_path / "a.txt").write_text("a.png")
    for kind in ("a.txt", "a.png"):
        with (tmp_path / kind).open() as text, pytest.raises(InputError, match="open it in binary mode"):
            load(text)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="closed file"):
        load(file)
    assert np.array_equal(load(Pieces(png)), PICTURE)


def test_modes() -> None:
    grey = PICTURE[:, :, 0]
    assert np.array_equal(load(grey), np.stack([grey] * 3, axis=2))
    assert np.array_equal(load(encode(Image.fromarray(grey), "PNG"))[:, :, 1], grey)
    clear = np.dstack([PICTURE, np.zeros((20, 30), np.uint8)])
    assert (load(clear) == 255).all() and (load(encode(Image.fromarray(clear), "PNG")) == 255).all()
    deep = Image.fromarray(grey.astype(np.uint16) * 256)
    assert np.array_equal(load(encode(deep, "PNG"))[:, :, 0], grey)
    for white in (65535, 1023):  # of a PGM, which Pillow spreads over all 16 bits
        levels = (grey.astype(np.uint32) * white // 255).astype(">u2").tobytes()
        assert np.abs(load(b"P5 30 20 %d\n" % white + levels)[:, :, 0].astype(int) - grey).max() <= 1
    with pytest.raises(InputError, match="32 bits"):
        load(Image.fromarray(grey.astype(np.int32)))
    for mode in ("1", "P", "CMYK"):
        assert load(Image.fromarray(PICTURE).convert(mode)).shape == (20, 30, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b"hello", "not a picture"), (encode(Image.fromarray(PICTURE), "PNG")[:400], "damaged"),
     (encode(Image.fromarray(np.repeat(PICTURE, 9, 0)), "JPEG")[:2000], "damaged")],
)  # fmt: skip
def test_bad_files_are_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(InputError, match=rf"bad\.png.* {reason}"):
        load(tmp_path / "bad.png")


def test_no_other_program_reads_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(*_: object, **__: object) -> None:
        raise AssertionError("Ghostscript was asked")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", begun)
    with pytest.raises(InputError, match="not a picture of a known format"):
        load(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n%%EOF\n")


@pytest.mark.parametrize(
    ("ink", "behind"), [((255, 255, 255), 0), ((250, 220, 40), 0), ((0, 0, 0), 255), ((90, 60, 200), 255)]
)
def test_light_text_on_nothing_shows_on_black(ink: tuple[int, int, int], behind: int) -> None:
    rgba = np.zeros((150, 40, 4), np.uint8)
    rgba[20:30, 5:35] = (*ink, 255)
    for source in (rgba, Image.fromarray(rgba), encode(Image.fromarray(rgba), "PNG")):
        shown = load(source)
        assert shown[25, 10].tolist() == list(ink) and (shown[[0, 149]] == behind).all()


def test_what_is_transparent_shows_white_in_every_strip() -> None:
    pixels = np.zeros((150, 4, 4), np.uint8)
    pixels[..., 3] = np.arange(150)[:, None]
    wanted = np.repeat(255 - np.arange(150), 12).reshape(150, 4, 3)
    for source in (pixels, Image.fromarray(pixels), encode(Image.fromarray(pixels), "PNG")):
        np.testing.assert_array_equal(load(source), wanted)


def test_missing_file_folder_and_odd_arrays(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (entry,) = os.scandir(tmp_path)
    for source, reason in ((tmp_path / "no.png", "No such file"), (tmp_path, "directory"), (entry, "^/.*/sub cannot")):
        with pytest.raises(InputError, match=reason):
            load(source)
    for array in (np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(InputError):
            load(array)
    for text, reason in (("https://a.b/c.jpg", '"https://a.b/c.jpg" is an address; fetch'), ("", "path is empty")):
        with pytest.raises(InputError, match=reason):
            load(text)

    class Empty:
        def load(self) -> None: ...

    with pytest.raises(InputError, match="gave no array, but NoneType"):
        load(Empty())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not int"):
        load(7)  # type: ignore[arg-type]


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = encode(Image.new("1", (20000, 20000)), "PNG")
    with pytest.raises(LimitError, match="pixels"):
        load(bomb)
    with pytest.raises(LimitError, match="pixels"):  # where Pillow's warning is an error
        load(encode(Image.new("1", (10000, 10000)), "PNG"))
    with pytest.raises(LimitError, match="10000 x 10000 pixels"), pytest.warns(Image.DecompressionBombWarning):
        load(encode(Image.new("1", (10000, 10000)), "PNG"))
    monkeypatch.setattr(image, "MAX_BYTES", 100)
    with pytest.raises(LimitError, match="bytes"):
        load(encode(Image.fromarray(PICTURE), "PNG"))


def test_resize_rule_of_the_reference() -> None:
    assert Resize.fit((720, 1280), Preprocess()) == Resize((720, 1280), (736, 1308), (736, 1312))
    assert Resize.fit((720, 1280), Preprocess()).scale == (1308 / 1280, 736 / 720)
    assert Resize.fit((276, 460), Preprocess(long_px=4068, short_px=1024)).resized == (1024, 1707)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_resize_fits_and_pads(height: int, width: int) -> None:
    config = Preprocess()
    resize = Resize.fit((height, width), config)
    assert min(resize.resized) <= config.short_px and max(resize.resized) <= config.long_px
    for small, padded in zip(resize.resized, resize.padded, strict=True):
        assert 1 <= small <= padded < small + 32 and padded % 32 == 0


def test_apply_normalises_then_pads_with_zeros() -> None:
    config = Preprocess(long_px=60, short_px=40)
    resize = Resize.fit((20, 30), config)
    batch = resize.apply(np.full((20, 30, 3), 200, np.uint8), config)
    assert batch.shape == (1, 3, 64, 64) and batch.dtype == np.float32
    for channel, (mean, std) in enumerate(zip(config.mean_rgb, config.std_rgb, strict=True)):
        assert batch[0, channel, :40, :60] == pytest.approx((200 - mean) / std, abs=1e-5)
    assert not batch[:, :, 40:].any() and not batch[:, :, :, 60:].any()
    assert resize.crop(batch[0, 0]).shape == (40, 60)
    assert Resize((39, 61), (39, 61), (64, 64)).crop(np.zeros((32, 32), np.float32)).shape == (20, 31)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpegs_are_read_as_pillow_reads_them(orientation: int, mode: str) -> None:
    """Whole ones are decoded by OpenCV, which is faster."""
    rng, content = np.random.default_rng(0), io.BytesIO()
    soft = cv2.resize(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8), (67, 45), interpolation=cv2.INTER_CUBIC)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(soft).convert(mode).save(content, "JPEG", quality=85, exif=exif)
    with Image.open(content) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(load(content.getvalue()), expected)
    with pytest.raises(InputError, match="damaged"):
        load(content.getvalue()[:-40])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("size", "factor"), [((600, 1001), 4), ((330, 401), 2), ((230, 310), 1), ((1304, 1304), 8), ((1299, 1300), 8)]
)
def test_of_a_large_jpeg_no_more_is_decoded_than_needed(orientation: int, size: tuple[int, int], factor: int) -> None:
    """A side that is rounded up has more at its end, which must not come first."""
    config = Preprocess(long_px=192, short_px=128)
    height, width = size
    factor = 1 if orientation > 1 and any(side % factor for side in size) else factor
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([255 * x / width, 255 * y / height, 128 + 100 * np.sin(x / 40)], axis=2).astype(np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    content = encode(Image.fromarray(smooth), "JPEG", exif=exif, quality=95)
    whole, (picture, seen, is_page) = load(content), load_for(content, config)
    assert not is_page
    assert seen == whole.shape[:2]
    assert picture.shape[:2] == tuple(-(-side // factor) for side in seen)
    resize = Resize.fit(seen, config)
    assert min(np.subtract(picture.shape[:2], resize.resized)) >= 0
    error = np.abs(resize.apply(picture, config) - resize.apply(whole, config))
    assert error.mean() < 0.03  # of the normalised values, whose range is 4.4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_decoded_smaller_lies_where_it_is(orientation: int) -> None:
    """A spot near the end of a picture whose sides are no multiples of eight, in pixels of the network's input."""
    config, exif = Preprocess(long_px=192, short_px=128), Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture = np.zeros((1003, 1545, 3), np.uint8)
    picture[900:940, 1420:1460] = 255
    content = encode(Image.fromarray(cv2.GaussianBlur(picture, (0, 0), 20)), "JPEG", exif=exif)
    places = []
    for loaded in (load_for(content, None), load_for(content, config)):
        resize = Resize.fit(loaded.size, config)
        light = resize.crop(resize.apply(loaded.picture, config)[0, 0]) + config.mean_rgb[0] / config.std_rgb[0]
        places.append([float(np.average(np.indices(light.shape)[axis], weights=light)) for axis in (0, 1)])
    assert places[0] == pytest.approx(places[1], abs=0.1)


@pytest.mark.parametrize("kind", ["trailer", "film", "thumbnail"])
def test_what_telephones_append_to_a_jpeg(kind: str) -> None:
    """Bytes of their own, or more pictures (MPO); neither these nor a thumbnail stand for an end that is missing."""
    config = Preprocess(long_px=64, short_px=64)
    picture = Image.fromarray(cv2.resize(PICTURE, (400, 300)))
    thumbnail = encode(picture.resize((40, 30)), "JPEG")
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = thumbnail.decode("latin-1")
    content = encode(picture, "JPEG", exif=exif.tobytes() if kind == "thumbnail" else b"")
    if kind == "film":
        content = encode(picture, "MPO", save_all=True, append_images=[picture.rotate(180)])
        with Image.open(io.BytesIO(content)) as film:
            assert film.format == "MPO"
    elif kind == "trailer":
        content += b"SEFT" + bytes(40)
    assert load_for(content, config).picture.shape == (75, 100, 3)
    assert np.abs(load(content).astype(int) - np.asarray(picture)).mean() < 12
    assert jpeg.ends(content) and not jpeg.ends(content[: content.index(b"\xff\xda") + 200])
    filled = content[:2] + b"\xff\xff" + content[2:]  # as is allowed before a marker
    assert jpeg.ends(filled) and jpeg.size(filled) == (300, 400)
    with pytest.raises(InputError, match="damaged"):
        load(content[: content.index(b"\xff\xda") + 200])


def test_a_turn_that_only_xmp_tells_of_is_none() -> None:
    """As it is for OpenCV, by whichever of the two a JPEG is read."""
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    content = encode(Image.fromarray(PICTURE), "JPEG", xmp=packet)
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.getexif()[ExifTags.Base.Orientation] == 6
        assert load(opened).shape == load(content).shape == PICTURE.shape


def test_what_is_no_large_jpeg_is_loaded_whole() -> None:
    config = Preprocess(long_px=64, short_px=64)
    picture = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    progressive = encode(Image.fromarray(picture), "JPEG", progressive=True)
    for source in (picture, encode(Image.fromarray(picture), "PNG"), Image.fromarray(picture)):
        assert load_for(source, config).picture.shape == (*load_for(source, config).size, 3) == (300, 400, 3)
    assert load_for(progressive, config).picture.shape == (75, 100, 3)
    assert load_for(progressive, None).picture.shape == (300, 400, 3)
    square = encode(Image.fromarray(picture[:, :301]), "JPEG")  # half of it: (150, 151), a quarter: (75, 76)
    assert load_for(square, config).size == (300, 301)
    nearly = load_for(encode(Image.fromarray(picture[:, :299]), "JPEG"), config)
    assert nearly.picture.shape == (75, 75, 3) and nearly.size == (300, 299)


def test_pages_after_the_first_are_told_of(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (30, 20), colour) for colour in ("red", "green", "blue")]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "film.gif", save_all=True, append_images=pages[1:])
    with pytest.warns(DiffbinWarning, match=r"scan\.tif has several pages; the first is taken"):
        picture = load(tmp_path / "scan.tif")
    assert picture.shape == (20, 30, 3) and (picture == (255, 0, 0)).all()
    load(tmp_path / "film.gif")  # a warning would be an error


def test_a_picture_of_countless_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would go through them in Python, for minutes where they are small."""
    png = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    chunk = struct.pack(">I4sI", 0, b"prVt", zlib.crc32(b"prVt"))
    assert load(png[:33] + 100 * chunk + png[33:]).shape == (8, 8, 3)
    monkeypatch.setattr(image, "MAX_READS", 200)
    with pytest.raises(LimitError, match="the picture has more than 200 parts"):
        load(png[:33] + 100 * chunk + png[33:])
    assert load(b"P5 30 20 254\n" + bytes(600)).shape == (20, 30, 3)  # whose pixels Pillow reads one by one


def test_many_segments_of_exif_are_refused() -> None:
    """Pillow would join them anew with each."""
    jpeg = encode(Image.fromarray(PICTURE), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", 12) + b"Exif\0\0abcd"
    assert load(jpeg[:2] + 10 * segment + jpeg[2:]).shape == (20, 30, 3)
    for look in (load, lambda content: image.header_size(content, "a.jpg")):
        with pytest.raises(LimitError, match="more than 500000 parts"):
            look(jpeg[:2] + 20 * segment + jpeg[2:])


def test_a_tiff_with_countless_numbers_is_refused() -> None:
    """Pillow would make an object of each, of 30 MB some minutes long and 2 GB large."""
    for order, magic in (("<", b"II*\0"), (">", b"MM\0*")):
        strips = struct.pack(f"{order}HHII", 273, 4, 500_001, 8)
        content = magic + struct.pack(f"{order}I", 2_000_012) + bytes(2_000_004) + struct.pack(f"{order}H", 2) + strips
        for rest in (b"", bytes(20)):  # the directory may be cut off
            with pytest.raises(LimitError, match="more than 500000 parts"):
                load(content + rest)
        copyright_ = struct.pack(f"{order}HHII", 33432, 2, 500_001, 8)
        with pytest.raises(InputError, match=r"damaged|not a picture"):  # by Pillow: text is one object
            load(content.replace(strips, copyright_))


def test_a_tile_of_a_tiff_has_the_limit_of_a_picture() -> None:
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 277: 1, 322: 30_000, 323: 30_000, 324: 8, 325: 1}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    tiff = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    for look in (load, lambda content: image.header_size(content, "a.tif")):
        with pytest.raises(LimitError, match="has 30000 x 30000 pixels"):
            look(tiff)


def test_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its content, whatever the file is called; with the package, or with one sentence without."""
    (name,) = heic.formats("")
    picture = Image.fromarray(np.kron(np.eye(4, dtype=np.uint8) * 255, np.ones((16, 16), np.uint8))).convert("RGB")
    content = encode(picture, name, quality=95)
    (tmp_path / "a.jpg").write_bytes(content)
    assert np.abs(load(tmp_path / "a.jpg").astype(int) - np.asarray(picture)).mean() < 4
    assert image.header_size(content, "a.heic") == (64, 64)
    with pytest.raises(InputError, match="damaged"):
        load(content[:-200])
    other = Image.new("RGB", (96, 64), "blue")
    several = encode(picture, name, save_all=True, append_images=[other], primary_index=1)
    assert load(several).shape == (64, 96, 3) and image.header_size(several, "") == (64, 96)
    monkeypatch.setattr(heic, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"a\.jpg is HEIC, .*pip install '\.\[heic\]'"):
        load(tmp_path / "a.jpg")
    monkeypatch.undo()
    monkeypatch.setattr(image, "MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(LimitError):
        load(content)


def test_avif_is_no_heic() -> None:
    assert not heic.BEGINS.match(b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B")
    assert heic.BEGINS.match(b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf")


def test_too_little_memory_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes()

    def short(*_: object, **__: object) -> None:
        raise cv2.error("OpenCV(5.0) alloc.cpp:52: error: (-4:Insufficient memory) Failed to allocate 54 bytes")

    monkeypatch.setattr(image, "from_pillow", short)
    with pytest.raises(InputError, match=r"takes more memory than there is\.$"):
        load(encoded)

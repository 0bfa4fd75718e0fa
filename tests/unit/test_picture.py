import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from diffbin import heic, image, jpeg
from diffbin.config import Augment
from diffbin.data.annotations import pictures_in
from diffbin.data.augment import augment
from diffbin.data.picture import PictureFile, dump_raw, open_picture, raw_pixels, read_picture
from diffbin.data.sample import Sample, Scene, as_scene
from diffbin.errors import InputError, LimitError
from diffbin.image import load

RED = np.full((45, 61, 3), (255, 0, 0), np.uint8)


def write(path: Path, pixels: np.ndarray = RED, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


def soft(height: int, width: int) -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 255, (height // 40, width // 40, 3), np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "P", "1"])
@pytest.mark.parametrize("suffix", ["png", "webp", "gif", "tif"])
def test_transparent_pixels_are_those_that_users_models_see(tmp_path: Path, mode: str, suffix: str) -> None:
    path, exif = tmp_path / f"a.{suffix}", Image.Exif()
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 4), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, lossless=True)
    np.testing.assert_array_equal(read_picture(path), load(path))
    exif[0x0112] = 6
    if suffix in ("gif", "tif"):  # the one has none, of the other see below
        return
    Image.fromarray(pixels).convert(mode).save(path, lossless=True, exif=exif)
    assert read_picture(path).shape == (30, 40, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_jpeg_2000_is_seen_as_users_models_see_it(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.jp2"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 4), np.uint8)).convert(mode).save(path)
    np.testing.assert_array_equal(read_picture(path), load(path))


def test_a_bitmap_whose_fourth_byte_is_nothing_is_not_transparent(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 5, 4), np.uint8)
    pixels[:, :, 3] = 0
    head = struct.pack("<IiiHHIIiiII3I", 40, 5, -3, 1, 32, 3, 60, 2835, 2835, 0, 0, 0xFF0000, 0xFF00, 0xFF)
    path = tmp_path / "a.bmp"
    path.write_bytes(struct.pack("<2sIHHI", b"BM", 66 + 60, 0, 0, 66) + head + pixels.tobytes())
    np.testing.assert_array_equal(read_picture(path), pixels[:, :, 2::-1])


@pytest.mark.parametrize("dtype", [cv2.CV_16UC1, cv2.CV_16UC4])
def test_sixteen_bits_are_seen_as_users_models_see_them(tmp_path: Path, dtype: int) -> None:
    shape, path = ((30, 40) if dtype == cv2.CV_16UC1 else (30, 40, 4)), tmp_path / "a.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 65535, shape, np.uint16))
    np.testing.assert_array_equal(read_picture(path), load(path))
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as stored:
        stored.save(path, exif=exif)
    assert load(path).shape == (40, 30, 3) and read_picture(path).shape == (30, 40, 3)
    np.testing.assert_array_equal(open_picture(path, upright=True).read()[0], load(path))


def test_pages_after_the_first_are_none_of_the_label(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    first = Image.fromarray(soft(80, 120))
    first.save(tmp_path / "a.tif", save_all=True, append_images=[first])
    assert read_picture(tmp_path / "a.tif").shape == (80, 120, 3) and not list(recwarn)
    Image.fromarray(np.zeros((9, 9), np.float32)).save(tmp_path / "b.tif")
    with pytest.raises(InputError, match=r"The picture .*b\.tif has 32 bits a pixel, and its white is not known"):
        read_picture(tmp_path / "b.tif")


@pytest.mark.parametrize("compression", ["raw", "zstd"])
def test_a_tiff_is_its_first_page_and_no_smaller_copy_before_it(tmp_path: Path, compression: str) -> None:
    path, pixels = tmp_path / "a.tif", soft(80, 120)
    with TiffImagePlugin.AppendingTiffWriter(str(path), new=True) as file:
        for size, kind in (((30, 20), 1), ((120, 80), 0)):  # kind 1 is a copy of less resolution
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[254] = kind
            Image.fromarray(pixels).resize(size).save(file, format="TIFF", compression=compression, tiffinfo=tags)
            file.newFrame()
    np.testing.assert_array_equal(read_picture(path), pixels)
    np.testing.assert_array_equal(load(path), pixels)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tif", "ppm", "gif"])
def test_pixels_are_rgb_whatever_the_format(tmp_path: Path, suffix: str) -> None:
    picture = open_picture(write(tmp_path / f"red.{suffix}"))
    pixels, factor = picture.read()
    assert picture.size == pixels.shape[:2] == (45, 61) and factor == 1
    assert np.abs(pixels.astype(int) - RED).max() < 5
    assert np.array_equal(read_picture(tmp_path / f"red.{suffix}"), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_tiff_is_read_as_stored_or_upright(tmp_path: Path, orientation: int) -> None:
    path, pixels = tmp_path / "a.tif", soft(80, 120)
    Image.fromarray(pixels).save(path, tiffinfo={0x0112: orientation})
    stored, upright = open_picture(path), open_picture(path, upright=True)
    np.testing.assert_array_equal(stored.read()[0], pixels)
    np.testing.assert_array_equal(upright.read()[0], load(path))
    assert stored.size == (80, 120) and upright.size == ((80, 120) if orientation < 5 else (120, 80))
    assert not stored.turned and upright.turned == (orientation != 1)


@pytest.mark.parametrize("progressive", [False, True])
def test_the_size_of_a_jpeg_is_read_from_its_header(tmp_path: Path, progressive: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned: labels speak of the picture as it is stored
    path = write(tmp_path / "a.jpg", soft(160, 240), progressive=progressive, exif=exif, comment=b"\xff\xc0")
    content = path.read_bytes()
    assert jpeg.size(content) == (160, 240) and open_picture(path).read()[0].shape == (160, 240, 3)
    assert PictureFile(content[: len(content) // 2], "a").size == (160, 240)  # the rest was not looked at


@pytest.mark.parametrize(("asked", "given"), [(0.3, 1), (1.9, 1), (2, 2), (3.9, 2), (4.2, 4), (50, 8)])
def test_a_jpeg_comes_smaller_where_asked(tmp_path: Path, asked: float, given: int) -> None:
    pixels, factor = open_picture(write(tmp_path / "a.jpg")).read(asked)
    assert factor == given and pixels.shape == (-(-45 // given), -(-61 // given), 3)
    assert open_picture(write(tmp_path / "a.png")).read(asked)[1] == 1


@pytest.mark.parametrize(("size", "given"), [((400, 600), 8), ((404, 600), 1), ((400, 607), 1)])
def test_of_a_turned_jpeg_nothing_is_rounded_up(tmp_path: Path, size: tuple[int, int], given: int) -> None:
    """What a side is rounded up by would lie at its beginning."""
    exif = Image.Exif()
    exif[0x0112] = 3
    path = write(tmp_path / "a.jpg", soft(*size), exif=exif)
    assert open_picture(path, upright=True).read(9)[1] == given
    assert open_picture(path).read(9)[1] == 8


@pytest.mark.parametrize(
    "content", [b"", b"no picture", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01", b"GIF89a"]
)
def test_a_damaged_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.jpg is damaged"):
        read_picture(tmp_path / "bad.jpg")
    with pytest.raises(InputError, match=r"none\.jpg cannot be read"):
        open_picture(tmp_path / "none.jpg")


def test_a_crop_is_the_same_from_a_picture_decoded_small(tmp_path: Path) -> None:
    """To half the size by the decoder, or decoded whole and averaged."""
    picture = open_picture(write(tmp_path / "a.jpg", soft(640, 960), quality=95))
    words = [np.array([[200, 100], [600, 100], [600, 200], [200, 200]], np.float32)]
    ignored, texts = np.array([False]), ["word"]
    config = Augment(crop_px=160, crop="scale", scale_min=0.12, scale_max=0.55, brightness_delta=0, saturation_delta=0)
    factors = set()

    def read(reduction: float) -> tuple[np.ndarray, int]:
        pixels, factor = picture.read(reduction)
        factors.add(factor)
        return pixels, factor

    for seed in range(20):
        lazy = augment(Scene(picture.size, read, words, ignored, texts), config, np.random.default_rng(seed))
        whole = as_scene(Sample(picture.read()[0], words, ignored, texts))
        eager = augment(whole, config, np.random.default_rng(seed))
        assert all(np.array_equal(a, b) for a, b in zip(lazy.polygons, eager.polygons, strict=True))
        assert np.abs(lazy.picture.astype(int) - eager.picture).mean() < 1.5
    assert factors == {2, 4, 8}


def test_pixels_of_ppm_are_not_copied() -> None:
    content = dump_raw(RED)
    pixels, factor = PictureFile(content, "a").read(8)
    assert np.array_equal(pixels, RED) and factor == 1 and not pixels.flags.owndata
    assert raw_pixels(content[:-1]) is None and raw_pixels(b"P6\n0 5\n255\n") is None
    with pytest.raises(InputError, match="a is damaged"):
        PictureFile(b"P6\n999 999\n255\n", "a")


def test_pictures_beyond_the_limits_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = [write(tmp_path / f"a.{suffix}") for suffix in ("png", "jpg", "gif", "ppm")]
    monkeypatch.setattr(PictureFile, "_decode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(LimitError, match="The picture a is larger than the 89000000 pixels"):
        PictureFile(b"P6\n99999 99999\n255\n", "a")
    monkeypatch.setattr(image, "MAX_PIXELS", 61 * 45 - 1)
    for path in small[:3]:
        with pytest.raises(LimitError, match=rf"The picture .*{path.name} has 45 x 61 pixels; pictures of up to 2744"):
            open_picture(path)
    monkeypatch.setattr(image, "MAX_BYTES", 9)
    for path in small:
        with pytest.raises(LimitError, match=rf"The picture .*{path.name} has more than 9 bytes"):
            open_picture(path)


def test_labelled_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (name,) = heic.formats("")
    content = io.BytesIO()
    Image.new("RGB", (48, 32), "red").save(content, name)
    (tmp_path / "a.heic").write_bytes(content.getvalue())
    assert pictures_in(tmp_path) == [tmp_path / "a.heic"]
    assert open_picture(tmp_path / "a.heic").size == (32, 48) and read_picture(tmp_path / "a.heic")[9, 9, 0] > 200
    monkeypatch.setattr(heic, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install '\.\[heic\]'"):
        open_picture(tmp_path / "a.heic")

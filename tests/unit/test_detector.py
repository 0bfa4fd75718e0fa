"""The detector on every kind of picture: an answer of the right size, or one clear error."""

import io
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from conftest import DarkIsText, page
from diffbin.detections import Detections
from diffbin.detector import Detector
from diffbin.errors import ConfigError, InputError, ModelError

DARK = Detector(DarkIsText())
PICTURE = page()[0]


def check(found: Detections, size: tuple[int, int]) -> None:
    assert found.size == size
    assert all(np.isfinite(p).all() and (p >= 0).all() and (p <= size[::-1]).all() for p in found.polygons)


def encode(picture: Image.Image, format_: str, **options: object) -> bytes:
    written = io.BytesIO()
    picture.save(written, format_, **options)
    return written.getvalue()


@pytest.mark.filterwarnings("ignore::diffbin.errors.SmallTextWarning")
@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4000), st.integers(1, 4000), st.floats(0, 1), st.booleans())
def test_every_size_gives_an_answer_of_that_size(height: int, width: int, edge: float, turned: bool) -> None:
    picture = np.full((height, width), 255, np.uint8)
    picture[int(edge * height / 2) : (height + 1) // 2, int(edge * width / 2) :] = 0
    check(DARK(picture[::-1] if turned else picture), (height, width))


@pytest.mark.filterwarnings("ignore::diffbin.errors.SmallTextWarning")
@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1), (2, 3), (7, 5000)])
def test_slivers(size: tuple[int, int], model_file: Path) -> None:
    for detector in (DARK, Detector(model_file, threads=1), Detector(model_file, threads=1, tile="auto")):
        check(detector(np.zeros(size, np.uint8)), size)


def test_regions_of_a_large_jpeg_are_in_pixels_of_the_whole() -> None:
    """Of which the detector has decoded a quarter in each direction."""
    large = np.kron(PICTURE, np.ones((9, 9, 1), np.uint8))[::2, ::2].copy()
    jpeg = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    assert DARK.load(jpeg).picture.shape == (108, 144, 3)
    found, (streamed,) = DARK(jpeg), DARK([jpeg])
    assert found.size == streamed.size == large.shape[:2] and len(found) == 3
    for answers in (found, streamed):
        difference = answers.boxes() - Detector(DarkIsText())(large).boxes()
        assert np.abs(difference).max() < 5  # a pixel of the map is 4.5
    assert Detector(DarkIsText(), tile="auto").load(jpeg).picture.shape == large.shape


def test_a_dense_page_keeps_its_top() -> None:
    sheet = np.full((400, 300, 3), 255, np.uint8)
    for top in range(5, 385, 20):
        sheet[top : top + 10, 20:280] = 0
    detector = DARK.with_decode(max_candidates=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(detector(sheet)) == 6 and len(detector.with_size(400)(sheet)) == 19, "one more than it says"


def test_a_small_picture_is_enlarged_no_further_than_the_model_knows() -> None:
    detector = Detector(DarkIsText(), preprocess=replace(DARK.preprocess, max_ratio=2.5))
    small = PICTURE[:30, :40]
    assert DARK.prepare(DARK.load(small))[0].ratio == pytest.approx(3.2)
    assert detector.prepare(detector.load(small))[0].resized == (75, 100)
    assert detector.with_size(192).prepare(detector.load(small))[0].ratio == 5, "asked for"
    assert detector.with_size(192).with_size(96).preprocess == detector.with_size(48).with_size(96).preprocess
    assert detector.with_size(48).with_size(96).preprocess == detector.preprocess
    assert detector.with_size(60).prepare(detector.load(small))[0].ratio == 2, "no smaller than asked for"
    assert detector.prepare(detector.load(PICTURE))[0] == DARK.prepare(DARK.load(PICTURE))[0]


@pytest.mark.parametrize("size", [0, -1, 4097, True, 800.5, "800"])
def test_an_odd_size_is_refused(size: Any) -> None:
    with pytest.raises(ConfigError, match=f"The size is {size!r}; it must be a whole number from 1 to 4096"):
        DARK.with_size(size)


def test_numbers_of_numpy_are_numbers() -> None:
    size: Any = np.int64(192)
    detector = DARK.with_size(size).with_decode(score_threshold=np.float32(0.5), max_candidates=np.int32(9))
    assert type(detector.preprocess.short_px) is int and detector.preprocess.short_px == 192
    assert type(detector.decode.score_threshold) is float and type(detector.decode.max_candidates) is int
    with pytest.raises(ConfigError, match="must be of type int"):
        DARK.with_decode(max_candidates=np.float32(9))


@pytest.mark.parametrize("model", [None, 7, [DARK.engine]])
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(ModelError, match=f"name, a path or an engine, not {type(model).__name__}"):
        Detector(model)


def test_mixed_channels() -> None:
    alpha = np.full((*PICTURE.shape[:2], 1), 255, np.uint8)
    found = DARK([PICTURE[:, :, 0], PICTURE, np.dstack([PICTURE, alpha])])
    assert [len(f) for f in found] == [3, 3, 3]
    with pytest.raises(InputError, match="96 x 128 x 2"):
        DARK([PICTURE, PICTURE[:, :, :2]])


@pytest.mark.parametrize(
    ("array", "way_out"),
    [(PICTURE.astype(np.uint16) << 8, r"\(array >> 8\)"), (PICTURE / 255, r"array \* 255"), (PICTURE > 0, r"\* 255"),
     (PICTURE.astype(np.int64), r"astype\('uint8'\)"), (PICTURE.astype(object), "numbers")],
)  # fmt: skip
def test_arrays_of_other_numbers_are_told_the_way_out(array: NDArray[np.uint8], way_out: str) -> None:
    with pytest.raises(InputError, match=f"must be uint8.* this one is .*{way_out}"):
        DARK(array)


def test_files_of_16_bits_animations_and_cmyk() -> None:
    plain = Image.fromarray(PICTURE)
    deep = Image.fromarray(PICTURE[:, :, 0].astype(np.uint16) << 8)
    others = [Image.new("RGB", (50, 20)), Image.new("RGB", (128, 96))]
    files = [
        encode(deep, "PNG"), encode(deep, "TIFF"), encode(plain.convert("CMYK"), "JPEG"),
        encode(plain.convert("CMYK"), "TIFF"), encode(plain.convert("P"), "GIF"), encode(plain.convert("1"), "PNG"),
        *(encode(plain, kind, save_all=True, append_images=others) for kind in ("GIF", "PNG")),
        encode(plain, "WEBP", save_all=True, append_images=others[1:], lossless=True),
    ]  # fmt: skip
    for found in DARK(list(files)):
        assert found.size == (96, 128) and len(found) == 3
    for mode in ("F", "I"):
        with pytest.raises(InputError, match="32 bits"):
            DARK(encode(plain.convert(mode), "TIFF"))


def test_a_damaged_pillow_image_is_an_input_error() -> None:
    content = encode(Image.fromarray(np.repeat(PICTURE, 9, 0)), "JPEG")
    with Image.open(io.BytesIO(content[:2000])) as image, pytest.raises(InputError, match="damaged"):
        DARK(image)


def test_files_damaged_anywhere_are_an_answer_or_an_input_error() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of metadata
        for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
            whole = np.frombuffer(encode(Image.fromarray(PICTURE), kind, exif=exif), np.uint8)
            for _ in range(200):
                content = whole.copy()
                content[rng.integers(0, min(len(whole), 200), 3)] = rng.integers(0, 256, 3)
                try:
                    check(found := DARK(content.tobytes()), found.size)
                except InputError as error:
                    assert str(error).startswith("the picture ")


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """Each answer is that of one of its states, or an error."""
    path, done = tmp_path / "a.png", threading.Event()
    states = [encode(Image.fromarray(page(3, size)[0]), "PNG") for size in ((96, 128), (300, 200))]

    def change() -> None:
        while not done.is_set():
            for state in states:
                path.write_bytes(state)

    path.write_bytes(states[0])
    with ThreadPoolExecutor(1) as pool:
        pool.submit(change)
        for result in DARK.stream([path] * 300):
            assert result.error or result.get().size in ((96, 128), (300, 200))
        done.set()


def test_an_endless_file_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffbin.image.MAX_BYTES", 1000)
    with pytest.raises(InputError, match="/dev/zero has more than 1000 bytes"):
        DARK("/dev/zero")


def test_reading_in_threads_leaves_the_filters_of_warnings_alone() -> None:
    before = list(warnings.filters)
    assert len(DARK([encode(Image.fromarray(PICTURE), "PNG")] * 50)) == 50
    assert list(warnings.filters) == before

import io
import os
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from diffbin import heic
from diffbin.config import Augment, Data, Recipe, Source, Train
from diffbin.data import pack as packing
from diffbin.data.dataset import TrainSet
from diffbin.data.instances import dump_instances, parse_instances
from diffbin.data.labels import Annotation, parse_icdar
from diffbin.data.pack import pack
from diffbin.data.shards import read_index
from diffbin.data.sources import PictureSource, ShardSource
from diffbin.errors import ConfigError, DiffbinWarning, InputError
from diffbin.image import SUFFIXES

WORD = "20,20,90,20,90,50.5,20,50,word, it's\n"
FOLDER = Source(images="a", labels="a")
SHARDS = Source(format="shards", images="shards")


def write(root: Path, count: int = 5) -> Source:
    """Pictures of different shades, with a word each and an ignored region in the last."""
    folder = root / "a"
    folder.mkdir()
    for i in range(count):
        cv2.imwrite(str(folder / f"img_{i}.{'png' if i % 2 else 'jpg'}"), np.full((80, 120, 3), 10 * i + 40, np.uint8))
        (folder / f"img_{i}.txt").write_text(WORD + ("1,1,9,1,9,9,1,9,###\n" if i == count - 1 else ""))
    return Source(images=str(folder), labels=str(folder))


def write_tar(path: Path, *members: tuple[tarfile.TarInfo | str, bytes], format_: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w", format=format_) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name) if isinstance(name, str) else name
            member.size, member.mtime = len(content), 1234.5  # webdataset writes fractions, in a header of their own
            tar.addfile(member, io.BytesIO(content))
    return path


def png(shade: int = 90) -> bytes:
    return cv2.imencode(".png", np.full((80, 120, 3), shade, np.uint8))[1].tobytes()


def same(first: Annotation, second: Annotation) -> bool:
    return (
        all(np.array_equal(a, b) for a, b in zip(first.polygons, second.polygons, strict=True))
        and np.array_equal(first.ignored, second.ignored)
        and list(first.texts) == list(second.texts)
    )


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_all_that_is_listed_can_be_packed(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a").mkdir()
    heic.formats("")  # so that Pillow writes them, too
    Image.new("RGB", (120, 80), (90, 90, 90)).save(tmp_path / "a" / f"img_1{suffix}")
    (tmp_path / "a" / "img_1.txt").write_text(WORD)
    pack(Source(images=str(tmp_path / "a"), labels=str(tmp_path / "a")), out=tmp_path / "shards", shard_mb=1)
    assert ShardSource(SHARDS, str(tmp_path)).load(0).size == (80, 120)


@pytest.mark.parametrize("decoded", [False, True])
def test_packed_pictures_give_the_samples_of_their_files(
    tmp_path: Path, decoded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MB", 3_000)
    done: list[tuple[int, int]] = []
    shards = pack(
        write(tmp_path), out=tmp_path / "shards", shard_mb=1, decoded=decoded, progress=lambda *seen: done.append(seen)
    )
    assert len(shards) > 1 and done == [(i, 5) for i in range(1, 6)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "shards"]
    files, packed = PictureSource(FOLDER, str(tmp_path)), ShardSource(SHARDS, str(tmp_path))
    for index in range(len(files)):
        scene, expected = packed.load(index), files.load(index)
        assert scene.size == expected.size and np.array_equal(scene.read(1)[0], expected.read(1)[0])
        assert same(Annotation(list(scene.polygons), scene.ignored, list(scene.texts)), files.annotation(index))
    assert packed.name_of(0) == f"{shards[0]}/00000000.{'ppm' if decoded else 'jpg'}"

    def train_set(source: Source) -> TrainSet:
        data = Data(root=str(tmp_path), train=(source,))
        return TrainSet(Recipe(name="test", augment=Augment(crop_px=64), data=data, train=Train(steps=1)))

    for number in (0, 7):
        assert np.array_equal(train_set(SHARDS)[number].picture, train_set(FOLDER)[number].picture)


def test_a_part_of_the_shards_and_the_rules_of_a_source(tmp_path: Path) -> None:
    pack(write(tmp_path), out=tmp_path / "shards", shard_mb=1)
    part = ShardSource(replace(SHARDS, part="!1:4", min_side_px=20), str(tmp_path))
    assert len(part) == 2 and [name[-12:-4] for name in map(part.name_of, range(2))] == ["00000000", "00000004"]
    assert part.load(1).ignored.tolist() == [False, True]
    assert len(pickle.dumps(part)) < 2000
    with pytest.raises(InputError, match='part "9:" leaves no labelled picture'):
        ShardSource(replace(SHARDS, part="9:"), str(tmp_path))
    with pytest.raises(ConfigError, match="pictures in folders"):
        replace(SHARDS, picture_weights="hard.csv")


def test_packing_is_repeatable_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    source = write(tmp_path)
    first, second = (pack(source, out=tmp_path / name, shard_mb=1)[0].read_bytes() for name in ("x", "y"))
    assert first == second
    with pytest.raises(InputError, match="x is there already"):
        pack(source, out=tmp_path / "x", shard_mb=1)
    (tmp_path / "a" / "img_3.png").write_bytes(b"no")
    with pytest.raises(InputError, match=r"img_3\.png is damaged"):
        pack(source, out=tmp_path / "z", shard_mb=1)
    assert not (tmp_path / "z").exists() and not list((tmp_path / "z.part").iterdir())
    cv2.imwrite(str(tmp_path / "a" / "img_3.png"), np.zeros((80, 120, 3), np.uint8))
    whole = (tmp_path / "a" / "img_2.jpg").read_bytes()
    (tmp_path / "a" / "img_2.jpg").write_bytes(whole[: len(whole) - 20])
    with pytest.raises(InputError, match=r"img_2\.jpg is damaged"):
        pack(source, out=tmp_path / "z", shard_mb=1)
    (tmp_path / "a" / "img_2.jpg").write_bytes(whole)
    assert pack(source, out=tmp_path / "z", shard_mb=1)


def test_shards_as_webdataset_writes_them(tmp_path: Path) -> None:
    long = "deep/" * 40 + "name.with.dots"
    icdar, json = WORD.encode(), b'{"instances": [{"polygon": [1, 2, 3, 4, 5, 0]}], "more": 1}'
    link = tarfile.TarInfo("linked.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path = write_tar(
        tmp_path / "shards" / "0.tar",
        ("__key__", b"no sample"), ("./b.txt", icdar), ("./b.PNG", png(10)), ("./b.seg.png", b"of no use"),
        (link, b""), ("linked.txt", icdar), (long + ".png", b"not this"), ("c.json", json), ("c.txt", b"caption"),
        ("c.png", png(20)), ("only.cls", b"1"),
    )  # fmt: skip
    with pytest.warns(DiffbinWarning, match=r"1 pictures of .* left out, as deep/.*/name\.with\.dots\.png: a key"):
        assert len(read_index(path)) == 2
    source = ShardSource(SHARDS, str(tmp_path))
    first, second = source.load(0), source.load(1)
    assert list(first.texts) == ["word, it's"] and int(first.read(1)[0].max()) == 10
    assert second.polygons[0].tolist() == [[1, 2], [3, 4], [5, 0]] and second.ignored.tolist() == [False]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0.tar", "0.tar.index", "shards"]


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_that_lead_out_of_the_folder_are_only_names(tmp_path: Path, format_: int) -> None:
    name = "../../" + "x" * 60 + "/" + "é" * 30 + "/k"
    write_tar(tmp_path / "shards" / "0.tar", (name + ".png", png()), (name + ".txt", WORD.encode()), format_=format_)
    assert len(ShardSource(SHARDS, str(tmp_path)).load(0).polygons) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0.tar", "0.tar.index", "shards"]


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_labels_of_long_names_keep_their_kind(tmp_path: Path, format_: int) -> None:
    long, json = "deep/" * 40 + "name", b'\n{"instances": [{"polygon": [1, 2, 3, 4, 5, 0]}]}'
    write_tar(
        tmp_path / "shards" / "0.tar",
        (long + "1.png", png()), (long + "1.json", json), (long + "2.png", png()), (long + "2.txt", WORD.encode()),
        format_=format_,
    )  # fmt: skip
    source = ShardSource(SHARDS, str(tmp_path))
    assert source.load(0).polygons[0].tolist() == [[1, 2], [3, 4], [5, 0]]
    assert list(source.load(1).texts) == ["word, it's"]


def test_pictures_without_a_label_are_named_or_left_out(tmp_path: Path) -> None:
    write_tar(tmp_path / "shards" / "0.tar", ("a.png", png()), ("b.png", png()), ("b.txt", WORD.encode()))
    with pytest.raises(InputError, match=r"no label beside .*0\.tar/a\.png; skip_unlabelled"):
        ShardSource(SHARDS, str(tmp_path))
    for part in ("", ":1"):
        source = ShardSource(replace(SHARDS, skip_unlabelled=True, part=part), str(tmp_path))
        assert len(source) == 1 and source.name_of(0).endswith("b.png"), "part counts those with labels"
    with pytest.raises(InputError, match="no shard in"):
        ShardSource(replace(SHARDS, images="nowhere"), str(tmp_path))


def negative(content: bytes) -> bytes:
    """The size of the first member as a negative number, which sent older readers round in circles."""
    header = bytearray(content[:512])
    header[124:136] = b"\xff" * 10 + b"\xf8\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content[512:]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: b"no tar file at all",
        lambda content: content[:700],
        lambda content: content[:1800],
        lambda content: content.rstrip(b"\0"),
        lambda content: content[:130] + b"7777777" + content[137:],
        negative,
    ],
    ids=["empty", "text", "cut in a header", "cut", "endless", "checksum", "negative"],
)
def test_a_damaged_shard_costs_a_sentence(tmp_path: Path, spoil: object) -> None:
    path = write_tar(tmp_path / "0.tar", ("a.png", png()), ("a.txt", WORD.encode()), format_=tarfile.USTAR_FORMAT)
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(InputError, match=r"The shard .*0\.tar .*\.$"):
        read_index(path)
    with pytest.raises(InputError, match=r"The shard .*none\.tar cannot be read"):
        read_index(tmp_path / "none.tar")


def test_an_index_is_kept_and_found_anew_where_it_must_be(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", ("a.png", png()), ("a.txt", WORD.encode()))
    stored, index = path.with_name("0.tar.index"), read_index(path)
    assert stored.is_file() and np.array_equal(read_index(path), index)
    head = stored.read_bytes()[:32]
    for damaged in (b"", b"short", bytes(64), head, head + b"\x7f" * 32):
        stored.write_bytes(damaged)
        assert np.array_equal(read_index(path), index)
    write_tar(path, ("b.png", png()), ("b.txt", WORD.encode()), ("c.png", png()), ("c.txt", WORD.encode()))
    os.utime(path, (later := stored.stat().st_mtime + 5, later))
    assert len(read_index(path)) == 2
    stored.unlink()
    stored.mkdir()  # where it cannot be written
    assert len(read_index(path)) == 2


def test_a_shard_that_changes_under_a_run_is_told_of(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "shards" / "0.tar", ("a.png", png()), ("a.txt", WORD.encode()))
    source = ShardSource(SHARDS, str(tmp_path))
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(InputError, match=r"0\.tar is not what it was"):
        source.load(0)
    path.unlink()
    with pytest.raises(InputError, match=r"0\.tar cannot be read"):
        source.load(0)


def test_labels_as_json_come_back_exactly() -> None:
    polygon = np.array([[0.1, 2], [3, 4.7], [5, 6]], np.float32)
    given = Annotation([polygon], np.array([True]), ["é, ###"])
    assert same(parse_instances(dump_instances(given, "a.jpg"), "a"), given)
    assert not parse_instances(dump_instances(Annotation([], np.zeros(0, np.bool_), []), "a.jpg"), "a").polygons


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[1]", b'{"instances": 5}', b'{"instances": [{"polygon": [1, 2, 3, 4]}]}', b"\xff", b"[" * 100_000,
        b'{"instances": [{"polygon": [1, 2, 3, 4, 5, NaN]}]}', b'{"instances": [{"polygon": [1, 2, 3, 4, 5, 1e300]}]}',
        b'{"instances": ["x"]}', b'{"instances": [{"polygon": [1, 2, 3, 4, 5, "x"]}]}', b'{"caption": "a"}',
    ],
)  # fmt: skip
def test_labels_of_another_form_are_named(content: bytes) -> None:
    with pytest.raises(InputError, match=r"The label 0\.tar/a\.json is not of the form"):
        parse_instances(content, "0.tar/a.json")


def test_icdar_lines_in_a_shard_are_named() -> None:
    with pytest.raises(InputError, match=r"0\.tar/a\.txt, line 2: .*at least 8 coordinates"):
        parse_icdar(WORD.encode() + b"a caption", "0.tar/a.txt")
    with pytest.raises(InputError, match=r"0\.tar/a\.txt is not UTF-8"):
        parse_icdar(b"\xff", "0.tar/a.txt")

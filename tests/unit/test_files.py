"""Files are there whole or not at all, whoever else writes them."""

import stat
from pathlib import Path

import pytest

from diffbin.errors import InputError
from diffbin.files import make_folder, open_whole, write_whole


def test_two_that_write_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with open_whole(path) as first:
        first.write(b"first")
        write_whole(path, b"second")
        assert path.read_bytes() == b"second"
        (path.parent / "as others").touch()
    assert path.read_bytes() == b"first"
    assert sorted(p.name for p in path.parent.iterdir()) == ["a.txt", "as others"]
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((path.parent / "as others").stat().st_mode)


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    write_whole(tmp_path / ("a" * 255), b"whole")
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / ("a" * 256), b"whole")
    assert [p.name for p in tmp_path.iterdir()] == ["a" * 255]


def test_only_errors_of_the_file_itself_are_told_as_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), open_whole(tmp_path / "a"):
        (tmp_path / "other").read_bytes()
    with pytest.raises(InputError, match=r"a cannot be written: No space left"), open_whole(tmp_path / "a") as file:
        file.write(b"some")
        raise OSError(28, "No space left on device")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder cannot be written"):
        write_whole(tmp_path / "folder", b"")
    with pytest.raises(InputError, match=r"b/c cannot be written"):
        write_whole(tmp_path / "b", b"")
        write_whole(tmp_path / "b" / "c", b"")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "folder"]


def test_looking_whether_a_folder_can_be_written_to_leaves_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / ".writable").write_bytes(b"of the user")
    make_folder(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [".writable"]
    with pytest.raises(InputError, match="cannot be written to"):
        make_folder(tmp_path / ".writable")

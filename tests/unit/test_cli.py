"""The command line: what goes right, and one clear sentence for what does not."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import DarkIsText, page, small_recipe
from diffbin import Detections, Detector, batch, cli, heic, writer, zoo
from diffbin.answers import Output
from diffbin.engines.onnx import OnnxEngine
from diffbin.engines.openvino import OpenVinoEngine
from diffbin.image import SUFFIXES


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    monkeypatch.setattr(sys, "argv", ["diffbin", *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


Run = tuple[pytest.CaptureFixture[str], pytest.MonkeyPatch]


@pytest.fixture
def io(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return capsys, monkeypatch


def test_detect_prints_or_writes(io: Run, model_file: Path, pages: Path, tmp_path: Path) -> None:
    code, out, _ = run(*io, "detect", pages / "images", "--model", model_file, "--score", "0")
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [a["image"] for a in answers] == ["img_1.png", "img_2.png"]
    assert answers[0]["size"] == [96, 128]
    (pages / "images" / "img_1.jpg").write_bytes((pages / "images" / "img_1.png").read_bytes())
    options = ("--model", model_file, "--out", tmp_path / "out", "--format", "icdar", "--draw", "--polygons")
    code, out, _ = run(*io, "detect", str(pages / "images" / "*"), *options)
    written = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert code == 0 and out == ""
    assert written == sorted(
        f"{stem}{end}" for stem in ("img_1", "img_1.png", "img_2") for end in (".txt", ".overlay.jpg")
    )


def test_printed_answers_tell_pictures_apart(io: Run, model_file: Path, pages: Path, tmp_path: Path) -> None:
    for name in ("a", "b\udce9"):  # the second is not UTF-8
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "1.png").write_bytes((pages / "images" / "img_1.png").read_bytes())
    code, out, _ = run(*io, "detect", tmp_path / "in", "--model", model_file)
    assert code == 0 and out.isascii()
    assert [json.loads(line)["image"] for line in out.splitlines()] == ["a/1.png", "b\udce9/1.png"]
    code, _, err = run(*io, "detect", tmp_path / "in", "--model", model_file, "--format", "icdar")
    assert code == 2 and "give --out DIR" in err


def test_what_was_written_before_is_no_picture(io: Run, model_file: Path, pages: Path) -> None:
    images = pages / "images"
    for out in (images, images / "out"):
        for _ in range(2):
            assert run(*io, "detect", images, "--model", model_file, "--out", out, "--draw")[0] == 0
        assert sorted(p.name for p in out.glob("*.jpg")) == ["img_1.overlay.jpg", "img_2.overlay.jpg"]
        for written in [*out.glob("*.jpg"), *out.glob("*.json")]:
            written.unlink()
    (images / "img_1.txt").write_text("label")
    code, _, err = run(*io, "detect", images, "--model", model_file, "--out", images, "--format", "icdar")
    assert code == 2 and "may be its label" in err and (images / "img_1.txt").read_text() == "label"


def test_overlays_lie_beside_their_answers_and_are_no_pictures(io: Run, model_file: Path, pages: Path) -> None:
    images = pages / "images"
    for out in (images / "a", images / "b"):
        assert run(*io, "detect", images, "--model", model_file, "--out", out, "--draw")[0] == 0
    (images / "a" / "mine.overlay.jpg").write_bytes((images / "a" / "img_1.overlay.jpg").read_bytes())
    (images / "c").symlink_to(images / "b")
    jobs = batch.plan([str(images)], Output(folder=images / "c"))
    assert [job.name for job in jobs] == ["a/mine.overlay.jpg", "img_1.png", "img_2.png"]


@pytest.mark.parametrize(
    ("name", "content"), [("img_1.json", '{"version": "5.0"}'), ("img_1.txt", "1,2,3,2,3,4,1,4,word\n")]
)
def test_files_of_others_are_not_replaced(
    io: Run, model_file: Path, pages: Path, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    format_ = "json" if name.endswith("json") else "icdar"
    command = ("detect", pages / "images", "--model", model_file, "--out", tmp_path, "--format", format_)
    code, _, err = run(*io, *command)
    assert (
        code == 2 and f"{tmp_path / name} is no answer of diffbin" in err and (tmp_path / name).read_text() == content
    )
    (tmp_path / name).unlink()
    assert [run(*io, *command)[0] for _ in range(2)] == [0, 0]  # its own it does replace


def test_a_call_broken_off_goes_on(io: Run, model_file: Path, pages: Path, tmp_path: Path) -> None:
    command = ("detect", pages / "images", "--model", model_file, "--out", tmp_path / "out", "--resume")
    assert run(*io, *command)[0] == 0
    (tmp_path / "out" / "img_1.json").write_text("kept, whatever it is")
    (tmp_path / "out" / "img_2.json").unlink()
    code, _, err = run(*io, *command)
    assert code == 0 and "1 of 2 pictures have an answer already" in err
    assert (tmp_path / "out" / "img_1.json").read_text() == "kept, whatever it is"
    assert json.loads((tmp_path / "out" / "img_2.json").read_text())["image"] == "img_2.png"
    code, _, err = run(*io, *command[:3], tmp_path / "no.onnx", *command[4:])  # with nothing to do, nothing is loaded
    assert code == 0 and "2 of 2" in err
    code, _, err = run(*io, *command[:4], "--resume")
    assert code == 2 and "--out" in err


@pytest.mark.parametrize(("before", "then"), [("json", "labelme"), ("page", "alto"), ("alto", "page")])
def test_a_call_goes_on_in_its_own_format(
    io: Run, model_file: Path, pages: Path, tmp_path: Path, before: str, then: str
) -> None:
    command = ("detect", pages / "images", "--model", model_file, "--out", tmp_path / "out", "--format")
    assert run(*io, *command, before)[0] == 0
    code, _, err = run(*io, *command, then, "--resume")
    assert code == 2 and f"is an answer in the format {before}; give another folder" in err
    assert run(*io, *command, before, "--resume")[0] == 0 and run(*io, *command, then)[0] == 0


def test_a_folder_that_does_not_tell_what_is_there(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be entered all the same, and a name in it be known."""

    def refuse(folder: Path) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "listdir", refuse)
    assert [job.name for job in batch.plan([str(pages / "image*" / "img_1.png")], Output())] == ["img_1.png"]


def test_pictures_called_like_folders_and_links_that_lead_nowhere(
    io: Run, model_file: Path, pages: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "work" / "out"
    folder.mkdir()
    content = (pages / "images" / "img_1.png").read_bytes()
    for name in ("..png", "...png", "a.png"):
        (folder / name).write_bytes(content)
    (folder / "lost.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "linked").symlink_to(pages / "images", target_is_directory=True)
    code, _, err = run(*io, "detect", folder, "--model", model_file, "--out", out)
    assert code == 1 and f"{folder / 'lost.png'} cannot be read: No such file" in err
    assert f"1 folders that are links, as {folder / 'linked'}; name them, too" in err
    assert sorted(path.name for path in out.iterdir()) == ["...png.json", "..png.json", "a.json"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_going_on_needs_names_that_tell_pictures_apart(io: Run, model_file: Path, pages: Path, tmp_path: Path) -> None:
    (pages / "images" / "img_1.jpg").write_bytes((pages / "images" / "img_1.png").read_bytes())
    command = ("detect", pages / "images", "--model", model_file, "--out", tmp_path / "out")
    assert run(*io, *command)[0] == 0
    code, _, err = run(*io, *command, "--resume")
    assert code == 2 and "img_1.png" in err and "img_1.json" in err and "rename" in err


def test_a_break_while_drawing_leaves_no_answer(
    io: Run, model_file: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(writer, "draw", stop)
    with pytest.raises(MemoryError):
        run(*io, "detect", pages / "images" / "img_1.png", "--model", model_file, "--out", pages / "out", "--draw")
    assert not list((pages / "out").iterdir())


def test_what_comes_while_a_call_goes_on_is_kept(
    io: Run, model_file: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person corrects answers beside the pictures, and a picture fails; no file is replaced or removed."""
    folder, look = pages / "images", Detector.detect

    def correct(self: Detector, source: Any) -> Detections:
        if isinstance(source, Path):
            source.with_suffix(".json").write_text("corrected")
        return look(self, source)

    monkeypatch.setattr(Detector, "detect", correct)
    (folder / "img_1.overlay.jpg").write_text("mine")
    command = ("--model", model_file, "--out", folder, "--resume", "--draw")
    assert run(*io, "detect", folder / "img_1.png", *command)[0] == 0
    assert [(folder / f"img_1{end}").read_text() for end in (".json", ".overlay.jpg")] == ["corrected", "mine"]
    (folder / "img_2.png").write_bytes(b"no picture")
    (folder / "img_2.overlay.jpg").write_text("mine")
    assert run(*io, "detect", folder / "img_2.png", *command)[0] == 2
    assert (folder / "img_2.overlay.jpg").read_text() == "mine"


def test_answers_beside_pictures_are_none(io: Run, model_file: Path, pages: Path) -> None:
    for _ in range(2):
        pattern = str(pages / "images" / "*")
        assert run(*io, "detect", pattern, "--model", model_file, "--out", pages / "images")[0] == 0
    assert sorted(p.name for p in (pages / "images").glob("*.json")) == ["img_1.json", "img_2.json"]


def test_answers_are_corrected_in_labelme(io: Run, model_file: Path, pages: Path) -> None:
    """Found beside its picture, or led to it; what labelme has saved is not replaced."""
    command = ("detect", pages / "images", "--model", model_file, "--score", "0", "--format", "labelme", "--out")
    for folder, image in ((pages / "images", "img_1.png"), (pages / "to" / "correct", "../../images/img_1.png")):
        assert run(*io, *command, folder)[0] == 0
        assert json.loads((folder / "img_1.json").read_text())["imagePath"] == image
    saved = pages / "images" / "img_1.json"
    content = json.loads(saved.read_text())
    saved.write_text(json.dumps({key: content[key] for key in ("version", "shapes", "imagePath")}, indent=2))
    code, _, err = run(*io, *command, pages / "images")
    assert code == 2 and "img_1.json is no answer" in err and "--resume" in err
    code, out, _ = run(*io, "eval", "--model", model_file, "--images", pages / "images", "--gt", pages / "images",
                       "--format", "labelme", "--json")  # fmt: skip
    assert code == 0 and json.loads(out)["pictures"] == 2


@pytest.fixture
def dark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model finds what is dark."""
    monkeypatch.setattr(zoo, "load", lambda *_: DarkIsText())


@pytest.mark.usefixtures("dark")
def test_one_table_and_one_set_are_printed(io: Run, pages: Path, tmp_path: Path) -> None:
    command = ("detect", pages / "images", "--format")
    (pages / "images" / "img_0.png").write_bytes(b"no picture")
    code, out, err = run(*io, *command, "csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert code == 1 and "img_0.png" in err and {row["image"] for row in rows} == {"img_1.png", "img_2.png"}
    code, out, _ = run(*io, *command, "coco")
    content = json.loads(out)
    assert code == 1 and [image["file_name"] for image in content["images"]] == ["img_1.png", "img_2.png"]
    assert len(content["annotations"]) == len(rows)
    code, _, err = run(*io, *command, "coco", "--out", tmp_path / "out")
    assert code == 2 and "--format coco > coco.json" in err and not (tmp_path / "out").exists()
    for _ in range(2):  # the second in the place of the first
        assert run(*io, *command, "csv", "--out", tmp_path / "out")[0] == 1
    assert (tmp_path / "out" / "img_1.csv").read_text().startswith("image,score,")
    assert not (tmp_path / "out" / "img_0.csv").exists()
    code, out, err = run(*io, "detect", pages / "images" / "img_0.png", "--format", "coco")
    assert (code, out) == (2, "") and "not a picture" in err


@pytest.mark.parametrize("terminal", [True, False])
def test_names_that_the_output_cannot_show(
    terminal: bool, model_file: Path, pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal gets them escaped, a file or another program in UTF-8, whatever the locale."""
    picture = (pages / "images" / "img_1.png").rename(tmp_path / "stra\u00dfe \u4e2d.png")
    output = TextIOWrapper(BytesIO(), encoding="cp1252")
    monkeypatch.setattr(output, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdout", output)
    command = ["diffbin", "detect", str(picture), "--model", str(model_file), "--format", "alto"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        cli.main()
    written = output.buffer.getvalue()
    assert ("stra\u00dfe \\u4e2d.png".encode("cp1252") if terminal else picture.name.encode()) in written
    if not terminal:
        ElementTree.fromstring(written)


@pytest.mark.parametrize(("system", "second"), [("linux", "a.json"), ("darwin", "a.png.json")])
def test_names_that_one_file_system_takes_for_one_and_another_for_two(
    system: str, second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("A.jpg", "a.png"):
        (tmp_path / name).touch()
    monkeypatch.setattr(sys, "platform", system)
    jobs = batch.plan([str(tmp_path)], Output(folder=tmp_path / "out"))
    assert [job.files.text.name for job in jobs if job.files] == ["A.json", second]


@pytest.mark.usefixtures("dark")
def test_regions_are_cut_out(io: Run, pages: Path) -> None:
    images = pages / "images"
    command = ("detect", images, "--crop", "--out")
    for out in (images, images / "out"):  # what lies in the folder of pictures is no picture of a second call
        assert [run(*io, *command, out)[0] for _ in range(2)] == [0, 0]
        assert sorted(p.name for p in out.glob("*.json")) == ["img_1.json", "img_2.json"]
        regions = json.loads((out / "img_1.json").read_text())["regions"]
        crops = {path.name for path in (out / "img_1.crops").iterdir()}
        assert crops == {f"{i}.png" for i in range(1, len(regions) + 1)} and regions
    (images / "img_1.json").unlink()  # as after a break
    for source in (images, str(images / "**" / "*.png")):
        jobs = batch.plan([str(source)], Output())
        assert sorted(job.name for job in jobs) == ["img_1.png", "img_2.png"]
    folder = images / "img_1.crops"
    (folder / "99.png").write_bytes(b"of the call that broke off")
    (folder / "mine.txt").write_bytes(b"mine")
    assert run(*io, *command, images, "--resume")[0] == 0
    assert sorted(p.name for p in folder.iterdir()) == ["1.png", "2.png", "mine.txt"]
    assert run(*io, "detect", images, "--out", images)[0] == 0  # an answer that has none
    assert [p.name for p in folder.iterdir()] == ["mine.txt"] and not (images / "img_2.crops").exists()


@pytest.mark.usefixtures("dark")
def test_an_answer_waits_for_its_pictures(io: Run, pages: Path, tmp_path: Path) -> None:
    """Where one of them cannot be written there is no answer, so that --resume makes both."""
    command = ("detect", pages / "images", "--crop", "--draw", "--out", tmp_path)
    (tmp_path / "img_1.crops").write_text("in the way")
    code, _, err = run(*io, *command)
    assert code == 1 and "img_1.crops/1.png cannot be written" in err and not (tmp_path / "img_1.json").exists()
    (tmp_path / "img_1.crops").unlink()
    code, _, err = run(*io, *command, "--resume")
    assert code == 0 and "1 of 2" in err
    assert (tmp_path / "img_1.json").exists() and (tmp_path / "img_1.crops" / "2.png").exists()


@pytest.mark.usefixtures("dark")
def test_no_pictures_without_their_answer(io: Run, pages: Path, tmp_path: Path) -> None:
    (tmp_path / "img_1.json").mkdir()
    command = ("detect", pages / "images" / "img_1.png", "--crop", "--draw", "--out", tmp_path)
    code, _, err = run(*io, *command)
    assert code == 2 and "img_1.json cannot be written" in err
    assert [path.name for path in tmp_path.iterdir() if path.name != "data"] == ["img_1.json"]


@pytest.mark.usefixtures("dark")
def test_a_picture_that_fails_costs_nothing_of_others(io: Run, pages: Path, tmp_path: Path) -> None:
    (pages / "images" / "img_1.png").write_bytes(b"no picture")
    (tmp_path / "img_1.crops").mkdir()
    kept = [tmp_path / "img_1.crops" / "7.png", tmp_path / "img_1.overlay.jpg"]
    for path in kept:  # no answer of diffbin has ever been beside them
        path.write_text("mine")
    assert run(*io, "detect", pages / "images", "--out", tmp_path)[0] == 1
    assert [path.read_text() for path in kept] == ["mine", "mine"]


def test_an_old_answer_does_not_pass_for_that_of_a_picture_that_fails(
    io: Run, model_file: Path, pages: Path, tmp_path: Path
) -> None:
    command = ("detect", pages / "images", "--model", model_file, "--out", tmp_path / "out", "--draw")
    assert run(*io, *command)[0] == 0
    (pages / "images" / "img_1.png").write_bytes(b"no picture")
    assert run(*io, *command)[0] == 1
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["img_2.json", "img_2.overlay.jpg"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has such a file")
def test_a_full_disk_behind_the_output_is_told(model_file: Path, pages: Path) -> None:
    with Path("/dev/full").open("w") as full:
        line = [sys.executable, "-m", "diffbin", "detect", str(pages / "images"), "--model", str(model_file)]
        done = subprocess.run(line, check=False, stdout=full, stderr=subprocess.PIPE, text=True)
        other = subprocess.run([*line[:3], "models"], check=False, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stderr == "diffbin: The answers cannot be printed: No space left on device.\n"
    assert other.returncode == 2
    assert other.stderr == "diffbin: The output cannot be written: No space left on device.\n"


def test_closed_outputs(model_file: Path, pages: Path, tmp_path: Path) -> None:
    line = f"{sys.executable} -m diffbin detect --model {model_file} {pages / 'images'}"
    done = subprocess.run(f"{line} >&-", shell=True, check=False, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("diffbin: The answers cannot be printed: the standard output is closed; write")
    done = subprocess.run(f"{line} {tmp_path}/no.png 2>&-", shell=True, check=False, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 1 and [json.loads(text)["image"] for text in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("content", "told"),
    [("raise ImportError('libGL.so.1: no such file')", "libGL.so.1: no such file"), ("", "has no attribute")],
)
def test_an_opencv_that_does_not_work_is_told(pages: Path, tmp_path: Path, content: str, told: str) -> None:
    """As where one of its packages was removed, and the files of another with it."""
    (tmp_path / "cv2.py").write_text(content)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    line = [sys.executable, "-m", "diffbin", "detect", str(pages / "images")]
    done = subprocess.run(line, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 2 and not done.stdout and done.stderr.count("\n") == 1
    assert done.stderr.startswith("diffbin: OpenCV does not work here (") and told in done.stderr
    assert done.stderr.endswith("then pip install opencv-python-headless.\n")


def test_what_computes_is_said_when_asked(model_file: Path, pages: Path) -> None:
    line = [sys.executable, "-m", "diffbin", "detect", str(pages / "images" / "img_1.png"), "--model", str(model_file)]
    done = subprocess.run([*line, "-v"], check=True, capture_output=True, text=True)
    why, what = done.stderr.splitlines()
    assert why.startswith("diffbin: No GPU is taken. This ONNX Runtime has no CUDA")
    assert what.startswith(f"diffbin: {model_file} by OpenVINO")


def test_other_faults_are_not_laid_on_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "app", lambda: import_module("diffbin.nothing"))
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        cli.main()


@pytest.mark.usefixtures("dark")
def test_any_setting_may_be_another(io: Run, pages: Path) -> None:
    command = ("detect", pages / "images" / "img_1.png")
    wide, thin = (json.loads(run(*io, *command, "--set", f"decode.unclip_ratio={r}")[1])["regions"] for r in (3, 0.1))
    assert np.ptp(np.array(wide[0]["polygon"])) > np.ptp(np.array(thin[0]["polygon"]))
    code, _, err = run(*io, *command, "--set", "decode.unclip=2")
    assert code == 2 and "did you mean decode.unclip_ratio?" in err
    code, _, err = run(*io, *command, "--set", "train.steps=2")
    assert code == 2 and "There is no setting train; known are: preprocess, decode." in err


def test_exit_code_where_all_of_several_fail(io: Run, model_file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    sources = (tmp_path / "empty.png", tmp_path / "no.png")
    code, out, err = run(*io, "detect", *sources, "--model", model_file)
    assert code == 2 and not out and "2 of 2 pictures failed" in err
    code, out, _ = run(*io, "label", tmp_path, "--model", model_file, "--out", tmp_path / "gt")
    assert code == 2 and out.endswith("1 failed\n")


@pytest.mark.usefixtures("dark")
def test_crops_are_those_of_the_last_answer(io: Run, pages: Path, tmp_path: Path) -> None:
    command = ("detect", pages / "images" / "img_1.png", "--out", tmp_path / "out", "--crop")
    for format_ in ("json", "icdar"):
        assert run(*io, *command, "--format", format_)[0] == 0
    assert list((tmp_path / "out" / "img_1.crops").iterdir())
    cv2.imwrite(str(pages / "images" / "img_1.png"), np.full((96, 128, 3), 255, np.uint8))
    assert run(*io, *command)[0] == 0
    assert not (tmp_path / "out" / "img_1.crops").exists()


def test_pictures_of_one_name_are_called_by_their_paths(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    (tmp_path / "b" / "2.png").touch()
    jobs = batch.plan([str(tmp_path / "a" / "1.png"), str(tmp_path / "b")], Output())
    assert [job.name for job in jobs] == [f"{tmp_path}/a/1.png", f"{tmp_path}/b/1.png", "2.png"]


def test_what_is_to_be_converted_first_is_told(io: Run, model_file: Path, pages: Path, tmp_path: Path) -> None:
    for name in ("1.HEIC", "2.heic", "a.pdf", "notes.txt"):
        (pages / "images" / name).touch()
    io[1].setattr(batch, "SOUGHT", SUFFIXES - heic.SUFFIXES)  # as without the packages
    code, _, err = run(*io, "detect", pages / "images", "--model", model_file)
    assert code == 0 and "Passed over in" in err and "2 .heic, 1 .pdf. pip install '.[heic,pdf]'" in err
    io[1].setattr(batch, "SOUGHT", SUFFIXES - heic.SUFFIXES | {".pdf"})
    code, _, err = run(*io, "detect", pages / "images", "--model", model_file)
    assert code == 1 and "2 .heic. pip install '.[heic]'" in err and "a.pdf cannot be read" in err
    code, _, err = run(*io, "detect", pages / "images" / "img_1.png", "--out", tmp_path / "a.json")
    assert code == 2 and f"> {tmp_path / 'a.json'}" in err


def test_paths_that_the_system_refuses_do_not_end_the_run(
    io: Run, model_file: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = pages / "images" / "img_1.png"
    code, out, err = run(*io, "detect", picture, "a" * 300 + ".jpg", "--model", model_file)
    assert code == 1 and len(out.splitlines()) == 1 and "cannot be read: File name too long" in err
    code, _, err = run(*io, "detect", picture, "--model", "a" * 300)
    assert code == 2 and "There is no model aaa" in err
    code, _, err = run(*io, "detect", picture, "--model", "diffbin_lines")
    assert code == 2 and "did you mean diffbin-lines?" in err
    for options, way in ((("--precision", "fp32"), "diffbin-words-fp32"), (("--engine", "torch"), ".safetensors")):
        code, _, err = run(*io, "detect", picture, *options)
        assert code == 2 and way in err
    code, _, err = run(*io, "detect", "", "--model", model_file)
    assert code == 2 and "empty text" in err
    code, _, err = run(*io, "detect", "https://example.com/a.jpg", "--model", model_file)
    assert code == 2 and "is no file" in err
    results = list(Detector(model_file).stream([picture, "a\0b.jpg", picture]))
    assert [result.error is None for result in results] == [True, False, True]
    (pages / "images" / "closed").mkdir()
    walk = os.walk

    def refusing(top: Path, onerror: Callable[[OSError], None]) -> Iterator[tuple[str, list[str], list[str]]]:
        yield from walk(top)
        onerror(PermissionError(13, "Permission denied", str(top / "closed")))

    monkeypatch.setattr(os, "walk", refusing)
    jobs = batch.plan([str(pages / "images")], Output())
    assert [job.name for job in jobs] == ["closed", "img_1.png", "img_2.png"]  # the first will say why


def test_an_engine_that_fails_at_one_picture_goes_on_with_the_others(
    io: Run, model_file: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2.imwrite(str(pages / "images" / "img_0.png"), np.zeros((128, 96, 3), np.uint8))
    cv2.imwrite(str(pages / "images" / "img_9.png"), np.zeros((128, 96, 3), np.uint8))
    for engine in (OnnxEngine, OpenVinoEngine):
        monkeypatch.setattr(engine, "run", failing(engine.run))
    code, out, err = run(*io, "detect", pages / "images", "--model", model_file)
    assert code == 1 and [json.loads(line)["image"] for line in out.splitlines()] == ["img_1.png", "img_2.png"]
    assert err.count("could not be computed (RuntimeError: out of memory)") == 2 and "2 of 4 pictures failed" in err
    code, _, err = run(*io, "detect", pages / "images" / "img_0.png", "--model", model_file)
    assert code == 2 and "img_0.png could not be computed (RuntimeError: out of memory)." in err


def failing(real: Callable[..., NDArray[np.float32]]) -> Callable[..., NDArray[np.float32]]:
    """Of pictures that are higher than wide."""

    def run_some(engine: object, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if batch.shape[2] > batch.shape[3]:
            raise RuntimeError("out of memory\nand more")
        return real(engine, batch)

    return run_some


def test_what_no_jpeg_can_hold_does_not_end_the_run(io: Run, model_file: Path, pages: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(pages / "images" / "img_0.png"), np.zeros((2, 70000), np.uint8))
    code, _, err = run(*io, "detect", pages / "images", "--model", model_file, "--out", tmp_path / "out", "--draw")
    assert code == 1 and "img_0.png has a side of more than 65500 pixels" in " ".join(err.split())
    assert len(list((tmp_path / "out").glob("*.json"))) == 3 and len(list((tmp_path / "out").glob("*.jpg"))) == 2


def test_where_nothing_can_be_written_is_told_at_once(
    io: Run, model_file: Path, pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("diffbin.metrics.evaluate.try_out", None)  # no picture may be scored
    pictures = ("--images", pages / "images", "--gt", pages / "gt")
    weights = model_file.with_name("w.safetensors")
    for line in (("eval", "--model", model_file, "--hard", tmp_path / "file" / "x.csv", *pictures),
                 ("tune", model_file, "--out", tmp_path / "file" / "x.onnx", *pictures),
                 ("detect", pages / "images", "--model", model_file, "--out", tmp_path / "file" / "x"),
                 ("export", weights, "--out", tmp_path / "file" / "x.onnx")):  # fmt: skip
        code, _, err = run(*io, *line)
        assert code == 2 and "cannot be written to" in err and "Traceback" not in err, line
    code, _, err = run(*io, "export", weights, "--out", tmp_path)
    assert code == 2 and "is a folder; give the name of a file in it" in err


def test_many_pictures_are_planned_at_once(tmp_path: Path) -> None:
    for i in range(2000):
        (tmp_path / f"{i}.png").touch()
    start = time.process_time()
    assert len({job.files for job in batch.plan([str(tmp_path)], Output(folder=tmp_path / "out"))}) == 2000
    assert time.process_time() - start < 5


def test_a_folder_run_goes_on_and_lists_what_failed(io: Run, model_file: Path, pages: Path) -> None:
    (pages / "images" / "img_0.png").write_bytes(b"not a picture")
    code, out, err = run(*io, "detect", pages / "images", "--model", model_file)
    assert code == 1 and len(out.splitlines()) == 2
    assert "img_0.png is not a picture" in err and "1 of 3 pictures failed" in err


@pytest.mark.parametrize("kind", ["not", "truncated", "empty", "bomb", "missing", "folder", "glob", "format", "draw"])
def test_bad_input_is_one_sentence(io: Run, kind: str, model_file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "bad.png"
    whole = cv2.imencode(".png", np.zeros((12000, 12000), np.uint8) if kind == "bomb" else page()[0])[1].tobytes()
    content = {"not": b"text", "truncated": whole[: len(whole) // 2], "empty": b"", "bomb": whole}.get(kind, whole)
    if kind != "missing":
        picture.write_bytes(content)
    (tmp_path / "none").mkdir()
    source = {"folder": tmp_path / "none", "glob": tmp_path / "*.gif"}.get(kind, picture)
    more = {"format": ["--format", "xml"], "draw": ["--draw"]}.get(kind, [])
    code, out, err = run(*io, "detect", source, "--model", model_file, *more)
    assert code == 2 and out == "" and err.startswith("diffbin: ") and len(err.splitlines()) == 1


def test_bad_models_are_one_sentence(io: Run, pages: Path, tmp_path: Path) -> None:
    import onnx
    import torch

    from diffbin.model.checkpoints import write_weights
    from diffbin.model.dbnet import DBNet

    recipe = small_recipe(pages)
    other = DBNet(type(recipe.model)(backbone="resnet18_half")).state_dict()
    write_weights(tmp_path / "other.safetensors", recipe, other)
    (tmp_path / "damaged.onnx").write_bytes(b"x" * 99)
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    shape = onnx.helper.make_tensor_value_info("x", 1, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [shape],
                                   [onnx.helper.make_tensor_value_info("y", 1, [1])])  # fmt: skip
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9),
              str(tmp_path / "plain.onnx"))  # fmt: skip
    for name in ("missing.onnx", "missing.pt", "no-such-name", "damaged.onnx", "foreign.pt", "other.safetensors",
                 "plain.onnx"):  # fmt: skip
        model = tmp_path / name if "." in name else name
        code, _, err = run(*io, "detect", pages / "images", "--model", model)
        assert code == 2 and name in err and len(err.splitlines()) == 1, err


def test_another_size_of_the_input(io: Run, model_file: Path, pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the network sees, `(h, w)`, for pictures of 96 x 128."""
    seen, look = [], OnnxEngine.run

    def note(self: OnnxEngine, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(batch.shape[2:])
        return look(self, batch)

    monkeypatch.setattr(OnnxEngine, "run", note)
    folders, model = ("--images", pages / "images", "--gt", pages / "gt"), ("--model", model_file, "--engine", "onnx")
    assert run(*io, "detect", pages / "images", *model, "--size", "192")[0] == 0
    assert run(*io, "eval", *folders, *model, "--size", "384")[0] == 0
    assert set(seen) == {(192, 256), (384, 512)}
    code, _, err = run(*io, "detect", pages / "images", *model, "--size", "16")
    assert code == 2 and "32" in err


def test_eval(io: Run, model_file: Path, pages: Path) -> None:
    where = ("--images", pages / "images", "--gt", pages / "gt", "--model", model_file)
    code, out, _ = run(*io, "eval", *where, "--json")
    report = json.loads(out)
    assert code == 0 and report["pictures"] == 2 and report["fixed"]["regions"] == 5
    code, out, _ = run(*io, "eval", *where, "--matching", "maximum", "--part", "1:")
    assert code == 0 and out.splitlines()[1].startswith("fixed") and "best over sweep*" in out
    code, out, _ = run(*io, "eval", *where, "--hard", pages / "hard.csv")
    table = (pages / "hard.csv").read_text().splitlines()
    assert code == 0 and table[0] == "picture,weight,hits,regions,predictions" and len(table) == 3
    assert {line.split(",")[0] for line in table[1:]} == {"img_1.png", "img_2.png"}
    code, out, _ = run(*io, "eval", *where, "--matching", "deteval", "--part", "1:")
    assert code == 0 and "DetEval as of Total-Text" in out
    for bad in (("--matching", "best"), ("--format", "xml"), ("--part", "9:")):
        code, _, err = run(*io, "eval", *where, *bad)
        assert code == 2 and err.startswith("diffbin: ")


def test_label(io: Run, model_file: Path, pages: Path, tmp_path: Path) -> None:
    command = ("label", pages / "images", "--out", tmp_path / "gt", "--model", model_file, "--polygons")
    code, out, _ = run(*io, *command, "--empty")
    assert code == 0 and out == "2 labelled, 0 left out, 0 done before, 0 failed\n"
    (pages / "images" / "img_3.png").write_bytes(b"not a picture")
    code, out, err = run(*io, *command, "--empty")
    assert code == 1 and out == "0 labelled, 0 left out, 2 done before, 1 failed\n" and "img_3.png" in err
    for other in ((), ("--quads",), ("--set", "decode.unclip_ratio=3"), ("--tile", "off")):
        code, _, err = run(*io, *command, *other, *(["--empty"] * bool(other)))
        assert code == 2 and "another rule" in err, other


def test_lists_and_version(io: Run) -> None:
    assert run(*io, "--version")[1].startswith("diffbin 0.")
    assert "dbnet_resnet18_fpnc_1200e_icdar2015" in run(*io, "recipes")[1]


@pytest.mark.slow
def test_synth_and_train_and_export(io: Run, tmp_path: Path) -> None:
    code, _, _ = run(*io, "synth", "--out", tmp_path / "set", "--count", 2, "--workers", 1, "--set", "size_px=96,96")
    assert code == 0 and len(list((tmp_path / "set" / "gt").iterdir())) == 2
    labelled = ("--images", tmp_path / "set" / "images", "--gt", tmp_path / "set" / "gt", "--part", "1:")
    code, _, _ = run(*io, "synth", "--out", tmp_path / "more", "--count", 3, "--workers", 1, *labelled)
    assert code == 0 and len(list((tmp_path / "more" / "gt").iterdir())) == 3
    of_lines = (*io, "synth", "--out", tmp_path / "lines", "--count", 1, *labelled, "--format", "icdar:line")
    assert run(*of_lines, "--unit", "line")[0] == 0
    code, _, err = run(*of_lines)
    assert code == 2 and "are of a line each, but unit is word" in err
    own = tmp_path / "own.py"
    own.write_text(
        "from diffbin.config import Augment, Data, Model, Recipe, Source, Train\n"
        "RECIPE = Recipe(name='own', model=Model(backbone='resnet18_half', lateral_channels=16, smooth_channels=8),\n"
        "  augment=Augment(crop_px=64, crop='scale'), train=Train(steps=2, precision='32'),\n"
        "  data=Data(batch_size=2, workers=0, train=(Source(images='images', labels='gt'),)))\n"
    )
    root = f"data.root={tmp_path / 'set'}"
    code, out, _ = run(*io, "train", own, "--set", root, "--out", tmp_path / "run")
    assert code == 0 and "step_00000002.pt" in out
    last = next((tmp_path / "run" / "checkpoints").iterdir())
    weights = tmp_path / "w.safetensors"
    (tmp_path / "card.json").write_text('{"by": "Zoë"}', "utf-8-sig")
    card = ("--card", tmp_path / "card.json")
    code, out, _ = run(*io, "export", last, "--out", tmp_path / "m.onnx", "--weights", weights, *card)
    assert code == 0 and "differs from PyTorch by at most" in out and weights.exists()
    assert run(*io, "train", own, "--out", tmp_path / "2", "--set", root, "--weights", weights)[0] == 0
    for bad in (("train", "none"), ("train", own, "--set", "optim.lrr=1"), ("export", tmp_path / "no.pt", "--out", "m"),
                ("train", own, "--set", root, "--out", tmp_path / "run"), ("synth", "--out", own)):  # fmt: skip
        code, _, err = run(*io, *bad)
        assert code == 2 and err.startswith("diffbin: ")
    for halves in (labelled[:2], labelled[4:], ("--format", "mlt")):
        code, _, err = run(*io, "synth", "--out", tmp_path / "c", *halves)
        assert code == 2 and "Give --images with --gt" in err


def test_the_command_is_installed() -> None:
    command = Path(sys.executable).parent / "diffbin"
    assert subprocess.run([command, "--help"], check=True, capture_output=True, timeout=60).stdout


def test_pack_makes_shards_and_says_how_large(io: Run, pages: Path, tmp_path: Path) -> None:
    options = ("pack", "--images", pages / "images", "--gt", pages / "gt", "--out", tmp_path / "shards")
    code, _, err = run(*io, *options, "--part", "9:")
    assert code == 2 and 'part "9:" leaves no picture' in err and not (tmp_path / "shards").exists()
    code, out, _ = run(*io, *options, "--decoded", "--part", "0:1")
    assert code == 0 and "1 shard, 0 MB" in out
    assert (tmp_path / "shards" / "000000.tar").is_file()
    code, _, err = run(*io, *options)
    assert code == 2 and err.startswith("diffbin: ") and "is there already" in err and err.count("\n") == 1


@pytest.mark.slow
def test_train_looks_for_a_rate(io: Run, pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffbin.train import rates

    monkeypatch.setattr(rates, "RATES", (1e-5, 1e-2))
    monkeypatch.setattr(rates, "STEPS", 8)
    own = tmp_path / "own.py"
    own.write_text(
        f"from conftest import small_recipe\nfrom pathlib import Path\nRECIPE = small_recipe(Path({str(pages)!r}))\n"
    )
    code, out, _ = run(*io, "train", own, "--find-lr", "--out", tmp_path / "run")
    assert code == 0 and "optim.lr=0.01. The curve is in" in out
    code, _, err = run(*io, "train", own, "--find-lr", "--resume")
    assert code == 2 and "leave --resume out" in err
    settings = ("--set", "data.workers=0", "--set", "data.batch_size=2", "--set", "augment.crop_px=64")
    where = ("--images", pages / "images", "--gt", pages / "gt", "--out", tmp_path / "further")
    code, out, err = run(*io, "train", "--from", "diffbin-words", *where, "--find-lr", *settings)
    assert "trained further on 1 pictures" in out and (code == 0 or "No rate from" in err)
    assert not (tmp_path / "further" / "checkpoints").exists()

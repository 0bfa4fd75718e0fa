"""The zoo: official files from a server of every temper, installed under their names, used by `Detector`."""

import hashlib
import http.client
import os
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import SMALL, page, small_recipe
from diffbin import Detector, cli, recipes, zoo
from diffbin.config import Decode
from diffbin.errors import ConfigError, ModelError
from diffbin.model.checkpoints import read_weights
from diffbin.model.dbnet import DBNet
from diffbin.published import Published
from diffbin.zoo import download, install

ROW = "dbnet_resnet18_fpnc_1200e_icdar2015"


class Server(ThreadingHTTPServer):
    """Serves one file. `temper`: whole, half (breaks off once), stubborn (always breaks off at the same byte), gone,
    astray (sends less than is left), uncounted (its length is no number), busy (asks to come again, once)."""

    daemon_threads = False  # closing waits for the connections
    content, temper, ranges, asks = b"", "whole", True, "0"
    requests: list[str]

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, content = self.server, self.server.content
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if server.ranges else 0
        server.requests.append(f"{self.path} {start}")
        if server.temper == "gone":
            self.send_error(404)
            return
        if server.temper == "busy" and len(server.requests) == 1:
            self.send_response(429)
            self.send_header("Retry-After", server.asks)
            self.end_headers()
            return
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            start += server.temper == "astray"
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", "many" if server.temper == "uncounted" else str(len(content) - start))
        self.end_headers()
        if server.temper == "stubborn" or (server.temper == "half" and len(server.requests) == 1):
            self.wfile.write(content[start : max(start, len(content) // 2)])
            return
        self.wfile.write(content[start:])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "WAIT_S", 0.0)
    with Server(("127.0.0.1", 0), Handler) as running:
        running.requests = []
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIFFBIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def url(server: Server, name: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/mmocr/{name}"


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def named(content: bytes) -> str:
    return f"model-{hashlib.sha256(content).hexdigest()[:8]}.pth"


@pytest.mark.parametrize("temper", ["whole", "half"])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_arrives_whole_and_is_not_fetched_twice(server: Server, cache: Path, temper: str, ranges: bool) -> None:
    server.content, server.temper, server.ranges = bytes(range(256)) * 9000, temper, ranges
    name, seen = named(server.content), []
    for _ in range(2):
        path = download.download(url(server, name), cache, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == server.content and files(cache) == [name]
    assert len(server.requests) == (2 if temper == "half" else 1)
    assert seen[-1] == (len(server.content), len(server.content))
    if temper == "half" and ranges:
        assert server.requests[1].endswith(f" {len(server.content) // 2}")


def test_a_server_that_always_stops_half_way_leaves_what_the_next_call_goes_on_from(
    server: Server, cache: Path
) -> None:
    server.content, server.temper = b"weights" * 500_000, "stubborn"
    name = named(server.content)
    with pytest.raises(ModelError, match=rf"could not be fetched whole.*put {name} into {cache}"):
        download.download(url(server, name), cache)
    assert files(cache) == [f"{name}.part"]
    server.temper = "whole"
    assert download.download(url(server, name), cache).read_bytes() == server.content
    assert not server.requests[-1].endswith(" 0")


def test_a_broken_network_is_tried_again_and_a_full_disk_is_not(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.content, real, breaks = b"weights", http.client.HTTPResponse.read, [OSError(113, "No route to host")]

    def read(response: http.client.HTTPResponse, amount: int) -> bytes:
        if breaks:
            raise breaks.pop()
        return real(response, amount)

    monkeypatch.setattr(http.client.HTTPResponse, "read", read)
    assert download.download(url(server, "a.pth"), cache).read_bytes() == server.content
    (cache / "b.pth.part").symlink_to("/dev/full")
    with pytest.raises(ModelError, match=r"b\.pth\.part cannot be written"):
        download.download(url(server, "b.pth"), cache)
    monkeypatch.setattr(Path, "replace", lambda path, target: (path.rename(target), path.stat()))  # it is there already
    assert download.download(url(server, "c.pth"), cache).read_bytes() == server.content


@pytest.mark.parametrize("content", [b"half of a f", b"another file altogether"], ids=["truncated", "wrong"])
def test_a_wrong_digest_is_told_and_nothing_stays(server: Server, cache: Path, content: bytes) -> None:
    server.content = content
    with pytest.raises(ModelError, match="SHA-256 begins with"):
        download.download(url(server, named(b"half of a file")), cache)
    assert not files(cache)


def test_a_leftover_of_another_edition_is_begun_anew(server: Server, cache: Path) -> None:
    server.content = b"new"
    cache.mkdir()
    (cache / f"{named(b'new')}.part").write_bytes(b"older and longer")
    assert download.download(url(server, named(b"new")), cache).read_bytes() == b"new"
    server.content = b""
    with pytest.raises(ModelError, match=r"refused by its server \(416"):
        download.download(url(server, named(b"nothing")), cache)
    server.content, server.temper = b"newer", "astray"
    (cache / f"{named(b'newer')}.part").write_bytes(b"new")
    assert download.download(url(server, named(b"newer")), cache).read_bytes() == b"newer"


def test_of_two_that_want_one_file_one_waits_for_the_other(server: Server, cache: Path) -> None:
    server.content, got = b"weights" * 500_000, []
    name = named(server.content)
    second = threading.Thread(target=lambda: got.append(download.download(url(server, name), cache)))

    def begin_second(done: int, total: int) -> None:
        if second.ident is None:
            second.start()
            second.join(0.2)  # in which it would begin to fetch

    first = download.download(url(server, name), cache, progress=begin_second)
    second.join()
    assert got == [first] and first.read_bytes() == server.content and len(server.requests) == 1


@pytest.mark.parametrize(("asks", "waited"), [("7", 7), ("0", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0)])
def test_a_busy_server_is_asked_again_when_it_says(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, asks: str, waited: int
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.content, server.temper, server.asks = b"weights", "busy", asks
    assert download.download(url(server, "a.pth"), cache).read_bytes() == b"weights"
    assert waits == [waited]


def test_a_server_that_asks_for_an_hour_is_told_of(server: Server, cache: Path) -> None:
    server.temper, server.asks = "busy", "3600"
    with pytest.raises(ModelError, match=r"refused by its server \(429 Too Many Requests\)"):
        download.download(url(server, "a.pth"), cache)


def test_refused_unreachable_and_too_large(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.temper = "gone"
    with pytest.raises(ModelError, match=r"refused by its server \(404"):
        download.download(url(server, "a.pth"), cache)
    server.temper, server.content = "whole", bytes(2000)
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    with pytest.raises(ModelError, match="larger than 1000 bytes"):
        download.download(url(server, "a.pth"), cache)
    with pytest.raises(ModelError, match=f"put b.pth into {cache}"):
        download.download("http://127.0.0.1:9/b.pth", cache)
    server.temper = "uncounted"
    with pytest.raises(ModelError, match=r"could not be fetched whole \(the server says that it has 'many' bytes\)"):
        download.download(url(server, "a.pth"), cache)
    with pytest.raises(ModelError, match="not an address of the web"):
        download.download("file:///etc/passwd", cache)


@pytest.fixture
def small_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bytes:
    """The row `ROW` with a small network; the content of its official file."""
    torch.manual_seed(0)
    weights = DBNet(SMALL).state_dict()
    weights["det_head.binarize.6.bias"] -= 2
    torch.save({"meta": {"epoch": 1}, "state_dict": weights}, tmp_path / "official.pth")
    content = (tmp_path / "official.pth").read_bytes()
    row = Published(source="MMOCR 1.0", hmean=0.5, weights=f"textdet/{ROW}/{ROW}_20220825_221614-{named(content)[6:]}")
    monkeypatch.setattr(recipes, "published", lambda name: row if name == ROW else None)
    small = small_recipe(tmp_path)
    monkeypatch.setattr(recipes, "load", lambda name: type(small)(**{**vars(small), "name": ROW}))
    return content


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["diffbin", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


@pytest.mark.slow
def test_get_installs_a_row_that_the_detector_takes_by_name(
    server: Server, small_row: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.content = small_row
    with pytest.raises(ModelError, match=f"diffbin zoo get {ROW}"):
        Detector(ROW)
    for _ in range(2):  # the second time nothing is left to do
        assert run(monkeypatch, "zoo", "get", ROW, "--base-url", url(server, "")) == 0
    assert len(server.requests) == 1 and "Installed" in capsys.readouterr().out
    assert sorted(p.name for p in cache.iterdir()) == [f"{ROW}.onnx", f"{ROW}.safetensors", "downloads"]
    assert run(monkeypatch, "zoo", "list") == 0 and "0.5000           installed" in capsys.readouterr().out
    by_name, native = Detector(ROW), Detector(cache / f"{ROW}.safetensors")
    assert by_name.engine.card["published"].endswith("not measured here")
    picture, _ = page()
    np.testing.assert_allclose(by_name.prob(picture), native.prob(picture), atol=1e-4)
    stored = torch.load(cache / "downloads" / by_name.engine.card["summary"].split()[-1])["state_dict"]
    assert all(torch.equal(w, stored[name]) for name, w in read_weights(cache / f"{ROW}.safetensors")[1].items())
    assert zoo.weights_of(ROW) == cache / f"{ROW}.safetensors"


def test_a_row_may_have_an_address_and_a_digest_of_its_own(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some publishers' files do not end with the digits of their sum."""
    row = Published(source="PaddleOCR", base=url(server, "p/"), weights="det.onnx", digest="00000000", start="det.onnx")
    monkeypatch.setattr(recipes, "published", lambda _: row)
    server.content = b"something else"
    with pytest.raises(ModelError, match=r"det\.onnx\.part is damaged .* not 00000000; it was removed"):
        install.get(ROW)
    assert server.requests == ["/mmocr/p/det.onnx 0"] and not (cache / "downloads" / "det.onnx").exists()
    assert install.get(ROW, part="start", base=url(server, "mirror")) == cache / "downloads" / "det.onnx"
    with pytest.raises(ModelError, match=r"det\.onnx is damaged .* not 00000000; remove it"):
        install.get(ROW)


@pytest.mark.slow
def test_import_tells_the_row_from_the_file_s_name(small_row: bytes, tmp_path: Path, cache: Path) -> None:
    digest = hashlib.sha256(small_row).hexdigest()[:8]
    file = tmp_path / f"{ROW}_20220825_221614-{digest}.pth"
    file.write_bytes(small_row[:-1])
    with pytest.raises(ModelError, match="damaged or not what its name says"):
        install.import_file(file)
    file.write_bytes(small_row)
    assert install.import_file(file, name="mine") == cache / "mine.onnx"
    assert Detector("mine").engine.recipe.name == "mine"
    assert isinstance(Detector("mine").decode, Decode)
    with pytest.raises(ConfigError, match="--recipe"):
        install.import_file(tmp_path / "official.pth")
    with pytest.raises(ConfigError, match="cannot be installed as"):
        install.import_file(file, name="../mine")


@pytest.mark.slow
def test_a_refused_import_leaves_what_was_installed(
    small_row: bytes, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install.import_file(tmp_path / "official.pth", recipe=ROW, name="mine")
    before = {path.name: path.read_bytes() for path in cache.iterdir()}
    weights = torch.load(tmp_path / "official.pth")
    weights["state_dict"]["det_head.binarize.6.bias"] += 1
    torch.save(weights, tmp_path / "official.pth")
    monkeypatch.setattr("diffbin.export.largest_differences", lambda network, file: (1.0, 0.0))
    with pytest.raises(ModelError, match=r"mine\.onnx was not written"):
        install.import_file(tmp_path / "official.pth", recipe=ROW, name="mine")
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == before


def test_another_file_is_not_taken_for_the_published_one(small_row: bytes, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "own.pth").write_bytes(small_row)
    install.import_file(tmp_path / "own.pth", recipe=ROW)
    with pytest.raises(ModelError, match=r"another file \(imported from own\.pth\).*remove it"):
        install.get(ROW, base="http://127.0.0.1:1")
    with pytest.raises(ModelError, match=r"There is no model /none/"):
        zoo.find(f"/none/{ROW}")
    (cache / f"{ROW}.onnx").unlink()
    with pytest.raises(ModelError, match="is not an address"):
        install.get(ROW, base="http://[bad")


def test_a_row_without_weights_and_an_unknown_name(cache: Path) -> None:
    with pytest.raises(ModelError, match=r"No weights are published.*diffbin train dbnet_resnet18_td500"):
        install.get("dbnet_resnet18_td500")
    with pytest.raises(ConfigError, match="zoo list"):
        install.get("diffbin_words")
    with pytest.raises(ModelError, match="no weights are published"):
        Detector("dbnet_resnet18_td500")
    with pytest.raises(ModelError, match="There is no model nonsense"):
        Detector("nonsense")


def test_without_a_home_embedded_models_and_files_are_found_and_others_tell_the_way(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIFFBIN_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("~no such account").expanduser())  # raises
    assert zoo.find(zoo.EMBEDDED) == zoo.MODELS[zoo.EMBEDDED] and zoo.find(model_file) == model_file
    assert zoo.weights_of(zoo.EMBEDDED) == zoo.WEIGHTS[zoo.EMBEDDED]
    assert zoo.weights_of(str(model_file)) == model_file
    for look in (zoo.find, zoo.weights_of):
        with pytest.raises(ModelError, match=r"no home folder .* set DIFFBIN_CACHE"):
            look("mine")


def test_nothing_is_installed_in_a_folder_of_another_user(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    (cache / "mine.onnx").touch()
    assert zoo.installed_names() == ["mine"]
    stat = Path.stat

    def closed(path: Path, **more: bool) -> os.stat_result:
        if path.is_relative_to(cache):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **more)

    monkeypatch.setattr(Path, "stat", closed)
    with pytest.raises(ModelError, match="There is no model nonsense"):
        zoo.find("nonsense")
    assert run(monkeypatch, "zoo", "list") == 0
    with pytest.raises(ModelError, match=r"w\.pth\.part cannot be written: Permission denied"):
        download.download("http://localhost/w.pth", cache / "downloads")


def test_info_prints_card_settings_and_layers(
    monkeypatch: pytest.MonkeyPatch, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, kind in ((str(model_file), "Conv "), (str(model_file.with_name("w.safetensors")), "Conv2d")):
        assert run(monkeypatch, "info", name) == 0
        out = capsys.readouterr().out
        assert "GMAC for a picture" in out and "decode.min_width_px=2.0" in out and "augment.crop_px=64" in out
        assert "backbone.layer1.0.conv1" in out and kind in out and "32x32x3x3" in out
    assert run(monkeypatch, "info", zoo.EMBEDDED) == 0  # in eight bits
    out = capsys.readouterr().out
    assert "59 layers, 749,140 stored values" in out and "\nbackbone.layer1.0.expand " in out


def test_a_package_without_its_models_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(zoo.MODELS, "diffbin-words", tmp_path / "d.zip" / "diffbin-words.onnx")
    with pytest.raises(ModelError, match="is not there: install the package by pip"):
        Detector()

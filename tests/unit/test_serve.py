"""The server: what it answers, what it refuses, and that one request cannot take more than its share."""

import gzip
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray
from PIL import Image
from starlette.applications import Starlette
from typer.testing import CliRunner

from conftest import DarkIsText, page
from diffbin import cli
from diffbin.detections import Detections
from diffbin.detector import Detector
from diffbin.errors import ConfigError, DependencyError, EngineWarning
from diffbin.formats import FORMATS
from diffbin.serve import service
from diffbin.serve.limits import Limits
from diffbin.serve.server import settings
from diffbin.serve.service import PAGE, application

PICTURE = cv2.imencode(".png", page()[0])[1].tobytes()
Answer = tuple[int, dict[str, str], bytes]


class Held(DarkIsText):
    """An engine that waits until it is let go, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.begun, self.runs = threading.Event(), threading.Semaphore(0), 0

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        self.runs += 1
        self.begun.release()
        assert self.go.wait(20)
        return super().run(batch)


@contextmanager
def served(detector: Detector, **limits: float) -> Iterator[int]:
    """The port of a server that runs in this block."""
    with running(application(detector, name="dark", limits=Limits(**limits))) as port:  # type: ignore[arg-type]
        yield port


@contextmanager
def running(app: Starlette, **changes: object) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as place:
        server = uvicorn.Server(settings(app, log_config=None, **changes))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield place.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def ask(port: int, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def error(answer: Answer) -> tuple[int, str]:
    status, headers, content = answer
    assert headers["content-type"] == "application/json"
    return status, json.loads(content)["error"]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served(Detector(DarkIsText()), bytes=20_000, pixels=1_000_000, scans=3) as port:
        yield port


@pytest.mark.parametrize("format_", sorted(FORMATS))
def test_it_answers_as_the_detector_does(port: int, format_: str) -> None:
    way = FORMATS[format_]
    expected = way.head + way.write(Detector(DarkIsText())(PICTURE), "a.png")
    status, headers, content = ask(port, f"/detect?format={format_}&name=a.png", PICTURE)
    made = re.compile(r"<(Created|LastChange)>[^<]*<")  # when; a second may have passed
    assert (status, made.sub("", content.decode())) == (200, made.sub("", expected))
    kinds = {
        "icdar": "text/plain",
        "csv": "text/csv",
        "page": "application/xml",
        "alto": "application/xml",
        "hocr": "text/html",
    }
    assert headers["content-type"].startswith(kinds.get(format_, "application/json"))
    assert "x-diffbin-warning" not in headers and headers["x-content-type-options"] == "nosniff"


def test_a_document_is_refused_for_what_it_is(port: int) -> None:
    status, told = error(ask(port, "/detect", b"%PDF-1.7"))
    assert status == 422 and "is a PDF" in told


def form(*parts: tuple[str, bytes], kind: str = 'name="image"; filename="') -> tuple[bytes, dict[str, str]]:
    body = b"".join(
        f'--edge\r\nContent-Disposition: form-data; {kind}{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in parts
    )
    return body + b"--edge--\r\n", {"Content-Type": "multipart/form-data; boundary=edge"}


def test_a_form_brings_one_picture_with_its_name(port: int) -> None:
    status, _, content = ask(port, "/detect", *form(("dir/ä.png", PICTURE)))
    assert status == 200 and json.loads(content)["image"] == "ä.png"


def test_a_form_brings_nothing_else(port: int) -> None:
    body, headers = form(("a.png", PICTURE))
    field, _ = form(("score", b"0.5"), kind='name="')
    punycode = {"Content-Type": headers["Content-Type"] + "; charset=punycode"}
    for broken, told in [
        (form(("a.png", PICTURE), ("b.png", PICTURE)), "Too many files"),
        ((field, headers), "options stand in the address"),
        ((b"--edge--\r\n", headers), "The form has no file"),
        ((body[:50] + b"?", headers), "The form has no file"),
        ((body, punycode), "A form is in UTF-8"),  # Python's takes minutes for a name of a megabyte
        ((body, {"Content-Type": "multipart/form-data"}), "it brings one file"),
    ]:
        status, text = error(ask(port, "/detect", *broken))
        assert status == 400 and told in text


def test_options_of_a_request_are_its_own() -> None:
    class Faint(DarkIsText):
        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            return (batch[:, :1] < 0).astype(np.float32) * np.float32(0.6)

    with served(Detector(Faint())) as port:
        none, some, polygons, quads = (
            json.loads(ask(port, f"/detect{options}", PICTURE)[2])["regions"]
            for options in ("?score=0.7", "?score=0.5", "?shape=polygon", "")
        )
    assert not none and len(some) == len(polygons) == len(quads) == 3
    assert len(quads[0]["polygon"]) == 4 < len(polygons[0]["polygon"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("score=high", "score is high; it must be a number from 0 to 1."),
        ("score=1.5", "score is 1.5"),
        ("score=nan", "score is nan"),
        ("shape=circle", "shape is 'circle'; it must be one of 'quad', 'polygon'"),
        ("format=xml", "format is xml; it must be one of json"),
        ("score=0.1&score=0.9", "An option is given twice."),
        ("treshold=1", "There is no option treshold; there are format, score, shape, reading, name."),
    ],
)
def test_wrong_options_are_told(port: int, options: str, told: str) -> None:
    status, text = error(ask(port, f"/detect?{options}", PICTURE))
    assert status == 400 and text.lower().startswith(told.lower())


def png(height: int, width: int) -> bytes:
    return cv2.imencode(".png", np.zeros((height, width), np.uint8))[1].tobytes()


def jpeg_of_scans() -> bytes:
    file = io.BytesIO()
    Image.fromarray(page()[0]).save(file, "JPEG", progressive=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 422, "The request brings no picture"),
        (b"hello", 422, "What was sent is not a picture of a known format."),
        (PICTURE[:200], 422, "The picture"),
        (bytes(20_001), 413, "The body of the request has more than 20000 bytes"),
        (png(1001, 1000), 413, "What was sent has 1001 x 1000 pixels; this server takes pictures of up to 1000000."),
        (png(1, 65_536), 413, "What was sent has 1 x 65536 pixels; this server takes sides of up to 65535."),
        (jpeg_of_scans(), 413, "What was sent is a JPEG of more than 3 scans"),
        (b"P5 10 10 254\n" + bytes(100), 422, "What was sent is a portable bitmap"),
    ],
)
def test_what_cannot_be_taken_is_told(port: int, body: bytes, status: int, told: str) -> None:
    answer = error(ask(port, "/detect", body))
    assert answer[0] == status and answer[1].startswith(told)


def test_a_body_that_is_compressed_once_more_is_refused(port: int) -> None:
    answer = error(ask(port, "/detect", gzip.compress(PICTURE), {"Content-Encoding": "gzip"}))
    assert answer[0] == 415 and answer[1].startswith("The body is encoded (gzip)")
    assert ask(port, "/detect", PICTURE, {"Content-Encoding": "identity"})[0] == 200


def test_a_body_of_unknown_length_ends_at_the_limit(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):  # once it is refused
            for _ in range(30):
                connection.sendall(b"3e8\r\n" + bytes(1000) + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_other_paths_and_methods_are_refused_in_json(port: int) -> None:
    assert error(ask(port, "/detection")) == (404, "Not Found")
    assert error(ask(port, "/detect")) == (405, "Method Not Allowed")
    assert error(ask(port, "/detect/", PICTURE, {"Host": "example.com"})) == (404, "Not Found")  # and sent nowhere


def test_one_request_too_many_is_told_to_come_again() -> None:
    engine = Held()
    with served(Detector(engine), requests=1) as port:
        first, answers = begin(port)
        assert engine.begun.acquire(timeout=20)
        status, headers, content = ask(port, "/detect", PICTURE)
        assert status == 503 and headers["retry-after"] == "1" and b"come again" in content
        assert ask(port, "/health")[0] == 200
        engine.go.set()
        first.join()
        assert answers[0][0] == 200 and ask(port, "/detect", PICTURE)[0] == 200


def begin(port: int) -> tuple[threading.Thread, list[Answer]]:
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(ask(port, "/detect", PICTURE)))
    thread.start()
    return thread, answers


def test_long_answers_are_written_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    writing, go = threading.Event(), threading.Event()

    def write(_: Detections, __: str) -> str:
        writing.set()
        return str(go.wait(20))

    monkeypatch.setitem(FORMATS, "json", FORMATS["json"]._replace(write=write))
    with served(Detector(DarkIsText())) as port:
        first, answers = begin(port)
        assert writing.wait(20) and ask(port, "/health")[0] == 200
        go.set()
        first.join()
    assert answers[0][2] == b"True"


def test_waiting_has_an_end() -> None:
    engine = Held()
    with served(Detector(engine), at_once=1, seconds=0.2) as port:
        first, answers = begin(port)
        assert engine.begun.acquire(timeout=20)
        assert error(ask(port, "/detect", PICTURE)) == (
            503, "Other pictures have kept the server busy for 0.2 s; come again."
        )  # fmt: skip
        engine.go.set()
        first.join()
        assert answers[0][0] == 200 and engine.runs == 1


def test_a_picture_that_does_not_come_is_not_waited_for() -> None:
    with served(Detector(DarkIsText()), requests=1, seconds=0.2) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
        assert ask(port, "/detect", PICTURE)[0] == 200


def test_who_sends_all_before_reading_is_told_what_is_wrong() -> None:
    large = PICTURE + bytes(8_000_000)
    with served(Detector(DarkIsText()), bytes=5_000_000) as port:
        for _ in range(3):
            assert error(ask(port, "/detect?score=2", large)) == (400, "Score is 2; it must be a number from 0 to 1.")
            status, told = error(ask(port, "/detect", large))
            assert status == 413 and "more than 5000000 bytes" in told


def test_nothing_is_computed_for_those_who_have_gone() -> None:
    engine = Held()
    with served(Detector(engine), at_once=1) as port:
        first, answers = begin(port)
        assert engine.begun.acquire(timeout=20)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            head = f"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PICTURE)}\r\n\r\n"
            connection.sendall(head.encode() + PICTURE)
            while b"under_way 2.0" not in ask(port, "/metrics")[2]:
                time.sleep(0.01)
        engine.go.set()
        first.join()
        while b"under_way 0.0" not in ask(port, "/metrics")[2]:
            time.sleep(0.01)
        assert b'requests_total{status="499"} 1.0' in ask(port, "/metrics")[2]
    assert answers[0][0] == 200 and engine.runs == 1


def test_scripts_of_other_pages_may_ask_where_that_is_allowed() -> None:
    page = "https://example.com"
    asking = {"Origin": page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    with running(application(Detector(DarkIsText()), origins=[f"{page}/"])) as port:
        for origin, allowed in ((page, page), ("https://other.org", None)):
            status, headers, _ = ask(port, "/detect", PICTURE, {"Origin": origin})
            assert status == 200 and headers.get("access-control-allow-origin") == allowed
        assert (
            "X-Diffbin-Warning" in ask(port, "/detect", PICTURE, {"Origin": page})[1]["access-control-expose-headers"]
        )
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("OPTIONS", "/detect", headers=asking)
        assert connection.getresponse().status == 200
        connection.close()
    with running(application(Detector(DarkIsText()))) as port:
        assert "access-control-allow-origin" not in ask(port, "/detect", PICTURE, {"Origin": page})[1]


def test_an_engine_that_fails_ends_nothing() -> None:
    class Failing(DarkIsText):
        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            raise RuntimeError("out of memory")

    with served(Detector(Failing())) as port:
        for _ in range(3):  # as many as are computed at once, and one more
            assert error(ask(port, "/detect", PICTURE)) == (500, "The request could not be answered (RuntimeError).")
        assert b'requests_total{status="500"} 3.0' in ask(port, "/metrics")[2]


def test_it_is_not_well_while_the_engine_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(DarkIsText):
        fails, reason = True, "std::bad_alloc"

        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            if self.fails:
                raise RuntimeError(self.reason)
            return super().run(batch)

    monkeypatch.setattr(service, "FAILURES", 2)
    engine = Failing()
    with served(Detector(engine)) as port:
        for _ in range(3):  # memory is short for large pictures; the engine is well
            assert ask(port, "/detect", PICTURE)[0] == 500
        engine.reason = "device lost"
        for expected in (500, 422, 500):  # what cannot be read is no fault of the engine, and does not make it well
            assert ask(port, "/health")[0] == 200
            assert ask(port, "/detect", PICTURE if expected == 500 else b"none")[0] == expected
        assert error(ask(port, "/health")) == (503, "The last 2 pictures could not be computed.")
        engine.fails = False
        assert ask(port, "/detect", PICTURE)[0] == 200 == ask(port, "/health")[0]


def test_it_is_not_well_while_nothing_is_ever_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "STUCK", 0.1)
    engine = Held()
    with served(Detector(engine), at_once=2) as port:
        first, _ = begin(port)
        assert engine.begun.acquire(timeout=20)
        time.sleep(0.2)
        assert ask(port, "/health")[0] == 200  # another one could be computed
        second, _ = begin(port)
        assert engine.begun.acquire(timeout=20)
        time.sleep(0.2)
        assert error(ask(port, "/health")) == (503, "No picture has been done for 0.1 s.")
        engine.go.set()
        first.join()
        second.join()
        assert ask(port, "/health")[0] == 200


def test_a_line_of_the_log_tells_of_each_picture_but_not_its_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "diffbin")
    with served(Detector(DarkIsText())) as port:
        ask(port, "/detect?name=secret.png", PICTURE, {"X-Request-ID": " 7 \x1bf"})
        ask(port, "/detect?format=" + 9_999 * "secret", PICTURE)
        ask(port, "/health")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("diffbin")]
    assert re.fullmatch(r"127\.0\.0\.1 7f 200 0\.\d{3} s", lines[0].rstrip())
    assert re.match(r'127\.0\.0\.1 - 400 0\.\d{3} s \{"error":"Format is secretsecret', lines[1])
    assert len(lines) == 2 and len(lines[1]) < 400


def test_connections_that_bring_nothing_are_closed() -> None:
    engine = Held()
    with running(application(Detector(engine)), timeout_keep_alive=1) as port:
        silent, half, again, busy = (socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(4))
        head = f"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PICTURE)}\r\n\r\n".encode()
        busy.sendall(head + PICTURE)
        half.sendall(head[:20])
        again.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while b"ok" not in answer:
            answer += again.recv(1000)
        again.sendall(head[:20])
        for connection in (silent, half, again):
            with connection:
                assert connection.recv(100) == b""
        engine.go.set()
        with busy:
            assert busy.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_warning_goes_to_the_one_who_asked() -> None:
    with served(Detector(DarkIsText())) as port:
        for _ in range(2):  # the second time, too
            assert "text below some" in ask(port, "/detect", png(1500, 2600))[1]["x-diffbin-warning"]
            assert "x-diffbin-warning" not in ask(port, "/detect", PICTURE)[1]


def test_what_the_engine_says_stays_one_line_of_a_header() -> None:
    class Telling(DarkIsText):
        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            warnings.warn("slow:\r\nSet-Cookie: ä", EngineWarning, stacklevel=1)
            return super().run(batch)

    with served(Detector(Telling())) as port:
        assert ask(port, "/detect", PICTURE)[1]["x-diffbin-warning"] == "slow: Set-Cookie: ?"


def test_an_application_may_start_again_and_leaves_no_threads() -> None:
    others, app = threading.enumerate(), application(Detector(DarkIsText()))
    for _ in range(2):
        with running(app) as port:
            assert ask(port, "/detect", PICTURE)[0] == 200
        for thread in set(threading.enumerate()) - set(others):
            thread.join(20)
            assert not thread.is_alive()


def test_it_tells_what_it_is_and_does(port: int) -> None:
    info = json.loads(ask(port, "/info")[2])
    assert info["model"] == "dark" and info["engine"] == "dark is text" and info["limits"]["pixels"] == 1_000_000
    assert info["decode"]["shape"] == "quad"
    ask(port, "/detect", PICTURE)  # there is no count before the first
    before = ask(port, "/metrics")[2].decode()
    ask(port, "/detect", PICTURE)
    after = ask(port, "/metrics")[2].decode()
    counts = [float(re.findall(r'diffbin_requests_total\{status="200"\} (.*)', text)[0]) for text in (before, after)]
    assert counts[1] == counts[0] + 1 and "diffbin_compute_seconds_bucket" in after


def test_the_page_asks_nobody_else(port: int) -> None:
    status, headers, content = ask(port, "/")
    assert status == 200 and headers["content-security-policy"].startswith("default-src 'none'")
    assert content == PAGE.read_bytes()
    assert set(re.findall(r"https?://[^\"'`\s]+", content.decode())) == {"http://www.w3.org/2000/svg"}


def test_limits_are_numbers_above_zero() -> None:
    with pytest.raises(ConfigError, match=r"limits.requests is 0"):
        Limits(requests=0)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_ended(model_file: Path, ending: signal.Signals) -> None:
    command = [sys.executable, "-m", "diffbin.cli", "serve", "--model", str(model_file), "--port", "0"]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=quiet) as process:
        assert process.stderr
        told = process.stderr.readline()
        found = re.search(r"at http://127\.0\.0\.1:(\d+)$", told)
        assert found, told + process.stderr.read()
        assert ask(int(found[1]), "/detect", PICTURE)[0] == 200
        process.send_signal(ending)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in err


@pytest.mark.parametrize(("signals", "code"), [([signal.SIGINT, signal.SIGINT], 130), ([signal.SIGTERM], 0)])
def test_what_takes_too_long_at_the_end_is_not_waited_for(signals: list[signal.Signals], code: int) -> None:
    """Nor after a second Ctrl-C, nor once the time for it is over."""
    program = (
        "import sys, time; sys.path.insert(0, 'tests')\nfrom conftest import DarkIsText\nfrom diffbin import cli, zoo\n"
        "from diffbin.serve import commands\n"
        "class Slow(DarkIsText):\n"
        "    def run(self, batch):\n"
        "        time.sleep(60 * bool((batch < 0).any()))  # not of the white picture at the start\n"
        "        return super().run(batch)\n"
        f"commands.COMPUTING_S = {60 if len(signals) > 1 else -60}\n"
        "zoo.load = lambda *_: Slow(); sys.argv[1:] = ['serve', '--port', '0']; cli.main()"
    )
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stderr
        port = int(process.stderr.readline().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            head = f"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PICTURE)}\r\n\r\n"
            connection.sendall(head.encode() + PICTURE)
            while b"under_way 1.0" not in ask(port, "/metrics")[2]:
                time.sleep(0.01)
            process.send_signal(signals[0])
            for other in signals[1:]:
                while "Shutting down" not in process.stderr.readline():  # two signals at once would be one
                    pass
                process.send_signal(other)
            assert process.wait(20) == code


def test_a_port_that_is_taken_is_told() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ConfigError, match=r"Cannot listen at 127\.0\.0\.1"),
    ):
        serve("--port", str(taken.getsockname()[1]))


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(DependencyError, match=r"Serving needs uvicorn: pip install '\.\[serve\]'"):
        serve()


def serve(*options: str) -> None:
    result = CliRunner().invoke(cli.app, ["serve", *options])
    if result.exception:
        raise result.exception

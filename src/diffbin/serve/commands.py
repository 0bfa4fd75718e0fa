"""The command `diffbin serve`."""

import os
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from diffbin import options, zoo
from diffbin.errors import ConfigError, DependencyError, way_to_install
from diffbin.files import MAX_BYTES, MAX_PIXELS
from diffbin.serve.limits import Limits
from diffbin.terminal import BROKEN_OFF

if TYPE_CHECKING:
    from starlette.applications import Starlette

MEGA = 1_000_000
COMPUTING_S = 60  # that a picture may take once all have come and had their turn
LIMITS = Limits()


def serve(
    model: options.Model = zoo.EMBEDDED,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 is all, for others to reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free, and tells it.")] = 8000,
    score: options.Score = None,
    polygons: options.Polygons = None,
    size: options.Size = None,
    settings: options.Settings = None,
    engine: options.Engine = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = 0,
    tile: options.Tile = "again",
    cors: Annotated[
        list[str] | None,
        typer.Option(help="A web page's origin that may ask, as https://example.com; may be repeated."),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, help="Pictures computed at once.")] = LIMITS.at_once,
    requests: Annotated[
        int, typer.Option(min=1, help="Requests under way, waiting ones too; one more is told to come again (503).")
    ] = LIMITS.requests,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to send a picture, and again to wait for its turn.")
    ] = LIMITS.seconds,
    max_mb: Annotated[float, typer.Option(min=0.001, max=MAX_BYTES // MEGA, help="Megabytes of a request.")] = (
        LIMITS.bytes / MEGA
    ),
    max_megapixels: Annotated[float, typer.Option(min=0.001, max=MAX_PIXELS // MEGA, help="Of a picture.")] = (
        LIMITS.pixels / MEGA
    ),
) -> None:
    """Answer over HTTP: a page to try it, POST /detect, /info, /health, /metrics. Ctrl-C ends it."""
    _need_server()
    import numpy as np

    from diffbin.detector import Detector
    from diffbin.image import ORDINARY
    from diffbin.serve.service import application
    from diffbin.settings import adjusted

    limits = Limits(
        bytes=round(max_mb * MEGA),
        pixels=round(max_megapixels * MEGA),
        requests=requests,
        at_once=at_once,
        seconds=timeout,
    )
    detector = Detector(model, engine=engine, device=device, precision=precision, threads=threads, tile=tile)
    detector = adjusted(detector, settings, size=size, score=score, polygons=polygons)
    detector.detect(np.full((*ORDINARY, 3), 255, np.uint8))  # the first picture takes longest: not a user's
    with _listening(host, port) as place:
        address = f"[{host}]" if ":" in host else host
        told = f"{model} by {detector.describe()}, at http://{address}:{place.getsockname()[1]}"
        print(f"diffbin: {told}", file=sys.stderr, flush=True)
        _run(
            application(detector, name=model, limits=limits, origins=cors or ()),
            place,
            round(2 * timeout) + COMPUTING_S,
        )


def _need_server() -> None:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads, should it compute
    try:
        import uvicorn  # noqa: F401

        import diffbin.serve.service  # noqa: F401
    except ModuleNotFoundError as error:
        raise DependencyError(f"Serving needs {error.name}: {way_to_install('serve')}.") from None


def _run(app: "Starlette", place: socket.socket, grace_s: int) -> NoReturn:
    """Until a signal ends it; what is under way has so many seconds more."""
    import uvicorn

    from diffbin.serve.server import settings

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if self.should_exit and sig == signal.SIGINT:  # the second one waits for nothing that is computed
                os._exit(BROKEN_OFF)
            super().handle_exit(sig, frame)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as of `docker stop`
    with suppress(KeyboardInterrupt):  # the way to end it
        Server(settings(app, timeout_graceful_shutdown=grace_s)).run(sockets=[place])
    os._exit(0)  # not waiting for what is computed still, as Python would


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Of TCP by name: only so asyncio sends small pieces at once; else the end of an answer would wait 40 ms.
    place = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # where it would let two servers listen at one port
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))
        place.listen()
    except (OSError, UnicodeError) as error:
        place.close()
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"Cannot listen at {host}, port {port}: {reason}; choose others by --host and --port."
        ) from None
    return place

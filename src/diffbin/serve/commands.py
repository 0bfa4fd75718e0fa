"""The command `diffbin serve`."""

import os
import signal
import socket
import sys
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from diffbin import options, zoo
from diffbin.errors import ConfigError, DependencyError, way_to_install
from diffbin.image import MAX_BYTES, MAX_PIXELS, ORDINARY
from diffbin.terminal import BROKEN_OFF

MEGA = 1_000_000
COMPUTING_S = 60  # that a picture may take once all have come and had their turn
BACKLOG = 128  # connections that the system keeps until they are taken


def serve(
    model: options.Model = zoo.EMBEDDED,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 is all, for others to reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free, and tells it.")] = 8000,
    score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least score; the model's own unless given.")
    ] = None,
    polygons: Annotated[
        bool | None, typer.Option("--polygons/--quads", help="Shape of the regions; the model's own unless given.")
    ] = None,
    size: options.Size = None,
    engine: options.Engine = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = 0,
    tile: options.Tile = "off",
    at_once: Annotated[int, typer.Option(min=1, help="Pictures computed at once.")] = 2,
    requests: Annotated[
        int, typer.Option(min=1, help="Requests under way, waiting ones too; one more is told to come again (503).")
    ] = 32,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to send a picture, and again to wait for its turn.")
    ] = 30.0,
    max_mb: Annotated[float, typer.Option(min=0.001, max=MAX_BYTES // MEGA, help="Megabytes of a request.")] = 32.0,
    max_megapixels: Annotated[float, typer.Option(min=0.001, max=MAX_PIXELS // MEGA, help="Of a picture.")] = 50.0,
) -> None:
    """Answer over HTTP: a page to try it, POST /detect, /info, /health, /metrics. Ctrl-C ends it."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads, should it compute
    try:
        import uvicorn

        from diffbin.serve.service import application
    except ModuleNotFoundError as error:
        raise DependencyError(f"Serving needs {error.name}: {way_to_install('serve')}.") from None
    import numpy as np

    from diffbin.detector import Detector
    from diffbin.serve.limits import Limits

    limits = Limits(
        bytes=round(max_mb * MEGA),
        pixels=round(max_megapixels * MEGA),
        requests=requests,
        at_once=at_once,
        seconds=timeout,
    )
    detector = Detector(model, engine=engine, device=device, precision=precision, threads=threads, tile=tile)
    changes: dict[str, Any] = {} if polygons is None else {"shape": "polygon" if polygons else "quad"}
    if score is not None:
        changes["score_threshold"] = score
    if size:
        detector = detector.with_size(size)
    detector = detector.with_decode(**changes)
    detector.detect(np.full((*ORDINARY, 3), 255, np.uint8))  # the first picture takes longest: not a user's
    with _listening(host, port) as place:
        address = f"[{host}]" if ":" in host else host
        told = f"{model} by {detector.describe()}, at http://{address}:{place.getsockname()[1]}"
        print(f"diffbin: {told}", file=sys.stderr, flush=True)
        signal.signal(signal.SIGTERM, _end)  # as of `docker stop`; the server finishes what is under way first
        config = uvicorn.Config(
            application(detector, name=model, limits=limits),
            log_level="info",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=round(2 * timeout) + COMPUTING_S,
        )
        server = uvicorn.Server(config)
        try:
            server.run(sockets=[place])
        except KeyboardInterrupt:  # the way to end it
            if server.force_exit:  # the second one, which does not wait for what is computed
                os._exit(BROKEN_OFF)
            _end()


def _end(*_: int | FrameType | None) -> NoReturn:
    raise typer.Exit(0)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Of TCP by name: only so asyncio sends small pieces at once; else the end of an answer would wait 40 ms.
    place = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # where it would let two servers listen at one port
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))
        place.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        place.close()
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"Cannot listen at {host}, port {port}: {reason}; choose others by --host and --port."
        ) from None
    return place

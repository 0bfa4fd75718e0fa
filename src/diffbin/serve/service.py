"""One detector behind HTTP.

    request -> admission -> its body -> its turn -> detector -> answer

    GET  /          a page to try it
    POST /detect    a picture, as the body or as the file of a form -> its text
    GET  /info      model, engine, settings, limits
    GET  /health    whether it computes
    GET  /metrics   for Prometheus

An error is `{"error": sentence}`: 400 an option is wrong, 408 the picture came too slowly, 413 it is too large, 415 it
is compressed once more, 422 it cannot be read, 503 too many requests are under way.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from diffbin import __version__
from diffbin.detector import Detector
from diffbin.errors import ConfigError, InputError, LimitError, is_of_memory
from diffbin.formats import Format
from diffbin.plain import to_dict
from diffbin.serve import body
from diffbin.serve.asked import Asked
from diffbin.serve.limits import Limits
from diffbin.serve.metrics import CONTENT_TYPE, Metrics
from diffbin.serve.told import told, warnings_told_apart

LOG = logging.getLogger(__name__)
GONE = 499  # nobody waits for the answer any more; nginx's number for it
KINDS = {
    ".json": "application/json",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".xml": "application/xml",
    ".hocr": "text/html",
}
FAILURES = 10  # of the engine, one after the other, after which it will hardly recover by itself
REASON, LONGEST_ID = 300, 64  # characters in the log, of an error and of what a proxy calls a request
STUCK = 300.0  # seconds without the end of a picture while as many are computed as may be
PAGE = Path(__file__).with_name("page.html")
SAFE = {"Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "img-src blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"}  # fmt: skip


def application(
    detector: Detector,
    *,
    name: str = "",
    limits: Limits = Limits(),  # noqa: B008  # frozen
    origins: Sequence[str] = (),
) -> Starlette:
    """An ASGI application, for uvicorn or to be mounted in another one; `name` is what it calls the model, `origins`
    are the addresses of web pages whose scripts may ask it, as `https://example.com`, or `*`."""
    service = Service(detector, name, limits)
    others = Middleware(
        CORSMiddleware,
        allow_origins=[origin.rstrip("/") for origin in origins],
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["X-Diffbin-Warning", "Retry-After"],
    )
    app = Starlette(
        routes=[
            Route("/", service.page),
            Route("/detect", service.detect, methods=["POST"]),
            Route("/info", service.info),
            Route("/health", service.health),
            Route("/metrics", service.numbers),
        ],
        middleware=[others] if origins else [],
        exception_handlers={HTTPException: _refused, Exception: _broken},
        lifespan=service.lifespan,
    )
    app.router.redirect_slashes = False  # to addresses that whoever asks could choose
    return app


def _line(texts: list[str]) -> str:
    """As a header has it: one line, ASCII."""
    return " ".join(" ".join(texts).split()).encode("ascii", "replace").decode()


class Service:
    """The detector, and the requests under way. All but the computing happens in the thread of the event loop."""

    def __init__(self, detector: Detector, name: str, limits: Limits) -> None:
        self._detector, self._name, self._limits = detector, name, limits
        self._metrics, self._under_way, self._discarded = Metrics(), 0, 0
        self._pool = self._new_pool()
        self._turns = asyncio.Semaphore(limits.at_once)
        self._failures, self._ended = 0, monotonic()  # of the engine, in a row; when a picture was begun or done

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._limits.at_once, "diffbin-serve")

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """While the server runs; an application that this one is mounted in has to enter it."""
        self._turns = asyncio.Semaphore(self._limits.at_once)  # of this event loop
        with warnings_told_apart():
            yield
        self._pool.shutdown(wait=False)
        self._pool = self._new_pool()  # which has no threads until it is started once more

    async def detect(self, request: Request) -> Response:
        """The text of one picture, in the format that is asked for."""
        begun = monotonic()
        arriving = body.Arriving(request.receive)
        try:
            response = await self._detect(Request(request.scope, arriving.receive))
        except (HTTPException, ClientDisconnect, InputError, ConfigError) as error:
            response = _told(error)
            waits = "expect" in request.headers and not arriving.begun  # to be told to go on
            if not waits and response.status_code != 408:
                await self._discard(arriving)
        except Exception as error:  # no fault of the one who asks; the server logs it
            self._failures += not is_of_memory(error)  # of which the reason is a large picture
            self._answered(request, 500, monotonic() - begun)
            raise
        reason = bytes(response.body[:REASON]).decode(errors="replace") if response.status_code >= 400 else ""
        self._answered(request, response.status_code, monotonic() - begun, reason)
        response.headers["X-Content-Type-Options"] = "nosniff"  # in which browsers might see a page
        return response

    def _answered(self, request: Request, status: int, seconds: float, reason: str = "") -> None:
        """Counts it, and writes a line, which has nothing of the picture, not even its name."""
        self._metrics.answered(status, seconds)
        client, id_ = request.client.host if request.client else "-", request.headers.get("x-request-id", "")
        id_ = "".join(c for c in id_ if "!" <= c <= "~")[:LONGEST_ID] or "-"  # one field, and nothing for a terminal
        LOG.info(_line([client, id_, str(status), f"{seconds:.3f} s", reason]))

    async def _detect(self, request: Request) -> Response:
        asked = Asked.of(request)
        detector = self._detector.with_decode(**asked.changes)
        with self._admitted():
            name, content = await body.read_picture(request, self._limits)
            async with self._turn():
                if await request.is_disconnected():
                    raise ClientDisconnect
                loop = asyncio.get_running_loop()
                text, warned = await loop.run_in_executor(self._pool, self._find, detector, content, asked.way, name)
                self._failures = 0
        headers = {"X-Diffbin-Warning": _line(warned)} if warned else {}
        return Response(text, media_type=KINDS[asked.way.suffix], headers=headers)

    async def _discard(self, arriving: body.Arriving) -> None:
        """Of as many requests at once as may be under way; of more the connection is closed."""
        if self._discarded < self._limits.requests:
            self._discarded += 1
            try:
                await arriving.discard(self._limits.bytes)
            finally:
                self._discarded -= 1

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        """One of the requests under way. Raises `HTTPException` where there are too many."""
        if self._under_way >= self._limits.requests:
            text = f"{self._under_way} requests are under way, which is as many as this server takes; come again."
            raise _busy(text)
        self._under_way += 1
        self._metrics.under_way(self._under_way)
        try:
            yield
        finally:
            self._under_way -= 1
            self._metrics.under_way(self._under_way)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """The computing of one picture. Raises `HTTPException` where those before it take too long."""
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._turns.acquire()
        except TimeoutError:
            text = f"Other pictures have kept the server busy for {self._limits.seconds:g} s; come again."
            raise _busy(text) from None
        self._ended = monotonic()
        try:
            yield
        finally:
            self._turns.release()
            self._ended = monotonic()

    def _find(self, detector: Detector, content: bytes, way: Format, name: str) -> tuple[str, list[str]]:
        """The answer and the warnings; in a thread of the pool, in which long answers are written, too."""
        with self._metrics.computing(), told() as warned:
            body.check(content, self._limits)
            found = detector.detect(content)
            self._metrics.found(len(found))
            return way.head + way.write(found, name), warned

    async def info(self, _: Request) -> Response:
        """What answers here."""
        own = self._detector
        return JSONResponse(
            {
                "model": self._name,
                "engine": own.describe(),
                "version": __version__,
                "tile": own.tile,
                "preprocess": to_dict(own.preprocess),
                "decode": to_dict(own.decode),
                "limits": to_dict(self._limits),
                "card": own.engine.card,
            }
        )

    async def health(self, _: Request) -> Response:
        """Whether it should be left running."""
        if self._failures >= FAILURES:
            return JSONResponse({"error": f"The last {self._failures} pictures could not be computed."}, 503)
        if self._turns.locked() and monotonic() - self._ended > STUCK:
            return JSONResponse({"error": f"No picture has been done for {STUCK:g} s."}, 503)
        return JSONResponse({"status": "ok"})

    async def numbers(self, _: Request) -> Response:
        """See `Metrics`."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    async def page(self, _: Request) -> Response:
        """A page to try it, of which nothing is fetched from elsewhere."""
        return HTMLResponse(PAGE.read_text("utf-8"), headers=SAFE)


def _busy(text: str) -> HTTPException:
    return HTTPException(503, text, headers={"Retry-After": "1"})


def _told(error: Exception) -> Response:
    """What the one who asked is told of an error of theirs."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    if isinstance(error, ClientDisconnect):
        return Response(status_code=GONE)
    text = str(error)
    status = 413 if isinstance(error, LimitError) else 422 if isinstance(error, InputError) else 400
    return JSONResponse({"error": text[:1].upper() + text[1:]}, status)


async def _refused(_: Request, error: Exception) -> Response:
    return _told(error)


async def _broken(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"The request could not be answered ({type(error).__name__})."}, 500)

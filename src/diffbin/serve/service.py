"""One detector behind HTTP.

    request -> admission -> its body -> its turn -> detector -> answer

    GET  /          a page to try it
    POST /detect    a picture, as the body or as the file of a form -> its text
    GET  /info      model, engine, settings, limits
    GET  /health    whether it answers
    GET  /metrics   for Prometheus

An error is `{"error": sentence}`: 400 an option is wrong, 408 the picture came too slowly, 413 it is too large, 422 it
cannot be read, 503 too many requests are under way.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from diffbin import __version__
from diffbin.detections import Detections
from diffbin.detector import Detector
from diffbin.errors import ConfigError, InputError, LimitError
from diffbin.formats import FORMATS, Format
from diffbin.plain import to_dict
from diffbin.serve import body
from diffbin.serve.limits import Limits
from diffbin.serve.metrics import CONTENT_TYPE, Metrics
from diffbin.serve.told import told, warnings_told_apart

OPTIONS = ("format", "score", "shape", "name")
GONE = 499  # nobody waits for the answer any more; nginx's number for it
KINDS = {
    ".json": "application/json",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".xml": "application/xml",
    ".hocr": "text/html",
}
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
    return Starlette(
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


@dataclass(frozen=True)
class Asked:
    """How a request wants its answer."""

    way: Format
    changes: dict[str, object]  # of `Decode`

    @classmethod
    def of(cls, request: Request) -> "Asked":
        """From `?format=icdar&score=0.7&shape=polygon`. Raises `ConfigError`."""
        given = dict(request.query_params)
        if len(given) < len(request.query_params.multi_items()):
            raise ConfigError("An option is given twice.")
        if unknown := sorted(set(given) - set(OPTIONS)):
            raise ConfigError(f"There is no option {unknown[0]}; there are {', '.join(OPTIONS)}.")
        format_ = given.get("format", "json")
        if format_ not in FORMATS:
            raise ConfigError(f"format is {format_}; it must be one of {', '.join(FORMATS)}.")
        changes: dict[str, object] = {"shape": given["shape"]} if "shape" in given else {}
        if "score" in given:
            changes["score_threshold"] = _score(given["score"])
        return cls(FORMATS[format_], changes)


def _score(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (score := float(text)) <= 1:
            return score
    raise ConfigError(f"score is {text}; it must be a number from 0 to 1.")


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
        arriving = body.Arriving(request.receive)
        try:
            response = await self._detect(Request(request.scope, arriving.receive))
        except (HTTPException, ClientDisconnect, InputError, ConfigError) as error:
            response = _told(error)
            waits = "expect" in request.headers and not arriving.begun  # to be told to go on
            if not waits and response.status_code != 408:
                await self._discard(arriving)
        except Exception:  # no fault of the one who asks; the server logs it
            self._metrics.answered(500)
            raise
        self._metrics.answered(response.status_code)
        return response

    async def _detect(self, request: Request) -> Response:
        asked = Asked.of(request)
        detector = self._detector.with_decode(**asked.changes)
        with self._admitted():
            name, content = await body.read_picture(request, self._limits)
            async with self._turn():
                if await request.is_disconnected():
                    raise ClientDisconnect
                loop = asyncio.get_running_loop()
                found, warned = await loop.run_in_executor(self._pool, self._find, detector, content)
        self._metrics.found(len(found))
        headers = {"X-Diffbin-Warning": _line(warned)} if warned else {}
        text = asked.way.head + asked.way.write(found, name)
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
        try:
            yield
        finally:
            self._turns.release()

    def _find(self, detector: Detector, content: bytes) -> tuple[Detections, list[str]]:
        """In a thread of the pool."""
        with self._metrics.computing(), told() as warned:
            body.check(content, self._limits)
            return detector.detect(content), warned

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
        """It answers, so it is well."""
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

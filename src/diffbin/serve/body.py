"""The picture that a request brings, and no more than is allowed of it."""

import asyncio
import os
from contextlib import suppress

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Message, Receive

from diffbin.errors import InputError, LimitError
from diffbin.image import header_size
from diffbin.serve.limits import Limits

UNNAMED = "picture"
WHAT = "What was sent"  # in the place of a file's name
LONGEST_PX = 65_535  # of a side, as of JPEG; narrow pictures are padded, and cost more than their pixels
SLOW = tuple(f"P{kind}".encode() for kind in "123456fFyY0")  # PPM and its kin
DISCARDING, IDLE = 3.0, 0.5  # seconds
JPEG, SCAN = b"\xff\xd8", b"\xff\xda"  # where one begins; among coded pixels a byte of 255 is never followed so


async def read_picture(request: Request, limits: Limits) -> tuple[str, bytes]:
    """Name and content of the picture: the body as it is, or the one file of a form.

    Raises `LimitError` as soon as it is too long, `HTTPException` where a form has no file or several, and where it
    takes too long to come.
    """
    try:
        async with asyncio.timeout(limits.seconds):
            return await _read(_limited(request, limits.bytes), limits)
    except TimeoutError:
        told = f"The picture has not come in {limits.seconds:g} s."
        raise HTTPException(408, told, headers={"Connection": "close"}) from None


async def _read(request: Request, limits: Limits) -> tuple[str, bytes]:
    if (coding := request.headers.get("content-encoding", "identity")) != "identity":
        raise HTTPException(415, f"The body is encoded ({coding[:20]}); pictures are small already, send it as it is.")
    kind, details = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        return request.query_params.get("name") or UNNAMED, await request.body()
    if b"charset" in details:  # Python has some that take for ever
        raise HTTPException(400, "A form is in UTF-8; leave the charset out.")
    parser = MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=0)
    parser.spool_max_size = limits.bytes  # nothing goes through the disk
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        told = f"The form cannot be read ({str(error).rstrip('.')})"
        raise HTTPException(400, f"{told}; it brings one file, and options stand in the address.") from None
    try:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                return os.path.basename(part.filename or UNNAMED), await part.read()  # noqa: PTH119  # no path
    finally:
        await form.close()
    raise HTTPException(400, "The form has no file; send one as: curl --form image=@street.jpg")


def _limited(request: Request, most: int) -> Request:
    """The same request, whose body ends with a `LimitError` where it grows too long."""
    told = f"The body of the request has more than {most} bytes, which this server takes."
    announced, received = request.headers.get("content-length", "0"), 0
    if announced.isdecimal() and int(announced) > most:
        raise LimitError(told)

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > most:
            raise LimitError(told)
        return message

    return Request(request.scope, receive)


class Arriving:
    """The messages of a request as they come, and whether its body has come whole."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self.begun, self.whole = receive, False, False

    async def receive(self) -> Message:
        """See ASGI."""
        message = await self._receive()
        self.begun = True
        self.whole = self.whole or not message.get("more_body", False)  # of a client that has gone nothing comes
        return message

    async def discard(self, most: int) -> None:
        """Takes in what is still to come, no more than this many bytes, for no longer than `DISCARDING`, and no more
        once nothing has come for `IDLE`.

        A client that sends all before it reads an answer would find the connection closed instead of its error.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCARDING):
                while not self.whole and most > 0:
                    async with asyncio.timeout(IDLE):
                        most -= len((await self.receive()).get("body", b""))


def check(content: bytes, limits: Limits) -> None:
    """`LimitError` for a picture with too many pixels, or too many passes over them; `InputError` for what is none."""
    if not content:
        raise InputError("The request brings no picture; send one as: curl --data-binary @street.jpg")
    if content.startswith(SLOW):
        raise InputError(f"{WHAT} is a portable bitmap, which takes long to read; send a PNG.")
    height, width = header_size(content, WHAT)
    if max(height, width) > LONGEST_PX:
        raise LimitError(f"{WHAT} has {height} x {width} pixels; this server takes sides of up to {LONGEST_PX}.")
    if height * width > limits.pixels:
        most = f"this server takes pictures of up to {limits.pixels}"
        raise LimitError(f"{WHAT} has {height} x {width} pixels; {most}.")
    if content.startswith(JPEG) and content.count(SCAN) > limits.scans:
        raise LimitError(f"{WHAT} is a JPEG of more than {limits.scans} scans; save it anew, not progressive.")

"""One file from the network: resumed where it broke off, limited, checked by the digest in its name."""

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from diffbin import __version__
from diffbin.errors import ModelError
from diffbin.files import locked

ATTEMPTS, WAIT_S, TIMEOUT_S = 4, 1.0, 30.0  # the wait doubles with each attempt
MOST_ASKED_S = 60  # a server that asks for a longer wait is told of instead
CHUNK_BYTES, MAX_BYTES = 1 << 20, 2 << 30
Progress = Callable[[int, int], None]  # bytes done, and in all (0 = unknown)


def download(url: str, folder: Path, *, digest: str = "", progress: Progress = lambda *_: None) -> Path:
    """Fetches `url` into `folder` under its own name and returns the path; a good file that is there is kept.

    What a broken connection has left is gone on from, within this call and by the next one. Of several processes that
    ask for one file at once, the first fetches it and the others wait. Its SHA-256 sum begins with `digest`, or with
    the digits that stand at the end of the file's name, as `torch.hub` has it. Raises `ModelError`.
    """
    if not url.startswith(("https://", "http://")):
        raise ModelError(f"{url} is not an address of the web.")
    target = folder / url.rsplit("/", 1)[-1]
    if os.path.isfile(target):  # noqa: PTH113  # False where pathlib raises: no permission
        check_digest(target, digest)
        return target
    partial = target.with_name(target.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(target.with_name(target.name + ".lock")):
            if target.is_file():  # another process was faster
                check_digest(target, digest)
                return target
            _fetch_all(url, partial, progress)
            check_digest(partial, digest or digest_of(target), remove=True)
            partial.replace(target)
    except urllib.error.HTTPError as error:
        raise ModelError(f"{url} was refused by its server ({error.code} {error.reason}). {_by_hand(target)}") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise ModelError(f"{url} could not be fetched whole ({reason}). {_by_hand(target)}") from None
    except OSError as error:
        if not os.path.isfile(target):  # noqa: PTH113
            raise ModelError(f"{partial} cannot be written: {error.strerror}.") from None
        check_digest(target, digest)  # as above, on a file system without locks
    except ValueError as error:
        raise ModelError(f"{url} is not an address ({error}).") from None
    return target


def _by_hand(target: Path) -> str:
    return f"Try again later (it goes on where it stopped), or put {target.name} into {target.parent} and repeat this."


def _fetch_all(url: str, partial: Path, progress: Progress) -> None:
    for attempt in range(ATTEMPTS):
        wait_s = WAIT_S * 2**attempt
        try:
            _fetch(url, partial, progress)
            return
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                partial.unlink(missing_ok=True)  # it is of another edition of the file
            elif error.code < 500 and error.code not in (http.client.REQUEST_TIMEOUT, http.client.TOO_MANY_REQUESTS):
                raise
            asked = error.headers.get("Retry-After") or "0"
            wait_s = max(wait_s, int(asked[:9]) if asked.isdecimal() else 0)  # else a date
            if wait_s > MOST_ASKED_S:
                raise
            failure: Exception = error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            failure = error
        if attempt == ATTEMPTS - 1:
            raise failure
        time.sleep(wait_s)


def _fetch(url: str, partial: Path, progress: Progress) -> None:
    """One connection: appends to what is there."""
    done = partial.stat().st_size if partial.exists() else 0
    headers = {"User-Agent": f"diffbin/{__version__}", **({"Range": f"bytes={done}-"} if done else {})}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S) as response:
        if response.status != http.client.PARTIAL_CONTENT:
            done = 0  # the server sends the whole file
        elif not (response.headers.get("Content-Range") or "").startswith(f"bytes {done}-"):
            partial.unlink(missing_ok=True)  # the next attempt asks for the whole file
            raise http.client.HTTPException("the server sent another part of it than was asked for")
        length = response.headers.get("Content-Length") or "0"
        if not length.isdecimal():
            raise http.client.HTTPException(f"the server says that it has {length!r} bytes")
        total = done + int(length)
        with partial.open("ab" if done else "wb") as file:
            while chunk := _read(response):
                done += len(chunk)
                if done > MAX_BYTES:
                    raise ModelError(f"{url} is larger than {MAX_BYTES} bytes; it was not fetched.")
                file.write(chunk)
                progress(done, total)
    if done < total:
        raise http.client.IncompleteRead(b"", total - done)


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK_BYTES)
    except OSError as error:  # as of TLS or of a route; not to be taken for one of the disk
        raise http.client.HTTPException(str(error)) from None


def digest_of(path: Path) -> str:
    """The digits that end a file's name, if any do."""
    match = re.search(r"-([0-9a-f]{8,64})\.\w+$", path.name)
    return match[1] if match else ""


def check_digest(path: Path, wanted: str = "", *, remove: bool = False) -> None:
    """Raises `ModelError` unless the file's SHA-256 sum begins with the digits wanted, or with those of its name."""
    if not (wanted := wanted or digest_of(path)):
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest.startswith(wanted):
        return
    if remove:
        path.unlink()
    fate = "it was removed; fetch it again" if remove else "remove it, and fetch it again"
    raise ModelError(
        f"{path} is damaged or not what its name says: its SHA-256 begins with {digest[:8]}, not {wanted[:8]}; {fate}."
    )

"""How uvicorn is set up: connections that are let go where nothing comes, and what is logged."""

import asyncio
from copy import deepcopy
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.config import LOGGING_CONFIG
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.applications import Starlette

KEPT = 75  # seconds that a connection may rest: load balancers use theirs again within 60, and must find it open


class Prompt(H11Protocol):
    """HTTP/1.1 as of uvicorn, which waits for ever for the first request of a connection, and for the rest of one whose
    head has begun to come; here that may take as long as a connection may rest."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """Goes on waiting until a whole head has come, which ends it, where uvicorn takes any byte for it."""
        self.conn.receive_data(data)
        self.handle_events()


def settings(app: "Starlette", **changes: object) -> uvicorn.Config:
    """For `uvicorn.Server`; `changes` are of `uvicorn.Config`."""
    logs = deepcopy(LOGGING_CONFIG)
    logs["formatters"]["default"]["fmt"] = "%(asctime)s %(levelprefix)s %(message)s"
    logs["loggers"]["diffbin"] = {"handlers": ["default"], "level": "INFO", "propagate": False}
    own = {"http": Prompt, "ws": "none", "timeout_keep_alive": KEPT, "server_header": False, "log_config": logs}
    return uvicorn.Config(app, access_log=False, **{**own, **changes})  # type: ignore[arg-type]

"""How the sandbox's own applications serve: on loopback, quietly, with room for a load test."""

from __future__ import annotations

from typing import Final

import uvicorn
from fastapi import FastAPI

# As nginx has it. A client that pauses and then sends on a connection that is being closed sees a
# reset, and would call it an error of the service.
_KEEP_ALIVE_S: Final = 75


def serve(app: FastAPI, port: int) -> None:
    """Until it is stopped."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        backlog=1024,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )

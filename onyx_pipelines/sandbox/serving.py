"""How the sandbox's own applications serve: on loopback, quietly, with room for a load test."""

from __future__ import annotations

from typing import Final

import uvicorn
from starlette.applications import Starlette

# As nginx has it. A client that pauses and then sends on a connection that is being closed sees a
# reset, and would call it an error of the service.
_KEEP_ALIVE_S: Final = 75
# For requests under way when it is stopped.
_ENDS_WITHIN_S: Final = 1


def serve(app: Starlette, port: int) -> None:
    """Until it is stopped."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        backlog=1024,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_ENDS_WITHIN_S,
    )

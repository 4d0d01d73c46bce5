"""The server of the API: uvicorn with our limits on connections."""

from __future__ import annotations

import uvicorn
from starlette.types import ASGIApp

from onyx_pipelines.api.connections import Limits, limited

_KEEP_ALIVE_S = 10


def server_of(
    app: ASGIApp, *, host: str, port: int, limits: Limits | None = None
) -> uvicorn.Server:
    """Listens when it is run."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            # The application decides whom it believes.
            proxy_headers=False,
            server_header=False,
            http=limited(limits or Limits.of_this_process()),
            ws="none",
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
    )

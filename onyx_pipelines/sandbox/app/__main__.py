"""`python -m onyx_pipelines.sandbox.app`: serves on loopback, told by SANDBOX_APP_* variables."""

from __future__ import annotations

import uvicorn

from onyx_pipelines.sandbox.app.configuration import AppSettings
from onyx_pipelines.sandbox.app.web import create_app


def main() -> None:
    """Serve until it is stopped."""
    settings = AppSettings()
    uvicorn.run(
        create_app(settings),
        host="127.0.0.1",
        port=settings.port,
        log_level="warning",
        access_log=False,
        backlog=1024,
    )


if __name__ == "__main__":
    main()

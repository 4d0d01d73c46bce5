"""`python -m onyx_pipelines.sandbox.app`: serves on loopback, told by SANDBOX_APP_* variables."""

from __future__ import annotations

from onyx_pipelines.sandbox.app.configuration import AppSettings
from onyx_pipelines.sandbox.app.web import create_app
from onyx_pipelines.sandbox.serving import serve


def main() -> None:
    """Serve until it is stopped."""
    settings = AppSettings()
    serve(create_app(settings), settings.port)


if __name__ == "__main__":
    main()

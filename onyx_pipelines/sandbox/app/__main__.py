"""`python -m onyx_pipelines.sandbox.app`: serves on loopback, told by SANDBOX_APP_* variables, and
where errors go by ONYX_SENTRY_*."""

from __future__ import annotations

import logging

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.errors.tracking import start_error_tracking, web_integrations
from onyx_pipelines.sandbox.app.configuration import AppSettings
from onyx_pipelines.sandbox.app.web import create_app
from onyx_pipelines.sandbox.serving import serve

# As Prometheus calls what it stands in for.
SERVICE = "onyx"
VERSION = "1.4.2"


def main() -> None:
    """Serve until it is stopped."""
    settings = AppSettings()
    tracked = load_settings()
    # Calls of other services are what an error tells of the time before it.
    logging.getLogger("httpx").setLevel(logging.INFO)
    secrets = (settings.pg_password, settings.llm_key)
    start_error_tracking(
        tracked,
        SERVICE,
        version=VERSION,
        integrations=web_integrations(tracked),
        secrets=filter(None, (each.get_secret_value() for each in secrets)),
    )
    serve(create_app(settings), settings.port)


if __name__ == "__main__":
    main()

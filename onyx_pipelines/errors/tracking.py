"""Switches error tracking on in a process: ours, and any Python service of the stack.

The SDK is loaded here and nowhere else, and only where a DSN is set.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from onyx_pipelines import __version__
from onyx_pipelines.core.process_log import secret_values
from onyx_pipelines.core.settings import ErrorSettings, Settings, load_stacks
from onyx_pipelines.errors.delivery import Delivery
from onyx_pipelines.errors.endpoint import endpoint_of
from onyx_pipelines.errors.spool import Spool
from onyx_pipelines.errors.system import System

if TYPE_CHECKING:
    from sentry_sdk.integrations import Integration

_BREADCRUMBS: Final = 30
_FLUSH_S: Final = 2
# What they log is told otherwise (people, the sensor of failed runs), or is of tracking itself.
_NOT_FROM_LOGS: Final = ("onyx.notify", "onyx.errors", "dagster", "dagster.*")


def start_error_tracking(
    settings: ErrorSettings,
    service: str,
    *,
    version: str = "",
    integrations: Sequence[Integration] = (),
    secrets: Iterable[str] = (),
) -> bool:
    """Report what this process fails at: uncaught exceptions, also of threads, and what it logs as
    an error. False: no DSN is set, and nothing happens.

    Args:
        service: its name, as in Prometheus.
        version: of the service; "": of onyx-pipelines.
        integrations: of its framework, e.g. `web_integrations(settings)`.
        secrets: values that this process knows, which never leave whatever they look like.

    Raises:
        SettingsError: the DSN is none.
    """
    if not settings.sentry_dsn.get_secret_value():
        return False
    endpoint = endpoint_of(settings.sentry_dsn)
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
    from sentry_sdk.integrations.threading import ThreadingIntegration

    from onyx_pipelines.errors.sdk_scrubbing import ScrubbingOfSdk
    from onyx_pipelines.errors.transport import SpoolTransport

    spool = Spool.of(settings)
    delivery = Delivery(spool, endpoint)
    for name in _NOT_FROM_LOGS:
        ignore_logger(name)
    scrubbing = ScrubbingOfSdk(settings, System(service, version or __version__), secrets)
    sentry_sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        transport=SpoolTransport(spool, delivery),
        environment=settings.sentry_environment,
        release=settings.sentry_release or f"onyx-pipelines@{__version__}",
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            AtexitIntegration(callback=lambda *_: None),
            DedupeIntegration(),
            ExcepthookIntegration(),
            LoggingIntegration(level=logging.INFO, event_level=logging.ERROR),
            ThreadingIntegration(),
            *integrations,
        ],
        event_scrubber=scrubbing,
        before_send=scrubbing.before_send,
        # Neither is made, and neither would pass the scrubber.
        before_send_transaction=lambda *_: None,
        enable_logs=False,
        # Locals hold what users wrote. Lines of source are added by the scrubber (`source_lines`):
        # the SDK reads each file again for each frame of each error.
        include_local_variables=False,
        include_source_context=False,
        send_default_pii=False,
        max_request_body_size="never",
        max_breadcrumbs=_BREADCRUMBS,
        auto_session_tracking=False,
        send_client_reports=False,
        propagate_traces=False,
        spotlight=False,
        debug=False,
        shutdown_timeout=_FLUSH_S,
    )
    # What an earlier process left.
    delivery.wake()
    return True


def start_own_error_tracking(settings: Settings, service: str, **given: Any) -> bool:
    """In a process of onyx-pipelines itself, whose settings' secrets never leave."""
    return start_error_tracking(settings, service, secrets=secret_values(settings), **given)


def report_own_error(error: BaseException, service: str) -> None:
    """Of a process of onyx-pipelines that ends with it: it waits a little for the tracker.

    Raises:
        SettingsError: the settings are not valid, or the DSN is none.
    """
    if start_own_error_tracking(load_stacks()[0], service):
        import sentry_sdk

        sentry_sdk.capture_exception(error)
        sentry_sdk.flush(_FLUSH_S)


def web_integrations(settings: ErrorSettings) -> list[Integration]:
    """For a service of FastAPI or Starlette: requests that fail, without the statuses that do not
    count."""
    from sentry_sdk.integrations.fastapi import FastApiIntegration
    from sentry_sdk.integrations.starlette import StarletteIntegration

    failing = {*range(500, 600)}.difference(settings.ignored_statuses)
    return [
        kind(transaction_style="endpoint", failed_request_status_codes=failing)
        for kind in (StarletteIntegration, FastApiIntegration)
    ]


def identify(*, user_id: str = "", session_id: str = "") -> None:
    """Whose request this is, for the events of it; they leave as pseudonyms."""
    sdk = sys.modules.get("sentry_sdk")
    if sdk is not None:
        sdk.set_user({"id": user_id or None, "session_id": session_id or None})

"""Delivers what waits when a person asks for it, and says what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from onyx_pipelines.core.errors import OnyxError, SettingsError
from onyx_pipelines.core.settings import ErrorSettings
from onyx_pipelines.core.text import duration_text
from onyx_pipelines.errors.delivery import Connection, Pass, deliver
from onyx_pipelines.errors.endpoint import Endpoint, endpoint_of
from onyx_pipelines.errors.spool import Spool


@dataclass(frozen=True)
class Delivered:
    """Counts of events. `why`: the rest waits; "": nothing does."""

    delivered: int
    refused: int
    waiting: int
    why: str


def where_to(settings: ErrorSettings) -> str:
    """The tracker's host and port.

    Raises:
        SettingsError: there is none, or the DSN is none.
    """
    endpoint = _endpoint(settings)
    return f"{endpoint.host}:{endpoint.port}"


def deliver_now(settings: ErrorSettings) -> Delivered:
    """All that waits, also of processes that run; until the tracker takes no more.

    Raises:
        SettingsError: there is no tracker, or the DSN is none.
        OnyxError: the spool cannot be read or written.
    """
    endpoint, spool = _endpoint(settings), Spool.of(settings)
    delivered, refused, why = 0, 0, ""
    try:
        with Connection(endpoint) as connection:
            while True:
                found = deliver(spool, connection.post)
                delivered += found.delivered if found else 0
                refused += found.refused if found else 0
                why = _why_not(found)
                if why or not found or found.is_done:
                    break
    except OSError as error:
        raise OnyxError(
            f"The spool {spool.folder} cannot be read or written ({type(error).__name__}).",
            remedy="See whether it is this user's, and whether the disk is full.",
        ) from None
    return Delivered(delivered, refused, spool.status().waiting, why)


def _endpoint(settings: ErrorSettings) -> Endpoint:
    if not settings.sentry_dsn.get_secret_value():
        raise SettingsError(
            "No error tracker is configured.", remedy="Set ONYX_SENTRY_DSN_FILE (docs/errors.md)."
        )
    return endpoint_of(settings.sentry_dsn)


def _why_not(found: Pass | None) -> str:
    if found is None:
        return "another process delivers at this moment"
    if found.failed:
        return found.failed
    return f"the tracker asks to wait {duration_text(found.wait_s)}" if found.wait_s else ""

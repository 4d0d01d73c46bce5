"""Reports what was put together by hand (no exception of this process): scrubbed as all events are,
and kept in the same spool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onyx_pipelines.core.process_log import secret_values
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.errors.context import with_context
from onyx_pipelines.errors.delivery import Connection, deliver
from onyx_pipelines.errors.endpoint import endpoint_of
from onyx_pipelines.errors.envelope import Kind, envelope_of, id_of
from onyx_pipelines.errors.scrubbing import Scrubber
from onyx_pipelines.errors.spool import Spool
from onyx_pipelines.errors.system import System


class Reporter:
    """For one stack, whose DSN is set.

    Args:
        service: that reports.

    Raises:
        SettingsError: the DSN is none.
    """

    def __init__(self, settings: Settings, system: System) -> None:
        self._system = system
        self._endpoint = endpoint_of(settings.sentry_dsn)
        self._spool = Spool.of(settings)
        self._scrub = Scrubber(
            pseudonym_key=settings.error_pseudonym_key.get_secret_value(),
            secrets=secret_values(settings),
        )

    def event(self, event: Mapping[str, Any], session: str) -> None:
        """Keep it for the tracker. Raises OSError: it cannot be written.

        Args:
            session: what it belongs to, a run's id; it leaves as a pseudonym.
        """
        self._keep(with_context(dict(event), self._system.context(), session), "event")

    def check_in(self, item: Mapping[str, Any]) -> None:
        """Keep it for the tracker. Raises OSError: it cannot be written."""
        self._keep(item, "check_in")

    def deliver(self) -> int:
        """What waits, also of other processes that have ended; gives how many were taken. Raises
        OSError: the spool cannot be read or written."""
        with Connection(self._endpoint) as connection:
            found = deliver(self._spool, connection.post)
        return found.delivered if found else 0

    def _keep(self, item: Mapping[str, Any], kind: Kind) -> None:
        scrubbed = self._scrub(item)
        self._spool.put(id_of(scrubbed), envelope_of(scrubbed, kind))

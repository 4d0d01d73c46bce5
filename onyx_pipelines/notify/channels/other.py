"""Any other messenger, by the addresses of apprise (github.com/caronc/apprise/wiki)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from pydantic import SecretStr

from onyx_pipelines.notify.channels.channel import DeliveryError, body_lines, headline
from onyx_pipelines.notify.event import Event, Outcome
from onyx_pipelines.notify.routing import Routes

_KINDS: Final = {
    Outcome.STARTED: "info",
    Outcome.SUCCEEDED: "success",
    Outcome.FAILED: "failure",
    Outcome.RECOVERED: "success",
    Outcome.CANCELLED: "warning",
    Outcome.MISSED: "warning",
}


class OtherChannel:
    """One address is one channel, so that one that fails is tried again alone. Addresses hold
    tokens: none stands in an error, and apprise's own log, which would name them, is silenced."""

    is_paced = True

    def __init__(self, address: SecretStr, routes: Routes, *, number: int = 1) -> None:
        scheme = address.get_secret_value().partition("://")[0].strip().lower()
        self.name = f"{scheme} {number}" if scheme.isidentifier() else f"other {number}"
        self._address = address
        self._routes = routes

    def wants(self, event: Event) -> bool:
        return self._routes.wants(event)

    def send(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError."""
        messenger = self._messenger()
        sent = messenger.notify(
            title=headline(events),
            body="\n".join(body_lines(events)),
            notify_type=_KINDS[events[-1].outcome],
        )
        if not sent:
            raise DeliveryError(f"{self.name} did not take it.", transient=True)

    def _messenger(self) -> Any:
        # Takes a quarter of a second to import, which only who uses it should pay.
        import apprise

        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        messenger = apprise.Apprise()
        if not messenger.add(self._address.get_secret_value()):
            raise DeliveryError(
                f"ONYX_NOTIFY_URLS: the address of {self.name} is none that apprise knows.",
                transient=False,
            )
        return messenger

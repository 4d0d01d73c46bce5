"""Any other messenger, by the addresses of apprise (github.com/caronc/apprise/wiki)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from pydantic import SecretStr

from onyx_pipelines.notify.channels import apprise_process
from onyx_pipelines.notify.channels.channel import DeliveryError, body_lines
from onyx_pipelines.notify.event import Event, Outcome
from onyx_pipelines.notify.exchange import too_slow
from onyx_pipelines.notify.headline import headline
from onyx_pipelines.notify.pacing import FOR_PEOPLE, Pace
from onyx_pipelines.notify.routing import Routes

_LIMIT_S: Final = 30.0
_KINDS: Final = {
    Outcome.STARTED: "info",
    Outcome.SUCCEEDED: "success",
    Outcome.FAILED: "failure",
    Outcome.RECOVERED: "success",
    Outcome.CANCELLED: "warning",
    Outcome.WARNED: "warning",
    Outcome.MISSED: "warning",
    Outcome.REPORTED: "info",
}


class OtherChannel:
    """One address is one channel, so that one that fails is tried again alone. Addresses hold
    tokens: none stands in an error."""

    pace: Pace | None = FOR_PEOPLE

    def __init__(
        self,
        address: SecretStr,
        routes: Routes,
        *,
        number: int = 1,
        limit_s: float = _LIMIT_S,
    ) -> None:
        scheme = address.get_secret_value().partition("://")[0].strip().lower()
        self.name = f"{scheme} {number}" if scheme.isidentifier() else f"other {number}"
        self._address = address
        self._routes = routes
        self._limit_s = limit_s

    def wants(self, event: Event) -> bool:
        return self._routes.wants(event)

    def send(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError."""
        # By standard input: an argument would be seen by every user of the host.
        told = {
            "address": self._address.get_secret_value(),
            "title": headline(events),
            "body": "\n".join(body_lines(events)),
            "type": _KINDS[events[-1].outcome],
        }
        try:
            done = subprocess.run(
                [sys.executable, "-m", apprise_process.__name__],
                input=json.dumps(told).encode(),
                capture_output=True,
                timeout=self._limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise too_slow(self.name, self._limit_s) from None
        if done.returncode == apprise_process.UNKNOWN_ADDRESS:
            raise DeliveryError(
                f"ONYX_NOTIFY_URLS: the address of {self.name} is none that apprise knows.",
                transient=False,
            )
        if done.returncode != apprise_process.SENT:
            raise DeliveryError(f"{self.name} did not take it.", transient=True)

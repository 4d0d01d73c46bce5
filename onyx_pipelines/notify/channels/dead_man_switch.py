"""Pings whoever waits for them: silence is what alarms (Healthchecks' protocol)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import httpx
from pydantic import SecretStr

from onyx_pipelines.notify.channels.channel import DeliveryError
from onyx_pipelines.notify.event import Event, Outcome

_TIMEOUT_S: Final = 10.0
_LONGEST_BODY: Final = 10_000
_SUFFIX: Final = {
    Outcome.STARTED: "/start",
    Outcome.SUCCEEDED: "",
    Outcome.RECOVERED: "",
    Outcome.FAILED: "/fail",
}


class DeadManSwitch:
    """A URL per job; who knows it can feign a success, so it is a secret."""

    name = "dead man's switch"
    # A ping that is held back is a false alarm.
    is_paced = False

    def __init__(self, urls: Mapping[str, SecretStr]) -> None:
        self._urls = dict(urls)

    def wants(self, event: Event) -> bool:
        return event.job in self._urls and event.outcome in _SUFFIX

    def send(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError."""
        newest = events[-1]
        url = self._urls[newest.job].get_secret_value().rstrip("/") + _SUFFIX[newest.outcome]
        body = f"{newest.subject}\n{newest.summary}"[:_LONGEST_BODY]
        try:
            with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
                answer = client.post(url, content=body.encode())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DeliveryError(
                f"It does not answer ({type(error).__name__}).", transient=True
            ) from None
        if not answer.is_success:
            raise DeliveryError(
                f"It answered {answer.status_code}.",
                transient=answer.is_server_error
                or answer.status_code == httpx.codes.TOO_MANY_REQUESTS,
            )

"""Pings whoever waits for them: silence is what alarms (Healthchecks' protocol)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import SecretStr

from onyx_pipelines.notify.channels.channel import DeliveryError
from onyx_pipelines.notify.event import Event, Outcome
from onyx_pipelines.notify.exchange import post

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
    pace = None

    def __init__(self, urls: Mapping[str, SecretStr]) -> None:
        self._urls = dict(urls)

    def wants(self, event: Event) -> bool:
        return event.job in self._urls and event.outcome in _SUFFIX

    def send(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError."""
        newest = events[-1]
        url = self._urls[newest.job].get_secret_value().rstrip("/") + _SUFFIX[newest.outcome]
        body = f"{newest.subject}\n{newest.summary}"[:_LONGEST_BODY]
        answer = post("It", url, body.encode())
        if not answer.is_success:
            raise DeliveryError(
                f"It answered {answer.status}.",
                transient=answer.may_take_it_later,
                retry_after_s=answer.retry_after_s,
            )

"""Slack's incoming webhooks: one message of blocks (docs.slack.dev/messaging, Block Kit)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from pydantic import SecretStr

from onyx_pipelines.notify.channels.channel import DeliveryError, headline
from onyx_pipelines.notify.event import Event
from onyx_pipelines.notify.exchange import post
from onyx_pipelines.notify.routing import Routes

# Slack refuses what is longer.
_HEADER: Final = 150
_SECTION: Final = 2900
_FIELD: Final = 1900
_FIELDS: Final = 10
_LIMIT_S: Final = 15.0


class SlackChannel:
    """Whoever has the address may post, so it is a secret and stands in no error."""

    name = "slack"
    is_paced = True

    def __init__(
        self, webhook_url: SecretStr, routes: Routes, *, limit_s: float = _LIMIT_S
    ) -> None:
        self._url = webhook_url
        self._limit_s = limit_s
        self._routes = routes

    def wants(self, event: Event) -> bool:
        return self._routes.wants(event)

    def send(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError."""
        body = json.dumps(message(events)).encode()
        url = self._url.get_secret_value()
        answer = post("Slack", url, body, media_type="application/json", limit_s=self._limit_s)
        if not answer.is_success:
            raise DeliveryError(
                f"Slack answered {answer.status} ({answer.text[:60]}).",
                transient=answer.may_take_it_later,
                retry_after_s=answer.retry_after_s,
            )


def message(events: Sequence[Event]) -> dict[str, Any]:
    """The newest event's facts, and how many there were of its kind."""
    newest = events[-1]
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": _cut(headline(events), _HEADER), "emoji": True},
        },
        _section(_escaped(newest.summary)),
    ]
    facts = [
        {"type": "mrkdwn", "text": _cut(f"*{_escaped(str(name))}*\n{_escaped(str(value))}", _FIELD)}
        for name, value in newest.details.items()
    ]
    if facts:
        blocks.append({"type": "section", "fields": facts[:_FIELDS]})
    links = [f"<{_escaped(url)}|{_escaped(name)}>" for name, url in newest.links.items()]
    if newest.playbook:
        links.append(f"<{_escaped(newest.playbook)}|what to do>")
    if links:
        blocks.append(_section(" · ".join(links)))
    when = f"{newest.occurred_at:%Y-%m-%d %H:%M:%S} UTC, run {newest.run_id or 'none'}"
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": _escaped(when)}]})
    return {"text": _cut(headline(events), _SECTION), "blocks": blocks}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text or "-", _SECTION)}}


def _escaped(text: str) -> str:
    """What Slack would take for markup or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 12] + " … (cut off)"

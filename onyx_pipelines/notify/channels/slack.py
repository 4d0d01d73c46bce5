"""Slack's incoming webhooks: one message of blocks (docs.slack.dev/messaging, Block Kit).

All text is `plain_text`, where only `&`, `<` and `>` mean something: mrkdwn knows no escape for
`*`, `_`, `~` and backticks, so names in it would be styled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate, takewhile
from typing import Any, Final
from urllib.parse import quote

from pydantic import SecretStr

from onyx_pipelines.core.text import second_text
from onyx_pipelines.notify.channels.channel import DeliveryError
from onyx_pipelines.notify.event import Event
from onyx_pipelines.notify.exchange import post
from onyx_pipelines.notify.headline import headline
from onyx_pipelines.notify.pacing import FOR_PEOPLE, Pace
from onyx_pipelines.notify.routing import Routes

# Slack refuses what is longer.
_HEADER: Final = 150
_SECTION: Final = 2900
_FIELD: Final = 1900
_FIELDS: Final = 10
_SECTIONS: Final = 10
_LINK_NAME: Final = 60
_BETWEEN_LINKS: Final = " · "
_CUT_OFF: Final = " … (cut off)"
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ENDS_ADDRESS: Final = frozenset("|<> \n")
_LIMIT_S: Final = 15.0


class SlackChannel:
    """Whoever has the address may post, so it is a secret and stands in no error."""

    name = "slack"
    pace: Pace | None = FOR_PEOPLE

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
        {"type": "header", "text": _plain(headline(events), _HEADER)},
        {"type": "section", "text": _plain(newest.summary or "-", _SECTION)},
    ]
    for heading, text in list(newest.sections.items())[:_SECTIONS]:
        blocks.append({"type": "section", "text": _plain(f"{heading}:\n{text}", _SECTION)})
    facts = [_plain(f"{name}:\n{value}", _FIELD) for name, value in newest.details.items()]
    if facts:
        blocks.append({"type": "section", "fields": facts[:_FIELDS]})
    playbook = {"what to do": newest.playbook} if newest.playbook else {}
    if links := _links({**newest.links, **playbook}):
        blocks.append({"type": "section", "text": links})
    when = second_text(newest.occurred_at) + (f", run {newest.run_id}" if newest.run_id else "")
    blocks.append({"type": "context", "elements": [_plain(when, _FIELD)]})
    # What a notification shows. Slack would read it as mrkdwn.
    return {"text": _escaped(headline(events), _SECTION), "mrkdwn": False, "blocks": blocks}


def _plain(text: str, limit: int) -> dict[str, Any]:
    """`emoji`: whether `:name:` becomes one."""
    return {"type": "plain_text", "text": _escaped(text, limit), "emoji": False}


def _links(links: Mapping[str, str]) -> dict[str, Any] | None:
    """The only text with markup, of addresses and names that are ours. What has no room is left
    out: half an address leads nowhere."""
    found = [f"<{_address(url)}|{_escaped(name, _LINK_NAME)}>" for name, url in links.items()]
    lengths = accumulate(len(each) + len(_BETWEEN_LINKS) for each in found)
    fitting = [each for each, length in zip(found, lengths, strict=True) if length <= _SECTION]
    if not fitting:
        return None
    return {"type": "mrkdwn", "text": _BETWEEN_LINKS.join(fitting), "verbatim": True}


def _address(url: str) -> str:
    """Without what would end it."""
    return "".join(
        quote(each) if each in _ENDS_ADDRESS else _ESCAPES.get(each, each) for each in url
    )


def _escaped(text: str, limit: int) -> str:
    """What mentions and links nothing, no longer than `limit`, no escape cut in two."""
    pieces = [_ESCAPES.get(char, char) for char in text]
    if sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    lengths = accumulate(map(len, pieces))
    fitting = takewhile(lambda length: length <= limit - len(_CUT_OFF), lengths)
    return "".join(pieces[: sum(1 for _ in fitting)]) + _CUT_OFF

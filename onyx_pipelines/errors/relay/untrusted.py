"""Reading JSON that others sent: a text is one line, a moment has a zone, a link is one
of the web. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from onyx_pipelines.core.text import printable
from onyx_pipelines.errors.relay.signal import MessageError

# Longer than what is kept once secrets are taken out: half of one looks like none.
_LONGEST: Final = 16_000
_LONGEST_LINK: Final = 2000
_REMEDY: Final = "See docs/errors.md for what the tracker must be told."


def mapping_of(body: bytes) -> Mapping[str, Any]:
    """Raises MessageError: it is no JSON object."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise MessageError("A webhook's message is no JSON object.", remedy=_REMEDY)
    return found


def part(message: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """What is inside, by one name after the other; nothing where one is missing."""
    found: Any = message
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def items(message: Mapping[str, Any], name: str) -> Sequence[Any]:
    """Of a list; none where it is none."""
    found = message.get(name)
    return found if isinstance(found, list) else ()


def text(message: Mapping[str, Any], *names: str) -> str:
    """The first that is there and not empty; numbers as they are written."""
    for name in names:
        value = message.get(name)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value):
            return printable(" ".join(str(value)[:_LONGEST].split()))
    return ""


def required(message: Mapping[str, Any], *names: str) -> str:
    """Raises MessageError: none of them is there."""
    found = text(message, *names)
    if not found:
        raise MessageError(f"A webhook's message has no {names[0]}.", remedy=_REMEDY)
    return found


def number(message: Mapping[str, Any], name: str) -> int:
    """Not negative; 0 where it is none."""
    value = message.get(name)
    try:
        return min(max(0, int(value)), 10**12) if isinstance(value, (str, int)) else 0
    except ValueError:
        return 0


def moment(message: Mapping[str, Any], name: str, otherwise: datetime) -> datetime:
    """In ISO 8601, or seconds since 1970; one that is none or ahead is `otherwise`."""
    value = message.get(name)
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        else:
            found = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return otherwise
    return min(found if found.tzinfo else found.replace(tzinfo=UTC), otherwise)


def link(message: Mapping[str, Any], *names: str) -> str:
    """An address of the web, without a password; "" where it is none."""
    for name in names:
        value = message.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_LINK:
            continue
        try:
            address = urlsplit(value)
        except ValueError:
            continue
        if address.scheme in {"http", "https"} and address.hostname and "@" not in address.netloc:
            return value
    return ""

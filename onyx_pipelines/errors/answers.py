"""What a tracker's answer means for the event that was sent, and for those that wait. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from onyx_pipelines.core.retry_after import LONGEST_ASKED_S, asked_wait_s

_LIMITS: Final = "x-sentry-rate-limits"
_OURS: Final = frozenset({"error", "default", ""})
_WHEN_NOTHING_IS_SAID_S: Final = 60.0
# What is wrong with an event itself; what is wrong with the key or the address can be mended.
_REFUSALS: Final = frozenset({400, 413, 415, 422})
# Bugsink, of an event that is sent again because its first answer was lost.
_KNOWN: Final = b"already exists"


class Fate(Enum):
    """Of one event. Refused: perhaps; a tracker that refuses everything is ill."""

    TAKEN = "taken"
    REFUSED = "refused"
    LATER = "later"


@dataclass(frozen=True)
class Ruling:
    """`wait_s`: before anything else is sent; 0: it goes on."""

    fate: Fate
    wait_s: float = 0.0


def ruling(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Ruling:
    """Args:
    headers: by their names in lower case.
    body: the beginning of it.
    """
    limited_s = limit_s(headers.get(_LIMITS, ""))
    if 200 <= status < 300:
        return Ruling(Fate.TAKEN if _is_of_a_tracker(body) else Fate.LATER, limited_s)
    if status == 400 and _KNOWN in body:
        return Ruling(Fate.TAKEN, limited_s)
    if status == 429:
        asked_s = asked_wait_s(headers.get("retry-after", ""), now)
        return Ruling(Fate.LATER, limited_s or asked_s or _WHEN_NOTHING_IS_SAID_S)
    return Ruling(Fate.REFUSED if status in _REFUSALS else Fate.LATER, limited_s)


def limit_s(header: str) -> float:
    """For how long no error may be sent: `60:error;default:key, 86400:transaction:organization`.
    One of other categories is none of ours, and what cannot be read is none."""
    longest = 0.0
    for each in header.split(","):
        seconds, _, rest = each.strip().partition(":")
        categories = rest.partition(":")[0].split(";")
        if seconds.isdecimal() and _OURS.intersection(categories):
            longest = max(longest, min(float(seconds), LONGEST_ASKED_S))
    return longest


def _is_of_a_tracker(body: bytes) -> bool:
    """Trackers answer with the event's id, or with nothing; whoever stands before one (a proxy, a
    page to sign in) may answer 200 with anything."""
    if not body.strip():
        return True
    try:
        return isinstance(json.loads(body.decode(errors="replace")), dict)
    except (ValueError, RecursionError):  # the second: nested as no tracker's is
        return False

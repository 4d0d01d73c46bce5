"""When a message is tried again, and when it is given up. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_FIRST_S: Final = 30.0
_LONGEST_S: Final = 900.0
# What a server asks for at most: a message waits no longer for one answer.
LONGEST_ASKED_S: Final = 3600.0
GIVE_UP_AFTER_S: Final = 24 * 3600.0
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def next_try_s(attempts: int, retry_after_s: float | None = None) -> float:
    """Seconds until the next try after so many failed ones; at least what the channel asked for."""
    wait: float = min(_LONGEST_S, _FIRST_S * 2 ** min(attempts - 1, 10))
    return max(wait, min(retry_after_s or 0.0, LONGEST_ASKED_S))


def asked_wait_s(header: str, now: datetime) -> float | None:
    """What `Retry-After` asks for: seconds, or a date; None where it is neither (RFC 9110)."""
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_ASKED_S)
    try:
        at = parsedate_to_datetime(text)
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return min(max(seconds, 0.0), LONGEST_ASKED_S)

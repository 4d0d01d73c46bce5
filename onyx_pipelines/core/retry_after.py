"""What a server asks for in `Retry-After`. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

# Whatever it asks for.
LONGEST_ASKED_S: Final = 3600.0
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def asked_wait_s(header: str, now: datetime) -> float | None:
    """What `Retry-After` asks for: seconds, or a date; None where it is neither (RFC 9110)."""
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_ASKED_S)
    at = moment_in(text)
    if at is None:
        return None
    return min(max((at - now).total_seconds(), 0.0), LONGEST_ASKED_S)


def moment_in(header: str) -> datetime | None:
    """The date that a header has; None where it has none."""
    try:
        at = parsedate_to_datetime(header)
        return at.replace(tzinfo=at.tzinfo or UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None

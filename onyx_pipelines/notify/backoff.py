"""When a message is tried again, and when it is given up. Pure."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.core.retry_after import LONGEST_ASKED_S

FIRST_S: Final = 30.0
_LONGEST_S: Final = 900.0
GIVE_UP_AFTER_S: Final = 24 * 3600.0


def next_try_s(
    attempts: int, retry_after_s: float | None = None, first_s: float = FIRST_S
) -> float:
    """Seconds until the next try after so many failed ones; at least what the channel asked for."""
    wait: float = min(_LONGEST_S, first_s * 2 ** min(attempts - 1, 10))
    return max(wait, min(retry_after_s or 0.0, LONGEST_ASKED_S))

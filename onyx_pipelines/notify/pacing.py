"""How often a channel may be told, so that a bad night is some messages and not hundreds. Pure.

What may not be sent yet waits, and is told together with what follows of its job and outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# A failure reaches people within five minutes, also one that waits for the one before.
SAME_KIND_EVERY: Final = timedelta(minutes=4)
WINDOW: Final = timedelta(minutes=1)
PER_WINDOW: Final = 6


@dataclass(frozen=True)
class Sent:
    """One message: when, and of which job and outcome (`job/outcome`)."""

    at: datetime
    kind: str


def may_send(sent: Sequence[Sent], kind: str, now: datetime) -> bool:
    """A clock that went back counts as no time passed, and never blocks for longer than that."""
    recent = [each for each in sent if now - WINDOW < each.at <= now]
    same = [each for each in sent if each.kind == kind and now - SAME_KIND_EVERY < each.at <= now]
    return len(recent) < PER_WINDOW and not same


def remembered(sent: Sequence[Sent], now: datetime) -> list[Sent]:
    """What was sent so recently that it still holds something back."""
    return [each for each in sent if now - SAME_KIND_EVERY < each.at <= now]

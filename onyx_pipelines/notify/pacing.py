"""How often a channel may be told, so that a bad night is some messages and not hundreds. Pure.

What may not be sent yet waits, and is told together with what follows of its kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from onyx_pipelines.notify.backoff import FIRST_S

# A failure reaches people within five minutes, also one that waits for the one before.
SAME_KIND_EVERY: Final = timedelta(minutes=4)
WINDOW: Final = timedelta(minutes=1)
PER_WINDOW: Final = 6


@dataclass(frozen=True)
class Pace:
    """How often one channel is told.

    Args:
        same_kind_every: between two messages of one kind.
        per_window: messages of all kinds within `WINDOW`.
        rolls_up: the last message of a window lists whatever would have to wait for the next.
        first_retry_s: after a try that failed; doubled each time.
    """

    same_kind_every: timedelta = SAME_KIND_EVERY
    per_window: int = PER_WINDOW
    rolls_up: bool = False
    first_retry_s: float = FIRST_S


FOR_PEOPLE: Final = Pace()


@dataclass(frozen=True)
class Sent:
    """One message: when, and of which kind (`Event.kind`)."""

    at: datetime
    kind: str


def messages(
    kinds: Sequence[str], sent: Sequence[Sent], now: datetime, pace: Pace
) -> list[tuple[str, ...]]:
    """What may be sent now: the kinds of each message, in their order. A clock that went back
    counts as no time passed, and never blocks for longer than that."""
    recent = [each for each in sent if now - WINDOW < each.at <= now]
    just_told = {each.kind for each in sent if now - pace.same_kind_every < each.at <= now}
    due = [kind for kind in kinds if kind not in just_told]
    room = max(0, pace.per_window - len(recent))
    if not (pace.rolls_up and room and len(due) > room):
        return [(kind,) for kind in due[:room]]
    return [*((kind,) for kind in due[: room - 1]), tuple(due[room - 1 :])]


def remembered(sent: Sequence[Sent], now: datetime, pace: Pace) -> list[Sent]:
    """What was sent so recently that it still holds something back."""
    longest = max(pace.same_kind_every, WINDOW)
    return [each for each in sent if now - longest < each.at <= now]

"""What a bad night would make too many messages of, as one: a line for each kind, the worst first.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from onyx_pipelines.core.text import count_text, shortened
from onyx_pipelines.notify.event import Event, Outcome
from onyx_pipelines.notify.headline import headline

_MOST_LINES: Final = 20
_LINE: Final = 120


def urgency(event: Event) -> int:
    """0 is told first."""
    if event.outcome in {Outcome.FAILED, Outcome.MISSED}:
        return 0
    return 1 if event.is_bad else 2


def rolled_up(groups: Sequence[Sequence[Event]]) -> Event:
    """Args:
    groups: at least one; each of one kind, oldest first.
    """
    worst_first = sorted(groups, key=lambda events: urgency(events[-1]))
    lines = [shortened(headline(events), _LINE) for events in worst_first[:_MOST_LINES]]
    if len(groups) > _MOST_LINES:
        lines.append(f"and {count_text(len(groups) - _MOST_LINES, 'more kind')}.")
    worst = worst_first[0][-1]
    count = sum(map(len, groups))
    return Event(
        outcome=worst.outcome,
        subject=f"{count_text(count, 'message')} held back: too many in a minute",
        run_id="",
        job=worst.job,
        summary="\n".join(lines),
        details={"held back": count, "kinds": len(groups)},
        occurred_at=max(events[-1].occurred_at for events in groups),
    )

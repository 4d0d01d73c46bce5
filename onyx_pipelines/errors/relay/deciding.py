"""Whether people are told of what was heard, now or later. Pure.

Of one issue at most once in five minutes, then at growing intervals; what is held back is counted
and told with the next message, or by itself when its time has come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from onyx_pipelines.errors.relay.identity import fingerprint
from onyx_pipelines.errors.relay.memory import Issue, Memory
from onyx_pipelines.errors.relay.severity import Criteria, Judged, Severity, judged
from onyx_pipelines.errors.relay.signal import Reason, Signal, Source

SAME_ISSUE_EVERY: Final = timedelta(minutes=5)
LONGEST_BETWEEN: Final = timedelta(hours=1)
_QUIET_AGAIN_AFTER: Final = timedelta(hours=2)
_RANK: Final = {Severity.QUIET: 0, Severity.NOTABLE: 1, Severity.CRITICAL: 2}


@dataclass(frozen=True)
class Telling:
    """What people are told of.

    Args:
        key: of this telling: made again after a kill, it is the same.
        issue: as it is known now.
        reason: NEW, REGRESSED, … ; GOES_ON: they know of it.
        more: events since they were told last.
        since: when that was; None: never.
    """

    key: str
    fingerprint: str
    issue: Issue
    reason: Reason
    more: int = 0
    since: datetime | None = None


def heard(
    memory: Memory, signal: Signal, criteria: Criteria, now: datetime
) -> tuple[Memory, Telling | None]:
    """What is known after a signal, and what people are told of it at once."""
    if signal.key in memory.keys:
        return memory, None
    memory = memory.with_key(signal.key).with_release(
        signal.service, signal.release, signal.first_seen if signal.count == 1 else signal.at
    )
    mark = _mark(memory, signal)
    known = memory.issues.get(mark)
    if signal.reason is Reason.RESOLVED:
        return _resolved(memory, mark, known, signal)
    issue, events = _with(known, signal, judged(signal, mark, criteria), now)
    is_again = known is not None and (known.resolved_at is not None or _is_back(known, signal))
    if events == 0 and not is_again:
        return memory.with_issue(mark, issue), None
    if issue.severity is Severity.QUIET:
        return memory.with_issue(mark, issue), None
    if is_again:
        issue = issue.model_copy(update={"told_times": 0, "resolved_at": None, "resolved_by": ""})
    rises = known is not None and _RANK[known.severity] < _RANK[issue.severity]
    is_first = issue.told_at is None or rises
    if is_first or (_may_be_told(issue, now) and (is_again or _is_told_again(issue))):
        reason = _reason(known, signal, is_again=is_again)
        return _told(memory, mark, issue, reason, now, own=events)
    held = issue.model_copy(update={"held": issue.held + events})
    return memory.with_issue(mark, held), None


def due(memory: Memory, now: datetime) -> tuple[Memory, list[Telling]]:
    """Of what was held back that may be told now."""
    found = []
    for mark, issue in sorted(memory.issues.items()):
        if issue.held and issue.resolved_at is None and _may_be_told(issue, now):
            if not _is_told_again(issue):
                continue
            memory, telling = _told(memory, mark, issue, Reason.GOES_ON, now, own=0)
            found.append(telling)
    return memory, found


def wait_after(told_times: int) -> timedelta:
    """Until an issue that goes on is told again."""
    doubled = min(max(told_times - 1, 0), 10)
    return min(LONGEST_BETWEEN, SAME_ISSUE_EVERY * (1 << doubled))


def _mark(memory: Memory, signal: Signal) -> str:
    """What the tracker has as one issue is one, whatever its newest message says."""
    for mark, issue in memory.issues.items():
        if signal.issue and issue.last.issue == signal.issue:
            return mark
    return fingerprint(signal.service, signal.type, signal.message, signal.fingerprint)


def _with(known: Issue | None, signal: Signal, found: Judged, now: datetime) -> tuple[Issue, int]:
    """The issue with the signal, and how many events are new."""
    if known is None:
        return Issue(
            last=signal,
            severity=found.severity,
            why=found.why,
            first_seen=min(signal.first_seen, now),
            last_seen=min(signal.at, now),
            count=signal.count,
            uncounted=0 if signal.count else 1,
        ), 1
    counted = max(0, signal.count - known.count) if known.count else 0
    events = max(0, counted - known.uncounted) if signal.count else 1
    was_told_more = signal.count and not known.count
    uncounted = 0 if was_told_more else max(0, known.uncounted - counted)
    is_higher = _RANK[found.severity] > _RANK[known.severity]
    newest = signal if signal.at >= known.last.at else known.last
    return known.model_copy(
        update={
            "last": _filled(newest, known.last),
            "severity": found.severity if is_higher else known.severity,
            "why": found.why or known.why,
            "first_seen": min(known.first_seen, signal.first_seen),
            "last_seen": max(known.last_seen, min(signal.at, now)),
            "count": max(known.count, signal.count),
            "uncounted": uncounted + (0 if signal.count else 1),
        }
    ), events


def _filled(newest: Signal, before: Signal) -> Signal:
    """What this source does not tell, another one has told."""
    names = ("culprit", "level", "release", "environment", "issue", "link")
    missing = {name: getattr(before, name) for name in names if not getattr(newest, name)}
    return newest.model_copy(update={**missing, "tags": {**before.tags, **newest.tags}})


def _is_back(known: Issue, signal: Signal) -> bool:
    """After a time in which nothing came, or because its tracker says so."""
    said = signal.reason in {Reason.REGRESSED, Reason.UNMUTED}
    return said or signal.at - known.last_seen > _QUIET_AGAIN_AFTER


def _may_be_told(issue: Issue, now: datetime) -> bool:
    """A clock that went back holds nothing for longer than the wait itself."""
    if issue.told_at is None:
        return True
    return not timedelta(0) <= now - issue.told_at < wait_after(issue.told_times)


def _is_told_again(issue: Issue) -> bool:
    """That something which nobody must mend now goes on is for the digest."""
    return issue.severity is Severity.CRITICAL or issue.told_times == 0


def _reason(known: Issue | None, signal: Signal, *, is_again: bool) -> Reason:
    if known is None or known.told_at is None:
        asked_for = signal.said and signal.reason is Reason.ALERT
        return Reason.ALERT if asked_for or signal.source is Source.LIST else Reason.NEW
    if is_again:
        return signal.reason if signal.reason is Reason.UNMUTED else Reason.REGRESSED
    return Reason.GOES_ON


def _told(
    memory: Memory, mark: str, issue: Issue, reason: Reason, now: datetime, *, own: int
) -> tuple[Memory, Telling]:
    """Args:
    own: events of the signal itself.
    """
    more = issue.held + own if issue.told_at else 0
    telling = Telling(
        key=f"{mark} after {issue.told_at.isoformat() if issue.told_at else 'nothing'}",
        fingerprint=mark,
        issue=issue,
        reason=reason,
        more=more,
        since=issue.told_at,
    )
    told = issue.model_copy(update={"told_at": now, "told_times": issue.told_times + 1, "held": 0})
    return memory.with_issue(mark, told), telling


def _resolved(
    memory: Memory, mark: str, known: Issue | None, signal: Signal
) -> tuple[Memory, Telling | None]:
    """Whoever was told that it broke is told that somebody says it is mended."""
    if known is None or known.resolved_at is not None:
        return memory, None
    issue = known.model_copy(
        update={"resolved_at": signal.at, "resolved_by": signal.said, "held": 0}
    )
    after = memory.with_issue(mark, issue)
    if known.told_at is None:
        return after, None
    key = f"{mark} resolved {signal.key}"
    return after, Telling(key, mark, issue, Reason.RESOLVED, since=known.told_at)

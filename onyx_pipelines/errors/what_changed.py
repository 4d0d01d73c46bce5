"""What changed before an error came: deploys, configuration, backups, drills, load tests, the error
rate, and the earlier error that it is most like. Pure: from what is recorded to sentences.

It names what coincides and never says that it is the cause.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from onyx_pipelines.core.text import (
    count_text,
    day_text,
    duration_text,
    limit_text,
    percent_text,
)
from onyx_pipelines.errors.relay.identity import likeness
from onyx_pipelines.errors.relay.memory import Issue

LOOK_BACK: Final = timedelta(hours=24)
# Two clocks, and an event that was sent while something was still being written down.
_CLOCKS: Final = timedelta(minutes=1)
_MOST: Final = 6
_ALIKE: Final = 0.6
_Z_95: Final = 1.959964


class ChangeKind(StrEnum):
    """What changed; in the order in which it is looked at first."""

    RELEASE = "release"
    CONFIGURATION = "configuration"
    SCHEMA = "schema"
    INFRASTRUCTURE = "infrastructure"
    RESTORE = "restore"
    LOAD_TEST = "load test"
    BACKUP = "backup"
    DRILL = "drill"
    OTHER = "other"


_DELIBERATE: Final = frozenset(
    {
        ChangeKind.RELEASE,
        ChangeKind.CONFIGURATION,
        ChangeKind.SCHEMA,
        ChangeKind.INFRASTRUCTURE,
        ChangeKind.RESTORE,
    }
)


@dataclass(frozen=True)
class Change:
    """One thing that is recorded.

    Args:
        at: when it was done, began (where it still runs) or ended.
        said: "release 1.4.2 of suna was deployed".
        service: which it is about; "": all.
        is_running: it began and has not ended.
        went_wrong: it failed, or found that something is not well.
    """

    kind: ChangeKind
    at: datetime
    said: str
    service: str = ""
    is_running: bool = False
    went_wrong: bool = False


@dataclass(frozen=True)
class Share:
    """Failed requests of all."""

    failed: float
    all: float


@dataclass(frozen=True)
class RateChange:
    """The error rate before a moment and since. None: not known."""

    before: Share | None
    since: Share | None
    before_s: float
    since_s: float


@dataclass(frozen=True)
class Findings:
    """What could be found out. `unknown`: what could not, in a sentence each."""

    changes: Sequence[Change] = ()
    rate: RateChange | None = None
    unknown: Sequence[str] = ()


def told(
    findings: Findings, moment: datetime, service: str, similar: tuple[Issue, float] | None
) -> dict[str, str]:
    """Headings and texts for a message.

    Args:
        moment: when the error came, or came back.
    """
    named = [_line(each, moment) for each in relevant(findings.changes, moment, service)]
    hours = limit_text(LOOK_BACK.total_seconds())
    lines = named or [f"Nothing that is recorded, in the {hours} before."]
    sections = {"What changed": "\n".join(f"• {each}" for each in (*lines, *findings.unknown))}
    if findings.rate:
        sections["Error rate"] = rate_text(findings.rate)
    if similar:
        sections["Most similar earlier issue"] = similar_text(*similar)
    return sections


def relevant(changes: Sequence[Change], moment: datetime, service: str) -> list[Change]:
    """Those that can have to do with it, the likeliest first: what runs, what was done just before,
    what went wrong. Of releases the last one stands there however old it is."""
    possible = [
        each
        for each in changes
        if each.at <= moment + _CLOCKS and (not each.service or each.service == service)
    ]
    recent = [each for each in possible if moment - each.at <= LOOK_BACK or each.is_running]
    releases = [each for each in possible if each.kind is ChangeKind.RELEASE]
    last = max(releases, key=lambda each: each.at, default=None)
    ranked = sorted(
        recent, key=lambda each: (-_weight(each, moment), list(ChangeKind).index(each.kind))
    )
    named = ranked[:_MOST]
    if last and last not in named:
        named = [*named[: _MOST - 1], last]
    return named


def most_similar(
    issue: Issue, earlier: Mapping[str, Issue], own: str
) -> tuple[Issue, float] | None:
    """The one that it is most like, of those that are enough alike; one that was resolved before
    one that was not, then the newest."""
    found = [
        (other, likeness(issue, other))
        for mark, other in earlier.items()
        if mark != own and other.first_seen < issue.first_seen
    ]
    alike = [each for each in found if each[1] >= _ALIKE]
    return max(
        alike,
        key=lambda each: (round(each[1], 2), each[0].resolved_at is not None, each[0].last_seen),
        default=None,
    )


def rate_text(rate: RateChange) -> str:
    """Both shares with their intervals, and whether one is certainly higher."""
    since = f"in the {_span(rate.since_s)} since"
    before = f"in the {_span(rate.before_s)} before"
    text = f"{_share_text(rate.since)} {since}; {_share_text(rate.before)} {before}."
    if rate.before is None or rate.since is None:
        return text
    low, high = wilson(rate.since)
    low_before, high_before = wilson(rate.before)
    if low > high_before:
        return f"{text} It rose."
    return f"{text} It fell." if high < low_before else f"{text} No change is certain."


def similar_text(issue: Issue, share: float) -> str:
    """What it was, when, and what mended it, if somebody said."""
    where = f", {issue.culprit}" if issue.culprit else ""
    said = f": {issue.message}" if issue.message else ""
    first = f"{issue.type}{said}{where} ({percent_text(share)} alike, last seen"
    text = f"{first} {day_text(issue.last_seen)})."
    if issue.resolved_by:
        return f"{text} It was mended with {issue.resolved_by}."
    if issue.resolved_at:
        return f"{text} It was resolved {day_text(issue.resolved_at)}; with what is not recorded."
    return f"{text} It is still open."


def wilson(share: Share) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, J. Am. Stat. Assoc. 22, 1927); all of 0 to 1 where
    nothing was counted."""
    if share.all <= 0:
        return 0.0, 1.0
    z2 = _Z_95**2
    failed = min(share.all, max(0.0, share.failed))
    middle = 2 * failed + z2
    spread = _Z_95 * math.sqrt(z2 + 4 * failed * (1 - failed / share.all))
    low, high = ((middle + each) / (2 * (share.all + z2)) for each in (-spread, spread))
    return max(0.0, low), min(1.0, high)


def _share_text(share: Share | None) -> str:
    if share is None:
        return "not known"
    if share.all < 1:
        return "no request"
    low, high = wilson(share)
    of = count_text(round(share.all), "request")
    percent = percent_text(share.failed / share.all, 2)
    return f"{percent} ({100 * low:.2f} to {100 * high:.2f} %, of {of})"


def _weight(change: Change, moment: datetime) -> float:
    """Higher is likelier. Halves with each hour that lies between."""
    hours = max(0.0, (moment - change.at).total_seconds()) / 3600
    nearness = 1.0 if change.is_running else 0.5**hours
    kind = 1.0 if change.kind in _DELIBERATE else 0.4
    if change.is_running or change.went_wrong:
        kind = max(kind, 0.9)
    return nearness * kind


def _line(change: Change, moment: datetime) -> str:
    away_s = (moment - change.at).total_seconds()
    if change.is_running:
        return f"Running, for {_span(max(0.0, away_s))}: {change.said}."
    if away_s < 0:
        return f"In the same minute: {change.said}."
    return f"{_span(away_s)} before: {change.said}."


def _span(duration_s: float) -> str:
    """Nobody compares seconds of what is minutes away."""
    if 120 <= duration_s < 7200:
        return limit_text(60 * round(duration_s / 60))
    return duration_text(duration_s)

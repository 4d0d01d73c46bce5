"""What this product knows by itself: its areas, its checks, its settings, its records."""

from __future__ import annotations

from datetime import datetime, timedelta

from onyx_pipelines.core.text import day_text, duration_text, limit_text, list_text
from onyx_pipelines.health.verdict import Condition
from onyx_pipelines.readiness.launch.facts import (
    SeenChecks,
    SeenEvidence,
    SeenHealth,
    SeenRecord,
    SeenSettings,
)
from onyx_pipelines.readiness.launch.judging.judgement import Judgement, failed, passed, unknown
from onyx_pipelines.readiness.launch.verification import (
    Manual,
    OfDoctor,
    OfHealth,
    OfRecord,
    OfSettings,
    setting_words,
)


def of_health(_: OfHealth, seen: SeenHealth, _now: datetime) -> Judgement:
    """Well, and nothing less: what is degraded on the first day is failing on the tenth."""
    said = seen.summary + (f" Next: {seen.action}" if seen.action else "")
    if seen.condition is Condition.OK:
        return passed(seen.summary)
    if seen.condition in {Condition.DEGRADED, Condition.FAILING}:
        return failed(said)
    return unknown(said)


def of_doctor(asked: OfDoctor, seen: SeenChecks, _now: datetime) -> Judgement:
    """The first complaint, with its remedy."""
    if not seen.checks:
        return unknown(f"`onyx doctor` has no such check here: {list_text(asked.checks)}.")
    complaints = [each for each in seen.checks if not each.ok]
    if complaints:
        more = f" ({len(complaints) - 1} more)" if complaints[1:] else ""
        return failed(f"{complaints[0].name}: {complaints[0].detail} {complaints[0].remedy}{more}")
    first = f"{seen.checks[0].name}: {seen.checks[0].detail}"
    return passed(first if len(seen.checks) == 1 else f"{len(seen.checks)} checks. {first}")


def of_settings(asked: OfSettings, seen: SeenSettings, _now: datetime) -> Judgement:
    """One is enough."""
    if seen.given:
        return passed(f"{list_text(seen.given)} is set.")
    return failed(f"Set {' or '.join(map(setting_words, asked.any_of))}.")


def of_record(asked: OfRecord, seen: SeenRecord, now: datetime) -> Judgement:
    """What went wrong is told before its age."""
    if seen.ok is None:
        return unknown(seen.said)
    if not seen.ok:
        return failed(seen.said)
    if asked.max_age is None or seen.at is None:
        return passed(seen.said)
    if now - seen.at > asked.max_age:
        return failed(
            f"{seen.said} That was {duration_text((now - seen.at).total_seconds())} ago, of at most"
            f" {_span(asked.max_age)}."
        )
    return passed(seen.said, until=seen.at + asked.max_age)


def of_evidence(_: Manual, seen: SeenEvidence, _now: datetime) -> Judgement:
    """Of a person. A file that has changed is not what was shown."""
    by = f"{seen.shown} ({seen.by}, {day_text(seen.at)})"
    if not seen.sha256 or seen.sha256 == seen.sha256_now:
        return passed(by)
    if not seen.sha256_now:
        return unknown(f"The file that was shown is not there any more: {by}.")
    return failed(f"The file has changed since it was shown: {by}.")


def _span(span: timedelta) -> str:
    return limit_text(span.total_seconds())

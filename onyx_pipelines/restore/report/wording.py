"""Numbers, moments and names as text, the same in every part of a report. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from onyx_pipelines.restore.results import ComponentDrill, Finding, Step
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.source import Component

COMPONENT_NAMES = {
    Component.POSTGRESQL: "PostgreSQL",
    Component.QDRANT: "Qdrant",
    Component.VOLUMES: "Volumes",
}
STEP_NAMES = {
    Step.PREPARE: "Prepare",
    Step.FETCH: "Fetch",
    Step.RESTORE: "Restore",
    Step.COMPARE: "Compare",
    Step.CLEAN_UP: "Clean up",
}
VERDICT_NAMES = {
    Verdict.PASSED: "passed",
    Verdict.FAILED: "failed",
    Verdict.COULD_NOT_VERIFY: "could not verify",
}
# A shape for each verdict: colour alone tells nothing on a grey print or to one man in twelve.
VERDICT_SIGNS = {Verdict.PASSED: "✓", Verdict.FAILED: "✕", Verdict.COULD_NOT_VERIFY: "?"}
_NAMED = 5
NOTHING = "\N{EN DASH}"  # in a cell that has no value


def finding_text(finding: Finding) -> str:
    """With what was expected and what was found, where it says so."""
    detail = f" (expected {finding.expected}, found {finding.found})"
    shown = detail if finding.expected or finding.found else ""
    return f"{finding.item}: {finding.message}{shown}"


def duration_text(duration_s: float) -> str:
    """0.042 -> "0.04 s", 4.25 -> "4.2 s", 252 -> "4 min 12 s", 3840 -> "1 h 04 min"."""
    if 0 < duration_s < 0.005:
        return "under 0.01 s"
    if duration_s < 0.995:
        return f"{duration_s:.2f} s"
    if duration_s < 59.95:
        return f"{duration_s:.1f} s"
    if round(duration_s) < 3600:
        minutes, seconds = divmod(round(duration_s), 60)
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(round(duration_s / 60), 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(round(duration_s / 3600), 24)
    return f"{days} days {hours} h"


def limit_text(limit_s: float) -> str:
    """An objective as people say it: 3600 -> "60 min", 90 -> "90 s"."""
    if limit_s >= 120:
        return f"{limit_s / 60:g} min"
    return f"{limit_s:g} s"


def size_text(size_bytes: float) -> str:
    """Decimal units, three digits: 1240000000 -> "1.24 GB"."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.4g} TB"


def rate_text(size_bytes: float, duration_s: float) -> str:
    """Megabytes (10^6) a second; NOTHING where nothing was measured."""
    if duration_s <= 0 or size_bytes <= 0:
        return NOTHING
    megabytes_per_s = size_bytes / 1e6 / duration_s
    return (
        f"{megabytes_per_s:,.0f} MB/s" if megabytes_per_s >= 10 else f"{megabytes_per_s:.1f} MB/s"
    )


def percent_text(share: float) -> str:
    """Never rounds to 0 or 100 % what is neither."""
    percent = 100 * share
    if 0 < percent < 1:
        return "under 1 %"
    if 99 < percent < 100:
        return "over 99 %"
    return f"{percent:.0f} %"


def speed_text(drill: ComponentDrill) -> str:
    """When its data answers, and when as fast as before; "" where that is the same thing."""
    if not drill.indexing:
        return ""
    answers = f"data answers after {duration_text(drill.recovery_s)}"
    if drill.indexed_after_s is not None:
        return f"{answers}, indexed as before after {duration_text(drill.indexed_after_s)}"
    share = drill.indexed_share
    how_far = "" if share is None else f" ({percent_text(share)} of the vectors that were)"
    going_on = [f"{i.item} is {i.status}" for i in drill.indexing if not i.is_as_before]
    going_on += [f"{name} is not restored" for name in drill.unfinished]
    if len(going_on) > _NAMED:
        going_on[_NAMED:] = [f"{len(going_on) - _NAMED} more"]
    return f"{answers}, not yet indexed as before{how_far}: {list_text(going_on)}"


def moment_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def count_text(count: int, singular: str, plural: str = "") -> str:
    return f"{count:,} {singular if count == 1 else plural or f'{singular}s'}"


def list_text(parts: list[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters; the middle goes, as names differ at both ends."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"

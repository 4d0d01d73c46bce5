"""Who must know of an error: everybody at once, whoever reads along, or nobody before the digest.
Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from onyx_pipelines.errors.failed_runs import RUN_LOGGER
from onyx_pipelines.errors.relay.signal import LOGGER_TAG, Reason, Signal
from onyx_pipelines.errors.trackers.tracker import PROBE_LOGGER, PROBE_TITLE

_FATAL: Final = frozenset({"fatal", "critical"})
_MILD: Final = frozenset({"warning", "info", "debug", "log", "sample"})
_NEWS: Final = frozenset({Reason.NEW, Reason.REGRESSED, Reason.UNMUTED, Reason.ALERT})


class Severity(StrEnum):
    """CRITICAL: told again while it goes on. NOTABLE: told once. QUIET: the digest has it."""

    CRITICAL = "critical"
    NOTABLE = "notable"
    QUIET = "quiet"


@dataclass(frozen=True)
class Criteria:
    """What makes an error critical besides its level.

    Args:
        services: a new one in these is.
        tags: `name=value`.
        types: of exceptions, and fingerprints: set by hand, or 16 digits of a message.
    """

    services: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Judged:
    """`why`: of CRITICAL, for people."""

    severity: Severity
    why: str = ""


def judged(signal: Signal, fingerprint: str, criteria: Criteria) -> Judged:
    """By the signal alone; what was critical before stays so elsewhere. A probe is no error, and of
    a failed run people are told anyway."""
    logger = signal.tags.get(LOGGER_TAG)
    if logger in {RUN_LOGGER, PROBE_LOGGER} or PROBE_TITLE in (signal.type, signal.message):
        return Judged(Severity.QUIET)
    if signal.level in _FATAL:
        return Judged(Severity.CRITICAL, f"level {signal.level}")
    for tag in sorted(f"{name}={value}" for name, value in signal.tags.items()):
        if tag in criteria.tags:
            return Judged(Severity.CRITICAL, f"tag {tag}")
    for each in (signal.type, fingerprint, *signal.fingerprint):
        if each in criteria.types:
            return Judged(Severity.CRITICAL, f"listed: {each}")
    is_news = signal.reason in _NEWS
    if is_news and signal.service in criteria.services and signal.level not in _MILD:
        return Judged(Severity.CRITICAL, f"{signal.reason} in {signal.service}")
    asked_for = signal.reason is Reason.ALERT
    if is_news and (asked_for or signal.level not in _MILD):
        return Judged(Severity.NOTABLE)
    return Judged(Severity.QUIET)

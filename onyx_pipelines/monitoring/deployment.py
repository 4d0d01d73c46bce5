"""Where the watched services are and how quickly the watching works: `manus-network`, or a sandbox,
in which somebody waits for an alert. One rendering serves both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from onyx_pipelines.monitoring.services import AROUND, CORE, PROBED, Probed, Scraped

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours"}


@dataclass(frozen=True)
class Pace:
    """Args:
    interval: between two scrapes, and two evaluations (AC9.1.1: 15 s).
    hold_share: of what each alert says that it must hold before it fires.
    longest_hold: and no alert waits for longer; None: as long as that is.
    group_wait: from an alert's firing to its message, so that others can join it.
    group_interval: between two messages of a group, also until one says that it is over.
    """

    interval: str = "15s"
    hold_share: float = 1.0
    longest_hold: timedelta | None = None
    group_wait: str = "10s"
    group_interval: str = "1m"

    def hold(self, wanted: str) -> str:
        """A rule's `for`, in this pace."""
        if self == PRODUCTION:
            return wanted
        share = duration(wanted) * self.hold_share
        return f"{min(share, self.longest_hold or share).total_seconds():.0f}s"

    def evaluated_every(self, wanted: str) -> str:
        """A group's own interval; empty: as all others."""
        return wanted if self == PRODUCTION else ""


PRODUCTION: Final = Pace()


@dataclass(frozen=True)
class Deployment:
    """Args:
    alertmanager, blackbox: host and port.
    """

    scraped: Sequence[Scraped] = (*CORE, *AROUND)
    probed: Sequence[Probed] = PROBED
    alertmanager: str = "alertmanager:9093"
    blackbox: str = "blackbox-exporter:9115"
    pace: Pace = PRODUCTION

    @property
    def core(self) -> list[Scraped]:
        """Those without which the stack is not there."""
        jobs = {each.job for each in CORE}
        return [each for each in self.scraped if each.job in jobs]


MANUS_NETWORK: Final = Deployment()


def duration(text: str) -> timedelta:
    """Of one number and its unit, as rules here have it."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if found is None:
        raise ValueError(f"no duration of a rule: {text!r}")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})

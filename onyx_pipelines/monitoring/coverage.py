"""Are the six services scraped (AC9.1.1)? Pure: what Prometheus says of its targets in, one line of
each service out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from onyx_pipelines.audit.redaction import Redaction
from onyx_pipelines.core.text import duration_text, limit_text
from onyx_pipelines.monitoring.deployment import PRODUCTION, duration
from onyx_pipelines.monitoring.prometheus import Target
from onyx_pipelines.monitoring.services import CORE

INTERVAL_S: Final = duration(PRODUCTION.interval).total_seconds()
SERVICES: Final = tuple(dict.fromkeys(each.service for each in CORE))
# A scrape may be missed without anybody's fault.
_INTERVALS: Final = 3
# What an address may hold besides its host: a name, a password, a token.
_IN_ADDRESSES: Final = re.compile(r"(?<=://)[^/\s\"@]*@|\?[^\s\"]*")
# Of a broken connection, whose own end has another port each time.
_OWN_PORT: Final = re.compile(r"\S+:\d+->")


@dataclass(frozen=True)
class Scraping:
    """Of one service.

    Args:
        interval_s: the longest of its targets; None: it has none.
        age_s: since the last scrape of the target whose one is the oldest; None: never.
        problem: why it is not scraped as it should be; empty: it is.
    """

    service: str
    is_up: bool
    interval_s: float | None
    age_s: float | None
    problem: str = ""

    @property
    def is_frequent(self) -> bool:
        """At the interval of the specification, or more often."""
        return self.interval_s is not None and self.interval_s <= INTERVAL_S

    @property
    def is_recent(self) -> bool:
        """As its interval promises."""
        interval_s = self.interval_s or INTERVAL_S
        return self.age_s is not None and self.age_s <= _INTERVALS * interval_s


def coverage(
    targets: Sequence[Target], now: datetime, services: Iterable[str] = SERVICES
) -> tuple[Scraping, ...]:
    """One of each service, in their order. All of its targets have to answer; addresses that are
    probed for it are none of them."""
    return tuple(
        _scraping(name, [each for each in targets if name == each.service and _is_own(each)], now)
        for name in services
    )


def told_error(text: str) -> str:
    """What Prometheus says of a failed scrape, without what only its address may know; the same for
    the same reason."""
    return Redaction().text(_OWN_PORT.sub("", _IN_ADDRESSES.sub("", text)))


def _is_own(target: Target) -> bool:
    return target.job != "blackbox"


def _scraping(service: str, targets: Sequence[Target], now: datetime) -> Scraping:
    if not targets:
        said = f"Prometheus is not told to scrape {service}."
        return Scraping(service, is_up=False, interval_s=None, age_s=None, problem=said)
    never = [each for each in targets if each.scraped_at is None]
    moments = [each.scraped_at for each in targets if each.scraped_at is not None]
    age_s = None if never else max(0.0, (now - min(moments)).total_seconds())
    found = Scraping(
        service,
        is_up=all(each.is_up for each in targets),
        interval_s=max(each.interval_s for each in targets),
        age_s=age_s,
    )
    return replace(found, problem=_problem(found, targets))


def _problem(found: Scraping, targets: Sequence[Target]) -> str:
    down = next((each for each in targets if not each.is_up), None)
    if down is not None:
        said = told_error(down.error) or "it was not scraped yet"
        return f"{found.service} at {down.instance}: {said}"
    if not found.is_recent:
        age = "never" if found.age_s is None else f"{duration_text(found.age_s)} ago"
        return f"{found.service} was last scraped {age}."
    if not found.is_frequent:
        interval = limit_text(found.interval_s or 0)
        wanted = limit_text(INTERVAL_S)
        return f"{found.service} is scraped every {interval}; {wanted} are specified."
    return ""

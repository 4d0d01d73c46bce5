"""Questions to Prometheus over its HTTP API: what it scrapes, what fires, what it recorded."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx

from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import PrometheusSettings
from onyx_pipelines.core.whole_answer import OTHER_FORM, unanswered, whole_answer

_REMEDY: Final = "See whether it runs, and whether ONYX_PROMETHEUS_URL is right."
_TIMEOUT_S: Final = 10.0
_LIMIT_S: Final = 20.0
_DURATION: Final = re.compile(r"(\d+)(ms|[smhd])")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class PrometheusError(OnyxError):
    """Prometheus cannot be asked.

    Cause: none is configured, it does not answer, or another server does.
    Remedy: set ONYX_PROMETHEUS_URL, or see whether it runs (`/-/ready`).
    Transient: no answer.
    """

    code = "prometheus"


@dataclass(frozen=True)
class Target:
    """What is scraped, and how the last scrape ended.

    Args:
        service: the label, or the job where there is none.
        error: Prometheus' own words; it may hold a password that an address had.
        scraped_at: of the last scrape; None: never.
    """

    job: str
    service: str
    instance: str
    is_up: bool
    error: str
    scraped_at: datetime | None
    took_s: float
    interval_s: float


@dataclass(frozen=True)
class Firing:
    """An alert that fires, or (`is_pending`) will if it stays so."""

    name: str
    severity: str
    summary: str
    since: datetime
    is_pending: bool
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Series:
    """One result. `points`: seconds since 1970, and values; one of an instant query."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class Prometheus:
    """Raises PrometheusError from every method: none is set, or it does not answer.

    Args:
        limit_s: for the whole of an answer.
    """

    def __init__(self, settings: PrometheusSettings, *, limit_s: float = _LIMIT_S) -> None:
        self._url = settings.prometheus_url.rstrip("/")
        self._limit_s = limit_s

    @property
    def is_configured(self) -> bool:
        """Whether there is one to ask."""
        return bool(self._url)

    def targets(self) -> tuple[Target, ...]:
        """All that it is told to scrape."""
        data = self._get("/api/v1/targets", state="active")
        with _understanding():
            return tuple(map(_target, data["activeTargets"]))

    def alerts(self) -> tuple[Firing, ...]:
        """Those that fire or are pending."""
        data = self._get("/api/v1/alerts")
        with _understanding():
            return tuple(map(_firing, data["alerts"]))

    def metrics_count(self) -> int:
        """Different names of metrics."""
        names = self._get("/api/v1/label/__name__/values")
        with _understanding():
            return len(names)

    def number(self, query: str) -> float | None:
        """Of the first series; None where nothing answers the query."""
        found = self.instant(query)
        value = found[0].points[0][1] if found else math.nan
        return None if math.isnan(value) or math.isinf(value) else value

    def instant(self, query: str, at: datetime | None = None) -> tuple[Series, ...]:
        """What it is at a moment; None: now."""
        moment = {} if at is None else {"time": f"{at.timestamp():.3f}"}
        data = self._get("/api/v1/query", query=query, **moment)
        with _understanding():
            return tuple(
                Series(each["metric"], (_point(each["value"]),)) for each in data["result"]
            )

    def over_time(
        self, query: str, begin: datetime, end: datetime, step_s: float
    ) -> tuple[Series, ...]:
        """Every `step_s` from begin to end, both of them with it; at most 11,000 steps."""
        data = self._get(
            "/api/v1/query_range",
            query=query,
            start=f"{begin.timestamp():.3f}",
            end=f"{end.timestamp():.3f}",
            step=f"{step_s:g}",
        )
        with _understanding():
            return tuple(
                Series(each["metric"], tuple(map(_point, each["values"])))
                for each in data["result"]
            )

    def _get(self, path: str, **parameters: str) -> Any:
        if not self._url:
            raise PrometheusError(
                "No Prometheus is configured.", remedy="Set ONYX_PROMETHEUS_URL to its address."
            )
        try:
            with _client() as client:
                answer = whole_answer(
                    client, "GET", self._url + path, limit_s=self._limit_s, params=parameters
                ).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise PrometheusError(
                unanswered("Prometheus", error), remedy=_REMEDY, transient=True
            ) from None
        with _understanding():
            return answer.json()["data"]


def _target(told: Mapping[str, Any]) -> Target:
    labels = told["labels"]
    return Target(
        job=str(labels["job"]),
        service=str(labels.get("service", labels["job"])),
        instance=str(labels.get("instance", "")),
        is_up=told["health"] == "up",
        error=str(told.get("lastError", "")),
        scraped_at=_moment(told["lastScrape"]),
        took_s=float(told.get("lastScrapeDuration", math.nan)),
        interval_s=_seconds(str(told.get("scrapeInterval", ""))),
    )


def _firing(told: Mapping[str, Any]) -> Firing:
    labels, notes = told["labels"], told.get("annotations", {})
    since = _moment(told["activeAt"])
    if since is None:
        raise ValueError("an alert of no time")
    return Firing(
        name=str(labels["alertname"]),
        severity=str(labels.get("severity", "")),
        summary=str(notes.get("summary", "")),
        since=since,
        is_pending=told["state"] != "firing",
        labels={str(name): str(value) for name, value in labels.items()},
    )


def _point(told: tuple[float, str]) -> tuple[float, float]:
    at, value = told
    return float(at), float(value)


def _seconds(duration: str) -> float:
    """Of Prometheus' notation: "1m30s" is 90; 0 of what is none."""
    return sum(int(count) * _UNIT_S[unit] for count, unit in _DURATION.findall(duration))


@contextmanager
def _understanding() -> Iterator[None]:
    """Around reading what a server has answered that may be none."""
    try:
        yield
    except OTHER_FORM:
        raise PrometheusError(
            "Prometheus answers in another form than its own.", remedy=_REMEDY
        ) from None


def _client() -> httpx.Client:
    return httpx.Client(timeout=_TIMEOUT_S, trust_env=False, verify=usual_certificates())


def _moment(text: str) -> datetime | None:
    """Its zero time means never. It gives digits below a microsecond, which do not count."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment if moment.year > 1 else None

"""Questions to Prometheus over its HTTP API."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from onyx_pipelines.api.models import MetricsHealth
from onyx_pipelines.api.problems import ProblemError, understanding
from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.core.whole_answer import unanswered, whole_answer

_REMEDY: Final = "See whether it runs, and whether ONYX_PROMETHEUS_URL is right."
_TIMEOUT_S: Final = 10.0
_LIMIT_S: Final = 20.0
_WINDOW: Final = "5m"
_CHAT: Final = "onyx_chat_duration_seconds"
_RAG: Final = "onyx_rag_retrieval_duration_seconds"


def _rate(series: str) -> str:
    return f"sum(rate({series}[{_WINDOW}]))"


def _share(parts: Sequence[str], wholes: Sequence[str]) -> str:
    """Sum of rates over sum of rates; nothing where the latter is 0 or unknown."""
    part, whole = (
        " + ".join(f"({_rate(series)} or vector(0))" for series in each) for each in (parts, wholes)
    )
    return f"({part}) / (({whole}) > 0)"


# The spec's figures from the spec's metrics; where those are not there, a service's usual ones.
SUMMARY: Final[Mapping[str, str]] = {
    "uptime_percentage": "100 * avg(avg_over_time(up[24h]))",
    "avg_response_time_ms": "1000 * ({} or {})".format(
        _share([f"{_CHAT}_sum", f"{_RAG}_sum"], [f"{_CHAT}_count", f"{_RAG}_count"]),
        _share(["http_request_duration_seconds_sum"], ["http_request_duration_seconds_count"]),
    ),
    "error_rate_percent": "100 * ({} or {})".format(
        _share([_CHAT + "_count{success='false'}"], [f"{_CHAT}_count"]),
        _share(["http_requests_total{status=~'5..'}"], ["http_requests_total"]),
    ),
    "active_users": "sum(onyx_active_users)",
    "tasks_completed_today": "sum(increase(onyx_task_completion_total{success='true'}[%s]))",
}


@dataclass(frozen=True)
class Targets:
    """What Prometheus scrapes. `last_scrape`: of any target."""

    healthy: tuple[str, ...]
    total: int
    last_scrape: datetime | None


class Prometheus:
    """Raises ProblemError (503) from every method but `health`: it is not set, or does not
    answer."""

    def __init__(self, url: str, *, limit_s: float = _LIMIT_S) -> None:
        self._url = url.rstrip("/")
        self._limit_s = limit_s

    def targets(self) -> Targets:
        data = self._get("/api/v1/targets", state="active")
        with _understanding():
            active = data["activeTargets"]
            scrapes = [_moment(each["lastScrape"]) for each in active]
            healthy = {str(each["labels"]["job"]) for each in active if each["health"] == "up"}
            return Targets(
                healthy=tuple(sorted(healthy)),
                total=len(active),
                last_scrape=max((each for each in scrapes if each is not None), default=None),
            )

    def health(self) -> MetricsHealth:
        """Also where it is not there: that is an answer, not an error."""
        try:
            targets = self.targets()
            count = self.metrics_count()
        except ProblemError as error:
            return MetricsHealth(
                prometheus_scraping=False,
                last_scrape=None,
                services_reporting=[],
                metrics_count=0,
                detail=f"{error.detail} {error.remedy}",
            )
        return MetricsHealth(
            prometheus_scraping=bool(targets.healthy),
            last_scrape=targets.last_scrape,
            services_reporting=list(targets.healthy),
            metrics_count=count,
            detail="" if targets.healthy else "Prometheus scrapes nothing that answers.",
        )

    def metrics_count(self) -> int:
        """Different names of metrics."""
        names = self._get("/api/v1/label/__name__/values")
        with _understanding():
            return len(names)

    def number(self, query: str) -> float | None:
        """None where nothing answers the query."""
        data = self._get("/api/v1/query", query=query)
        with _understanding():
            result = data["result"]
            value = float(result[0]["value"][1]) if result else math.nan
        return None if math.isnan(value) or math.isinf(value) else value

    def summary(self, now: datetime) -> dict[str, float | None]:
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        today = f"{max(60, int((now - midnight).total_seconds()))}s"
        return {
            name: self.number(query % today if "%s" in query else query)
            for name, query in SUMMARY.items()
        }

    def _get(self, path: str, **parameters: str) -> Any:
        if not self._url:
            raise ProblemError(
                503,
                "No Prometheus is configured.",
                remedy="Set ONYX_PROMETHEUS_URL to its address.",
            )
        try:
            with _client() as client:
                answer = whole_answer(
                    client, "GET", self._url + path, limit_s=self._limit_s, params=parameters
                ).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise ProblemError(503, unanswered("Prometheus", error), remedy=_REMEDY) from None
        with _understanding():
            return answer.json()["data"]


def _understanding() -> AbstractContextManager[None]:
    return understanding("Prometheus", _REMEDY)


def _client() -> httpx.Client:
    return httpx.Client(timeout=_TIMEOUT_S, trust_env=False, verify=usual_certificates())


def _moment(text: str) -> datetime | None:
    """Its zero time means never. It gives digits below a microsecond, which do not count."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment if moment.year > 1 else None

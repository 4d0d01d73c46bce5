"""Questions to Prometheus over its HTTP API."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from onyx_pipelines.api.problems import ProblemError

_TIMEOUT_S: Final = 10.0
_WINDOW: Final = "5m"

# The spec's figures. `or` gives Onyx Core's own names where the sandbox's are not there.
SUMMARY: Final[Mapping[str, str]] = {
    "uptime_percentage": "100 * avg(avg_over_time(up[24h]))",
    "avg_response_time_ms": (
        f"1000 * sum(rate(onyx_http_request_duration_seconds_sum[{_WINDOW}]))"
        f" / sum(rate(onyx_http_request_duration_seconds_count[{_WINDOW}]))"
        f" or 1000 * sum(rate(http_request_duration_seconds_sum[{_WINDOW}]))"
        f" / sum(rate(http_request_duration_seconds_count[{_WINDOW}]))"
        f" or 1000 * sum(rate(onyx_hop_duration_seconds_sum[{_WINDOW}]))"
        f" / sum(rate(onyx_hop_duration_seconds_count[{_WINDOW}]))"
    ),
    "error_rate_percent": (
        f'100 * (sum(rate(onyx_http_requests_total{{status=~"5.."}}[{_WINDOW}])) or vector(0))'
        f" / sum(rate(onyx_http_requests_total[{_WINDOW}]))"
    ),
    "active_users": "sum(onyx_active_users)",
    "tasks_completed_today": 'sum(increase(onyx_task_completion_total{success="true"}[%s]))',
}


@dataclass(frozen=True)
class Targets:
    """What Prometheus scrapes. `last_scrape`: of any target."""

    healthy: tuple[str, ...]
    total: int
    last_scrape: datetime | None


class Prometheus:
    """Raises ProblemError (503) from every method: it is not set, or does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def targets(self) -> Targets:
        active = self._get("/api/v1/targets", state="active")["activeTargets"]
        scrapes = [_moment(each["lastScrape"]) for each in active]
        return Targets(
            healthy=tuple(
                sorted({each["labels"]["job"] for each in active if each["health"] == "up"})
            ),
            total=len(active),
            last_scrape=max((each for each in scrapes if each is not None), default=None),
        )

    def metrics_count(self) -> int:
        """Different names of metrics."""
        return len(self._get("/api/v1/label/__name__/values"))

    def number(self, query: str) -> float | None:
        """None where nothing answers the query."""
        result = self._get("/api/v1/query", query=query)["result"]
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
            with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
                answer = client.get(self._url + path, params=parameters)
                answer.raise_for_status()
                return answer.json()["data"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise ProblemError(
                503,
                f"Prometheus does not answer ({type(error).__name__}).",
                remedy="See whether it runs, and whether ONYX_PROMETHEUS_URL is right.",
            ) from None


def _moment(text: str) -> datetime | None:
    """Its zero time means never."""
    head, _, tail = text.partition(".")
    digits = "".join(char for char in tail if char.isdigit())[:6] or "0"
    zone = "+00:00" if tail.endswith("Z") or text.endswith("Z") else tail[-6:] or "+00:00"
    try:
        moment = datetime.fromisoformat(f"{head.rstrip('Z')}.{digits.ljust(6, '0')}{zone}")
    except ValueError:
        return None
    return moment if moment.year > 1 else None

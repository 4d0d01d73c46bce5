"""The sandbox's Prometheus, which has looked at everything once before anybody is told anything."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from onyx_pipelines.sandbox.monitoring.programs import PROMETHEUS
from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines.sandbox.service_process import ServiceProcess

_START_TIMEOUT_S: Final = 120.0
_OPTIONS: Final = (
    "--storage.tsdb.retention.time=2d",
    "--storage.tsdb.retention.size=256MB",
    "--web.enable-lifecycle",
    "--web.enable-admin-api",
)
# What Go's collector keeps to where it can.
_MEMORY: Final = "160MiB"


class PrometheusServer(ServiceProcess):
    """Outlives its starter."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir, "prometheus")

    def start(self, configuration: Path, targets: int) -> None:
        """Returns when it has scraped all of its targets and has evaluated its rules since: a rule
        that asks whether something is there would say no until then.

        Raises:
            OnyxError: it did not answer, or did not scrape.
        """
        if self.pid is not None:
            return
        self.serve(
            [
                *(PROMETHEUS.found, f"--config.file={configuration}"),
                f"--web.listen-address={HOST}:{self.port}",
                f"--storage.tsdb.path={self.state_dir}/data",
                *_OPTIONS,
            ],
            {"GOMEMLIMIT": _MEMORY},
            ready_path="/-/ready",
            timeout_s=_START_TIMEOUT_S,
        )
        self.wait_until(lambda: self._scraped() >= targets, _START_TIMEOUT_S)
        since = datetime.now(UTC)
        self.wait_until(lambda: self._evaluated() > since, _START_TIMEOUT_S)

    def reload(self) -> None:
        """Its configuration and its rules."""
        httpx.post(f"{self.url}/-/reload", trust_env=False, timeout=30).raise_for_status()

    def forget(self, selector: str = '{__name__=~".+"}') -> None:
        """What it has seen of these series until now: rules that look back for minutes see only
        what comes from here on."""
        parameters = {"match[]": selector, "end": f"{time.time()}"}
        httpx.post(
            f"{self.url}/api/v1/admin/tsdb/delete_series",
            params=parameters,
            trust_env=False,
            timeout=30,
        ).raise_for_status()

    def series(self, query: str) -> list[dict[str, Any]]:
        """What a query gives now: each with `metric` and `value`."""
        found = self._ask("query", query=query)["result"]
        return list(found)

    def history(self, query: str, last_s: float, step_s: float) -> list[dict[str, Any]]:
        """What it gave until now: each with `metric` and `values`."""
        now = time.time()
        found = self._ask(
            "query_range",
            query=query,
            start=f"{now - last_s}",
            end=f"{now}",
            step=f"{step_s}",
        )
        return list(found["result"])

    def _scraped(self) -> int:
        with suppress(httpx.HTTPError):  # it is not up yet
            targets: Sequence[dict[str, Any]] = self._ask("targets", state="active")[
                "activeTargets"
            ]
            return sum(each["health"] != "unknown" for each in targets)
        return 0

    def _evaluated(self) -> datetime:
        """When the group of rules was evaluated for which it is the longest ago."""
        with suppress(httpx.HTTPError):  # it is not up yet
            groups = self._ask("rules")["groups"]
            often = min(each["interval"] for each in groups)
            return min(
                datetime.fromisoformat(_without_ns(each["lastEvaluation"]))
                for each in groups
                if each["interval"] == often
            )
        return datetime.fromtimestamp(0, UTC)

    def _ask(self, what: str, **parameters: str) -> dict[str, Any]:
        answer = httpx.get(
            f"{self.url}/api/v1/{what}", params=parameters, trust_env=False, timeout=30
        )
        answer.raise_for_status()
        data: dict[str, Any] = answer.json()["data"]
        return data


def _without_ns(moment: str) -> str:
    """Python reads six digits of a second, Go writes up to nine."""
    second, point, rest = moment.partition(".")
    digits = rest.rstrip("Z") if rest.endswith("Z") else rest
    return f"{second}{point}{digits[:6]}+00:00" if rest.endswith("Z") else moment

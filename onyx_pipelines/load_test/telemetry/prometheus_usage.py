"""What services used, from a Prometheus that scrapes them: for a target on another machine.

Counters are asked for as they were scraped (a range selector gives raw samples with their own
times), so nothing is interpolated but the time between two scrapes: a second in it gets their mean.
Steps of a sweep should be at least twice as long as the scrape interval.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import httpx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.whole_answer import OTHER_FORM, unanswered, whole_answer
from onyx_pipelines.load_test.samples import TELEMETRY_COLUMNS
from onyx_pipelines.load_test.telemetry.services import WatchedService

_TIMEOUT_S: Final = 30.0
_LIMIT_S: Final = 60.0
# Before the run, so that its first seconds lie between two scrapes.
_BEFORE_S: Final = 120.0
Floats = NDArray[np.float64]
# One series: seconds since 1970, and values.
Series = tuple[Floats, Floats]
_Ask = Callable[..., httpx.Response]

# Column → counter (a rate is taken) or gauge, by what the service is watched as.
_COUNTERS: Final[Mapping[str, Mapping[str, str]]] = {
    "job": {"cpu_cores": "process_cpu_seconds_total"},
    "container": {
        "cpu_cores": "container_cpu_usage_seconds_total",
        "run_queue_cores": "container_pressure_cpu_waiting_seconds_total",
        "throttled_share": "container_cpu_cfs_throttled_seconds_total",
    },
}
_GAUGES: Final[Mapping[str, Mapping[str, str]]] = {
    "job": {
        "memory_bytes": "process_resident_memory_bytes",
        "pool_size": "onyx_db_pool_size",
        "pool_busy": "onyx_db_pool_checked_out",
        "pool_waiting": "onyx_db_pool_waiting",
    },
    "container": {
        "memory_bytes": "container_memory_working_set_bytes",
        "memory_peak_bytes": "container_memory_max_usage_bytes",
    },
}
_LABEL: Final = {"job": "job", "container": "name"}


def usage_between(
    url: str,
    services: Sequence[WatchedService],
    begin_s: float,
    end_s: float,
    *,
    cores: float,
    limit_s: float = _LIMIT_S,
) -> pd.DataFrame:
    """Columns of `samples.TELEMETRY_COLUMNS`, a row a second and service; none for a service that
    Prometheus does not know.

    Args:
        begin_s, end_s: seconds since 1970.
        cores: of a service without a CPU limit.
        limit_s: for the whole of an answer.

    Raises:
        SourceError: it does not answer, or refuses the question.
    """
    grid = np.arange(np.floor(begin_s), np.ceil(end_s) + 1)
    asked = [service for service in services if service.prometheus]
    with httpx.Client(base_url=url.rstrip("/"), timeout=_TIMEOUT_S, trust_env=False) as client:
        ask = partial(whole_answer, client, "GET", "/api/v1/query", limit_s=limit_s)
        frames = [_usage_of(ask, service, grid, cores) for service in asked]
    if not frames:
        return pd.DataFrame(columns=list(TELEMETRY_COLUMNS)).astype(dict(TELEMETRY_COLUMNS))
    return pd.concat(frames, ignore_index=True).astype(dict(TELEMETRY_COLUMNS))


def rate_on(grid: Floats, series: Sequence[Series]) -> Floats:
    """Per second, summed over the series; NaN where none of them was scraped on both sides.

    A counter that went back has started anew, and gained what it shows.
    """
    return _summed([_rate(grid, times, values) for times, values in series], len(grid))


def gauge_on(grid: Floats, series: Sequence[Series]) -> Floats:
    """The last value before, summed over the series; NaN before the first one."""
    found = []
    for times, values in series:
        at = np.searchsorted(times, grid, side="right") - 1
        found.append(np.where(at >= 0, values[np.maximum(at, 0)], np.nan))
    return _summed(found, len(grid))


def _rate(grid: Floats, times: Floats, values: Floats) -> Floats:
    if len(times) < 2:
        return np.full(len(grid), np.nan)
    gains = np.diff(values)
    gains = np.where(gains < 0, values[1:], gains)
    rates = gains / np.diff(times)
    at = np.searchsorted(times, grid, side="left") - 1
    inside = (at >= 0) & (at < len(rates))
    return np.where(inside, rates[np.clip(at, 0, len(rates) - 1)], np.nan)


def _summed(parts: Sequence[Floats], length: int) -> Floats:
    if not parts:
        return np.full(length, np.nan)
    stacked = np.vstack(parts)
    known = ~np.isnan(stacked)
    total: Floats = np.where(known, stacked, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total, np.nan)


def _usage_of(ask: _Ask, service: WatchedService, grid: Floats, cores: float) -> pd.DataFrame:
    kind, _, value = service.prometheus.partition(":")
    matcher = f'{_LABEL[kind]}="{_escaped(value)}"'
    # What was scraped after the last second says how that one was.
    begin, end = float(grid[0]) - _BEFORE_S, max(float(grid[-1]), time.time())

    def read(metric: str) -> list[Series]:
        return _raw(ask, f"{metric}{{{matcher}}}", begin, end)

    columns = {name: rate_on(grid, read(metric)) for name, metric in _COUNTERS[kind].items()}
    columns |= {name: gauge_on(grid, read(metric)) for name, metric in _GAUGES[kind].items()}
    limit = gauge_on(grid, read("container_spec_cpu_quota")) / gauge_on(
        grid, read("container_spec_cpu_period")
    )
    frame = pd.DataFrame(
        {
            "at_ms": grid * 1000,
            "service": service.name,
            "cores": np.where(np.isnan(limit), cores, limit),
            **columns,
        },
        columns=list(TELEMETRY_COLUMNS),
    )
    return frame[frame["cpu_cores"].notna()]


def _raw(ask: _Ask, selector: str, begin: float, end: float) -> list[Series]:
    question = f"{selector}[{max(1, round(end - begin))}s]"
    try:
        answer = ask(params={"query": question, "time": f"{end:.3f}"}).raise_for_status()
        return _series(answer.json()["data"]["result"])
    except httpx.HTTPError as error:
        said = unanswered("Prometheus", error)
    except OTHER_FORM:
        said = "Prometheus answers in another form than its own."
    raise SourceError(
        f"{said} What the services used is not known.",
        remedy="See whether it runs, and whether ONYX_PROMETHEUS_URL is right.",
    )


def _series(result: list[dict[str, Any]]) -> list[Series]:
    found = []
    for each in result:
        # cAdvisor tells a container's CPU per core too, beside the sum.
        if each["metric"].get("cpu", "total") != "total":
            continue
        pairs = np.array([(float(at), float(value)) for at, value in each["values"]])
        found.append((pairs[:, 0], pairs[:, 1]))
    return found


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')

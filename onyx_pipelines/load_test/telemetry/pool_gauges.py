"""Pools of a service, from the gauges on its own /metrics page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from onyx_pipelines.core.whole_answer import whole_answer

_TIMEOUT_S: Final = 0.8
_LIMIT_S: Final = 2.0
_LIMIT_BYTES: Final = 8 << 20
# Onyx's own names first (its API exports them), then the general ones.
_SIZE: Final = ("onyx_db_pool_size", "db_pool_size")
_BUSY: Final = ("onyx_db_pool_checked_out", "db_pool_checked_out", "db_pool_busy")
_WAITING: Final = ("onyx_db_pool_waiting", "db_pool_waiting")


@dataclass(frozen=True)
class Pool:
    size: float | None = None
    busy: float | None = None
    waiting: float | None = None


def read_pool(client: httpx.Client, url: str) -> Pool | None:
    """None where the page does not answer or shows no pool."""
    try:
        answer = whole_answer(
            client, "GET", url, limit_s=_LIMIT_S, limit_bytes=_LIMIT_BYTES, timeout=_TIMEOUT_S
        )
        return parse_pool(answer.raise_for_status().text)
    except (httpx.HTTPError, ValueError):
        return None


def parse_pool(text: str) -> Pool | None:
    """Several pools of one name (by label) are summed. Raises ValueError: no Prometheus text."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    pool = Pool(_first(sums, _SIZE), _first(sums, _BUSY), _first(sums, _WAITING))
    return pool if pool.size is not None else None


def _first(sums: dict[str, float], names: Iterable[str]) -> float | None:
    return next((sums[name] for name in names if name in sums), None)

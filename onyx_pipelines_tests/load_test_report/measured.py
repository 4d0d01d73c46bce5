"""What a load test that never ran would have measured: samples, steps, the model of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.capacity.closed_queue import throughput_per_ms
from onyx_pipelines.load_test.results import (
    Block,
    Capacity,
    Interval,
    Scenario,
    ServiceLoad,
    SweepStep,
)
from onyx_pipelines.load_test.samples import COLUMNS

BEGAN: Final = datetime(2026, 11, 20, 3, 15, tzinfo=UTC)

_USERS: Final = (1, 2, 4, 8, 16, 24, 32)

GIB: Final = 2.0**30


def no_samples() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})


def samples_of(*, chat_ms: float, rag_ms: float, error_share: float = 0.0) -> pd.DataFrame:
    """A warm-up, three repeats at 20 users, a sweep. Agents are too few for a p95."""
    random = np.random.default_rng(7)
    blocks: list[pd.DataFrame] = []
    at_ms = BEGAN.timestamp() * 1000
    for scenario, mean_ms, per_unit in (
        (Scenario.CHAT, chat_ms, 220),
        (Scenario.RAG, rag_ms, 220),
        (Scenario.AGENT_TASKS, 4 * chat_ms, 15),
    ):
        units = [
            (Block.WARM_UP, 0, 5, 40),
            *((Block.BASELINE, repeat, 20, per_unit) for repeat in range(3)),
            *((Block.SWEEP, 0, users, 12 * users) for users in _USERS),
        ]
        for block, repeat, users, count in units:
            growth = max(1.0, users / 14)
            unit = _unit(random, at_ms, mean_ms * growth, users, count, error_share)
            streams = scenario is Scenario.CHAT
            first = unit["waiting_ms"] + unit["blocked_ms"] if streams else np.nan
            unit = unit.assign(
                scenario=scenario.value,
                block=block.value,
                repeat=repeat,
                request=scenario.value,
                first_token_ms=first,
                tokens=40.0 if streams else np.nan,
            )
            blocks.append(unit)
            at_ms = float(unit["ended_ms"].max()) + 1500
    return pd.concat(blocks, ignore_index=True).astype(COLUMNS)[list(COLUMNS)]


def _unit(
    random: np.random.Generator,
    at_ms: float,
    mean_ms: float,
    users: int,
    count: int,
    error_share: float,
) -> pd.DataFrame:
    latency = random.lognormal(np.log(mean_ms), 0.35, count)
    vu = np.arange(count) % users
    ended = at_ms + pd.Series(latency).groupby(vu).cumsum().to_numpy()
    failed = random.random(count) < error_share
    return pd.DataFrame(
        {
            "started_ms": ended - latency,
            "ended_ms": ended,
            "users": users,
            "vu": vu,
            "iteration": np.arange(count) // users,
            "status": np.where(failed, 502, 200),
            "error_code": np.where(failed, 1502, 0),
            "error": np.where(failed, "status is 502", ""),
            "blocked_ms": 0.02 * latency,
            "connecting_ms": 0.0,
            "tls_ms": 0.0,
            "sending_ms": 0.03 * latency,
            "waiting_ms": 0.55 * latency,
            "receiving_ms": 0.40 * latency,
            "bytes": 2048,
            "retry_after_s": np.nan,
            "server_timing": "",
        }
    )


def sweep_of(*, wait_ms: float) -> tuple[SweepStep, ...]:
    """Only the waiting for a connection grows with the users."""
    return tuple(
        _step(scenario, users, base_ms, wait_ms * max(0, users - 6))
        for scenario, base_ms in ((Scenario.CHAT, 300.0), (Scenario.RAG, 60.0))
        for users in _USERS
    )


def _step(scenario: Scenario, users: int, base_ms: float, wait_ms: float) -> SweepStep:
    wait_ms *= base_ms / 300
    parts = {
        "name_lookup": 0.002 * base_ms,
        "connect": 0.01 * base_ms,
        "send": 0.01 * base_ms,
        "ingress": 0.02 * base_ms,
        "pg_wait": wait_ms,
        "pg_srv": 0.15 * base_ms,
        "qdrant_srv": 0.2 * base_ms,
        "qdrant_gap": 0.02 * base_ms,
        "llm_srv": 0.4 * base_ms,
        "embedding_srv": 0.05 * base_ms,
        "app_self": 0.118 * base_ms,
        "receive": 0.02 * base_ms,
    }
    mean_ms = sum(parts.values())
    busy = min(1.0, users / 14)
    return SweepStep(
        scenario=scenario,
        users=users,
        samples=12 * users,
        throughput_per_s=1000 * users / mean_ms,
        mean_ms=mean_ms,
        p95_ms=1.7 * mean_ms if users > 4 else None,
        error_rate=0.0,
        parts=parts,
        services=(
            ServiceLoad(
                service="app",
                cores=4.0,
                cpu_cores=2.2 * busy,
                run_queue_cores=0.3 * busy,
                memory_bytes=(1.2 + 0.2 * busy) * GIB,
            ),
            ServiceLoad(
                service="postgres",
                cores=2.0,
                cpu_cores=0.8 * busy,
                memory_bytes=0.9 * GIB,
                pool_size=10.0,
                pool_busy=10 * busy,
                pool_waiting=max(0.0, users - 14.0),
            ),
            ServiceLoad(
                service="qdrant",
                cores=2.0,
                cpu_cores=None if users == 2 else 0.5 * busy,
                memory_bytes=None if users == 2 else 2.6 * GIB,
            ),
        ),
    )


def capacities(sweep: Sequence[SweepStep]) -> tuple[Capacity, ...]:
    """Of chat a knee; of rag the sweep ended before one."""
    if not sweep:
        return ()
    users = np.arange(1, max(_USERS) + 1)
    curve = 1000 * throughput_per_ms(int(users[-1]), np.array(300.0), np.array(54.0))
    drawn = {
        "model_users": tuple(map(float, users)),
        "model_throughput_per_s": tuple(map(float, curve)),
    }
    return (
        Capacity(
            scenario=Scenario.CHAT,
            base_ms=300.0,
            demand_ms=54.0,
            max_throughput_per_s=18.5,
            knee_users=5.6,
            knee_interval=Interval(low=4.9, high=6.4),
            is_reached=True,
            relative_error=0.04,
            **drawn,
        ),
        Capacity(
            scenario=Scenario.RAG,
            base_ms=60.0,
            demand_ms=1.2,
            max_throughput_per_s=None,
            knee_users=None,
            knee_interval=None,
            is_reached=False,
            relative_error=0.02,
        ),
    )

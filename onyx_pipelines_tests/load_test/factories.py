"""Samples, telemetry and results that look like those of a run."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.analysis.comparison import compare, series_of
from onyx_pipelines.load_test.analysis.objectives import judge_objectives
from onyx_pipelines.load_test.analysis.result import attributions_of, capacities_of
from onyx_pipelines.load_test.analysis.summaries import summarise
from onyx_pipelines.load_test.analysis.sweep import sweep_steps
from onyx_pipelines.load_test.facts import What, fact
from onyx_pipelines.load_test.k6.rows import empty_samples
from onyx_pipelines.load_test.results import (
    Alarm,
    Block,
    Comparison,
    Environment,
    Gate,
    GateKind,
    LoadTestResult,
    Scenario,
    Validity,
)
from onyx_pipelines.load_test.samples import COLUMNS, TELEMETRY_COLUMNS
from onyx_pipelines.load_test.targets import Targets

BEGUN = datetime(2026, 11, 2, 5, 0, tzinfo=UTC)
_BEGUN_MS = BEGUN.timestamp() * 1000
ENVIRONMENT = Environment(
    fingerprint="0123456789abcdef",
    cpu_model="A processor",
    cores=4,
    memory_bytes=16 * 2**30,
    k6_version="1.1.0",
    script_digest="fedcba9876543210",
    target="http://127.0.0.1:8080",
)
_GATE = Gate(
    kind=GateKind.EVERY_REQUEST,
    passed=True,
    observed=(fact(What.UNITS_WHOLE, whole=28, run=29),),
    required=fact(What.ALL_ROWS),
)
GOOD = Validity(gates=(_GATE,))
BAD = Validity(gates=(_GATE.model_copy(update={"passed": False}),))


def block(
    scenario: Scenario,
    block: Block,
    *,
    users: int,
    requests: int,
    mean_ms: float,
    repeat: int = 1,
    begin_s: float = 0.0,
    streamed: bool = False,
    failures: int = 0,
    seed: int = 0,
    spread: float = 0.25,
) -> pd.DataFrame:
    """Users that send one request after the other, each taking about `mean_ms`."""
    generator = np.random.default_rng([seed, users, repeat, requests])
    took = mean_ms * np.exp(generator.normal(0, spread, requests) - spread**2 / 2)
    user = np.arange(requests) % users
    iteration = np.arange(requests) // users
    ended = np.zeros(requests)
    for each in range(users):
        mine = user == each
        ended[mine] = np.cumsum(took[mine])
    begin = _BEGUN_MS + begin_s * 1000
    server = took * 0.95
    frame = pd.DataFrame(
        {
            "started_ms": begin + ended - took,
            "ended_ms": begin + ended,
            "scenario": scenario.value,
            "block": block.value,
            "repeat": repeat,
            "users": users,
            "vu": user + 1,
            "iteration": iteration,
            "request": scenario.value,
            "status": np.where(np.arange(requests) < failures, 500, 200),
            "error_code": 0,
            "error": "",
            "blocked_ms": took * 0.01,
            "connecting_ms": 0.0,
            "tls_ms": 0.0,
            "sending_ms": took * 0.01,
            "waiting_ms": took * 0.96,
            "receiving_ms": took * 0.02,
            "bytes": 500,
            "first_token_ms": took * 0.4 if streamed else np.nan,
            "tokens": 20.0 if streamed else np.nan,
            "retry_after_s": np.nan,
            "server_timing": [
                f"total;dur={total:.3f}, pg_wait;dur=0.1, pg;dur={total / 4:.3f}"
                for total in server
            ],
        }
    )
    return frame[list(COLUMNS)].astype(dict(COLUMNS)).sort_values("ended_ms", ignore_index=True)


def whole_run(*, slower: float = 1.0, failures: int = 0, repeats: int = 5) -> pd.DataFrame:
    """Baseline blocks and a sweep whose throughput levels off, of chat and rag."""
    frames = []
    at = 0.0
    for scenario, mean in ((Scenario.CHAT, 400.0), (Scenario.RAG, 80.0)):
        frames.append(block(scenario, Block.WARM_UP, users=20, requests=20, mean_ms=mean))
        for repeat in range(1, repeats + 1):
            at += 5
            frames.append(
                block(
                    scenario,
                    Block.BASELINE,
                    users=20,
                    requests=100,
                    mean_ms=mean * slower,
                    repeat=repeat,
                    begin_s=at,
                    streamed=scenario is Scenario.CHAT,
                    failures=failures,
                    seed=repeat,
                )
            )
        for users in (1, 2, 4, 8, 16, 24, 32):
            at += 5
            latency = max(mean, users * mean / 10)
            frames.append(
                block(
                    scenario,
                    Block.SWEEP,
                    users=users,
                    requests=users * 12,
                    mean_ms=latency,
                    begin_s=at,
                    streamed=scenario is Scenario.CHAT,
                )
            )
    return pd.concat(frames, ignore_index=True)


def telemetry_of(samples: pd.DataFrame, *, memory_gib: float = 1.0) -> pd.DataFrame:
    """One row a second for two services, k6 and the host."""
    begin, end = float(samples["started_ms"].min()), float(samples["ended_ms"].max())
    at = np.arange(begin, end, 1000.0)
    frames = [
        pd.DataFrame(
            {
                "at_ms": at,
                "service": service,
                "cores": 4.0,
                "cpu_cores": cpu,
                "run_queue_cores": 0.05,
                "memory_bytes": memory_gib * 2**30,
                "memory_peak_bytes": memory_gib * 1.1 * 2**30,
                "pool_size": 20.0 if service == "app" else np.nan,
                "pool_busy": 5.0 if service == "app" else np.nan,
                "pool_waiting": 0.0 if service == "app" else np.nan,
                "throttled_share": np.nan,
            }
        )
        for service, cpu in (("app", 1.2), ("pg", 0.4), ("k6", 0.3), ("host", 2.1))
    ]
    return pd.concat(frames)[list(TELEMETRY_COLUMNS)].astype(dict(TELEMETRY_COLUMNS))


def result_from(
    samples: pd.DataFrame,
    *,
    validity: Validity = GOOD,
    before: pd.DataFrame | None = None,
    alarms: tuple[Alarm, ...] = (),
    run_id: str = "feedfacefeedface",
    target: str = "http://127.0.0.1:8080",
) -> LoadTestResult:
    """The analysis of these samples, as the real one puts it together."""
    telemetry = telemetry_of(samples) if len(samples) else pd.DataFrame(columns=TELEMETRY_COLUMNS)
    steps = sweep_steps(samples, telemetry)
    capacities = capacities_of(steps)
    comparison = (
        Comparison(baseline_id=None)
        if before is None
        else compare("20261001T000000Z-baseline", series_of(before), series_of(samples))
    )
    return LoadTestResult(
        run_id=run_id,
        profile="full",
        is_baseline_candidate=True,
        target=target,
        started_at=BEGUN,
        finished_at=BEGUN,
        generator_s=60,
        environment=ENVIRONMENT,
        validity=validity,
        summaries=summarise(samples),
        objectives=judge_objectives(samples, telemetry, tuple(Scenario)[:2], Targets()),
        sweep=steps,
        capacities=capacities,
        comparison=comparison,
        attributions=attributions_of(samples, telemetry, steps, capacities, None),
        alarms=alarms,
    )


NOTHING = empty_samples()

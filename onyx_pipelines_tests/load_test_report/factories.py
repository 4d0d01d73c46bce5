"""Load tests that never ran, as they would look: healthy, failing, invalid and nearly empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.analysis.summaries import summarise
from onyx_pipelines.load_test.capacity.closed_queue import throughput_per_ms
from onyx_pipelines.load_test.facts import Fact, RemedyKind, What, fact
from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.results import (
    Alarm,
    Attribution,
    Block,
    Capacity,
    Cause,
    CauseKind,
    Change,
    ChangeKind,
    Comparison,
    Environment,
    Gate,
    GateKind,
    Interval,
    LoadTestResult,
    LoadVerdict,
    Objective,
    PredictedGain,
    Remedy,
    Scenario,
    ServiceLoad,
    SweepStep,
    Validity,
)
from onyx_pipelines.load_test.samples import COLUMNS

BEGAN: Final = datetime(2026, 11, 20, 3, 15, tzinfo=UTC)
TARGETS_MS: Final = {Scenario.CHAT: 1500.0, Scenario.RAG: 200.0}
HOSTILE: Final = "<script>alert(1)</script> | **bold** [x](https://evil.example) `a` & \"q\" 'p'"
_USERS: Final = (1, 2, 4, 8, 16, 24, 32)
_GIB: Final = 2.0**30


@dataclass(frozen=True)
class LoadTest:
    result: LoadTestResult
    samples: pd.DataFrame


def healthy() -> LoadTest:
    samples = _samples(chat_ms=310.0, rag_ms=62.0)
    return LoadTest(
        _result(
            samples,
            objectives=(
                _objective("chat p95", 640.0, 1500.0, LoadVerdict.PASSED),
                _objective("rag p95", 96.0, 200.0, LoadVerdict.PASSED),
                _memory(5.25, LoadVerdict.PASSED),
            ),
            sweep=_sweep(wait_ms=4.0),
            comparison=_comparison((0.97, 0.99, 1.02, 0.94)),
        ),
        samples,
    )


def failing() -> LoadTest:
    """Its connection pool is exhausted."""
    samples = _samples(chat_ms=1250.0, rag_ms=240.0, error_share=0.006)
    return LoadTest(
        _result(
            samples,
            objectives=(
                _objective("chat p95", 2610.0, 1500.0, LoadVerdict.FAILED),
                _objective("rag p95", 205.0, 200.0, LoadVerdict.INCONCLUSIVE),
                _memory(13.5, LoadVerdict.FAILED),
            ),
            sweep=_sweep(wait_ms=60.0),
            comparison=_comparison((1.31, 2.4, 1.02, 0.7)),
            attributions=(_exhausted_pool(Scenario.CHAT), _unlimited(Scenario.RAG)),
            alarms=(
                Alarm(
                    at=BEGAN + timedelta(minutes=4, seconds=7),
                    name="chat p95",
                    text="chat p95 of the last 30 s is 2.61 s, above 1.50 s.",
                ),
            ),
        ),
        samples,
    )


def invalid() -> LoadTest:
    """Numbers that look good, of a run whose generator was starved."""
    found = healthy()
    gates = tuple(
        _gate(GateKind.SPARE_CPU, fact(What.GENERATOR_USED, share=0.93), passed=False)
        if gate.kind is GateKind.SPARE_CPU
        else gate
        for gate in found.result.validity.gates
    )
    return LoadTest(
        found.result.model_copy(update={"validity": Validity(gates=gates)}), found.samples
    )


def nearly_empty() -> LoadTest:
    """One request was answered, and nothing else is known."""
    samples = _samples(chat_ms=300.0, rag_ms=60.0).head(1)
    samples = samples.assign(block=Block.BASELINE.value, first_token_ms=np.nan)
    return LoadTest(
        _result(samples, objectives=(_unmeasured("chat p95"),), sweep=()).model_copy(
            update={
                "validity": Validity(
                    gates=(_gate(GateKind.FEW_ERRORS, fact(What.NO_REQUEST), passed=None),)
                )
            }
        ),
        samples,
    )


def no_samples() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})


_failing_once = cache(failing)


def hostile(text: str = HOSTILE) -> LoadTest:
    """The failing one, where every text tries to be markup."""
    found = _failing_once()
    environment = Environment(
        **{
            **found.result.environment.model_dump(),
            **dict.fromkeys(
                ("fingerprint", "cpu_model", "k6_version", "script_digest", "target", "llm"),
                text,
            ),
            "facts": {text: text},
        }
    )
    cause = _cause(text, 0.5).model_copy(update={"facts": (fact(What.CPU_UNKNOWN, service=text),)})
    remedy = Remedy(
        cause=CauseKind.POOL_EXHAUSTION,
        service=text,
        kind=RemedyKind.MORE_CALLS,
        users=32,
        figures={"servers": text, "now": text},
        gains=(PredictedGain(name=text, unit=text, now=1.0, predicted=2.0),),
    )
    step = found.result.sweep[0]
    load = step.services[0].model_copy(update={"service": text})
    return LoadTest(
        found.result.model_copy(
            update={
                "run_id": text,
                "profile": text,
                "target": text,
                "environment": environment,
                "validity": Validity(
                    gates=(_gate(GateKind.FEW_ERRORS, fact(What.COMMONEST_ERROR, error=text)),)
                ),
                "objectives": (
                    Objective(
                        name=text,
                        verdict=LoadVerdict.FAILED,
                        measured=1.0,
                        interval=None,
                        target=0.5,
                        unit=text,
                        facts=(fact(What.CPU_UNKNOWN, service=text),),
                    ),
                ),
                "sweep": tuple(
                    each.model_copy(
                        update={"parts": {Part(f"{text}_srv"): each.mean_ms}, "services": (load,)}
                    )
                    for each in found.result.sweep
                ),
                "comparison": Comparison(
                    baseline_id=text,
                    changes=(_change(text, 2.5, is_gating=True),),
                ),
                "attributions": (
                    Attribution(
                        scenario=Scenario.CHAT,
                        cause=cause,
                        runner_up=cause,
                        next_cause=cause,
                        remedies=(remedy,),
                        untold=(fact(What.OPAQUE_CALL, service=text),),
                        instead=(fact(What.CPU_UNKNOWN, service=text),),
                    ),
                ),
                "alarms": (Alarm(at=BEGAN, name=text, text=text),),
            }
        ),
        found.samples,
    )


def _result(
    samples: pd.DataFrame,
    *,
    objectives: tuple[Objective, ...],
    sweep: tuple[SweepStep, ...],
    comparison: Comparison | None = None,
    attributions: tuple[Attribution, ...] = (),
    alarms: tuple[Alarm, ...] = (),
) -> LoadTestResult:
    return LoadTestResult(
        run_id="8f6c2d1e4b7a",
        profile="standard",
        is_baseline_candidate=True,
        target="https://onyx.example",
        started_at=BEGAN,
        finished_at=BEGAN + timedelta(minutes=12),
        generator_s=655.0,
        environment=Environment(
            fingerprint="c1f0a77d9e42",
            cpu_model="AMD EPYC 7543P",
            cores=8,
            memory_bytes=int(16 * _GIB),
            k6_version="1.1.0",
            script_digest="5d41402abc4b2a76",
            target="https://onyx.example",
            llm="mock, 40 tokens per s",
            facts={"kernel": "6.1.0", "onyx": "2.4.1"},
        ),
        validity=Validity(
            gates=(
                _gate(GateKind.WHOLE_PLAN, fact(What.UNITS_RUN, run=29, planned=29)),
                _gate(GateKind.FEW_ERRORS, fact(What.REQUESTS_FAILED, percent=0.0)),
                _gate(GateKind.SPARE_CPU, fact(What.GENERATOR_USED, share=0.21)),
                _gate(GateKind.STEADY_LATENCY, fact(What.TOO_FEW_REQUESTS), passed=None),
            )
        ),
        summaries=summarise(samples),
        objectives=objectives,
        sweep=sweep,
        capacities=_capacities(sweep),
        comparison=comparison or Comparison(baseline_id=None),
        attributions=attributions,
        alarms=alarms,
        peak_memory_bytes=5.25 * _GIB if sweep else None,
    )


def _samples(*, chat_ms: float, rag_ms: float, error_share: float = 0.0) -> pd.DataFrame:
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


def _sweep(*, wait_ms: float) -> tuple[SweepStep, ...]:
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
                memory_bytes=(1.2 + 0.2 * busy) * _GIB,
            ),
            ServiceLoad(
                service="postgres",
                cores=2.0,
                cpu_cores=0.8 * busy,
                memory_bytes=0.9 * _GIB,
                pool_size=10.0,
                pool_busy=10 * busy,
                pool_waiting=max(0.0, users - 14.0),
            ),
            ServiceLoad(
                service="qdrant",
                cores=2.0,
                cpu_cores=None if users == 2 else 0.5 * busy,
                memory_bytes=None if users == 2 else 2.6 * _GIB,
            ),
        ),
    )


def _capacities(sweep: Sequence[SweepStep]) -> tuple[Capacity, ...]:
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


def _exhausted_pool(scenario: Scenario) -> Attribution:
    return Attribution(
        scenario=scenario,
        cause=_cause("postgres", 0.93),
        runner_up=_cause("app", 0.05).model_copy(update={"kind": CauseKind.CPU_SATURATION}),
        next_cause=_cause("app", 0.6).model_copy(update={"kind": CauseKind.CPU_SATURATION}),
        remedies=(
            Remedy(
                cause=CauseKind.POOL_EXHAUSTION,
                service="postgres",
                kind=RemedyKind.MORE_CONNECTIONS,
                users=20,
                figures={"servers": 20, "now": 10},
                gains=(
                    PredictedGain(
                        name="latency at 20 users",
                        unit="ms",
                        now=1140.0,
                        predicted=420.0,
                        interval=Interval(low=380.0, high=510.0),
                    ),
                    PredictedGain(
                        name="highest throughput", unit="answers per s", now=17.2, predicted=38.0
                    ),
                ),
            ),
        ),
        untold=(fact(What.CPU_BLIND, services="disk"),),
    )


def _unlimited(scenario: Scenario) -> Attribution:
    return Attribution(scenario=scenario, cause=None, instead=(fact(What.NO_LIMIT, users=32),))


def _cause(service: str, share: float) -> Cause:
    return Cause(
        kind=CauseKind.POOL_EXHAUSTION,
        service=service,
        share=share,
        share_interval=Interval(low=max(0.0, share - 0.04), high=min(1.0, share + 0.03)),
        confidence=0.94,
        demand_ms=30.0,
        facts=(fact(What.POOL_IN_USE, busy=10.0, size=10),),
    )


def _objective(name: str, measured: float, target: float, verdict: LoadVerdict) -> Objective:
    return Objective(
        name=name,
        verdict=verdict,
        measured=measured,
        interval=Interval(low=0.94 * measured, high=1.07 * measured),
        target=target,
        unit="ms",
        facts=(fact(What.MEASURED, measure="full_answer"),),
    )


def _memory(gib: float, verdict: LoadVerdict) -> Objective:
    return Objective(
        name="peak memory",
        verdict=verdict,
        measured=gib * _GIB,
        interval=None,
        target=12 * _GIB,
        unit="B",
        facts=(fact(What.MEMORY_USED, used_bytes=gib * _GIB, limit_bytes=12 * _GIB),),
    )


def _unmeasured(name: str) -> Objective:
    return Objective(
        name=name,
        verdict=LoadVerdict.INCONCLUSIVE,
        measured=None,
        interval=None,
        target=1500.0,
        unit="ms",
        facts=(fact(What.NO_REQUEST_MADE),),
    )


def _gate(kind: GateKind, observed: Fact, *, passed: bool | None = True) -> Gate:
    return Gate(kind=kind, passed=passed, observed=(observed,), required=fact(What.ALL_UNITS))


def _comparison(ratios: Sequence[float]) -> Comparison:
    names = ("chat first_token p50", "chat first_token p95", "rag retrieval p95", "chat throughput")
    found = (
        _change(name, ratio, is_gating="p95" in name)
        for name, ratio in zip(names, ratios, strict=True)
    )
    unknown = Change(
        name="agent_tasks full_answer p95",
        ratio=None,
        interval=None,
        kind=ChangeKind.INCONCLUSIVE,
    )
    return Comparison(baseline_id="51ab90cd77e3", changes=(*found, unknown))


def _change(name: str, ratio: float, *, is_gating: bool) -> Change:
    kinds: Mapping[bool, ChangeKind] = {True: ChangeKind.REGRESSED, False: ChangeKind.UNCHANGED}
    return Change(
        name=name,
        ratio=ratio,
        interval=Interval(low=0.93 * ratio, high=1.08 * ratio),
        kind=kinds[ratio > 1.25],
        is_alarm=ratio > 2,
        is_gating=is_gating,
    )

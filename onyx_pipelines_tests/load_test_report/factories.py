"""Load tests that never ran, as they would look: healthy, failing, invalid and nearly empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.analysis.summaries import summarise
from onyx_pipelines.load_test.facts import Fact, RemedyKind, What, fact
from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.results import (
    Alarm,
    Attribution,
    Block,
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
    SweepStep,
    Validity,
)
from onyx_pipelines_tests.load_test_report.measured import (
    BEGAN,
    GIB,
    capacities,
    samples_of,
    sweep_of,
)

TARGETS_MS: Final = {Scenario.CHAT: 1500.0, Scenario.RAG: 200.0}

HOSTILE: Final = "<script>alert(1)</script> | **bold** [x](https://evil.example) `a` & \"q\" 'p'"


@dataclass(frozen=True)
class LoadTest:
    result: LoadTestResult
    samples: pd.DataFrame


def healthy() -> LoadTest:
    samples = samples_of(chat_ms=310.0, rag_ms=62.0)
    return LoadTest(
        _result(
            samples,
            objectives=(
                _objective("chat p95", 640.0, 1500.0, LoadVerdict.PASSED),
                _objective("rag p95", 96.0, 200.0, LoadVerdict.PASSED),
                _memory(5.25, LoadVerdict.PASSED),
            ),
            sweep=sweep_of(wait_ms=4.0),
            comparison=_comparison((0.97, 0.99, 1.02, 0.94)),
        ),
        samples,
    )


def failing() -> LoadTest:
    """Its connection pool is exhausted."""
    samples = samples_of(chat_ms=1250.0, rag_ms=240.0, error_share=0.006)
    return LoadTest(
        _result(
            samples,
            objectives=(
                _objective("chat p95", 2610.0, 1500.0, LoadVerdict.FAILED),
                _objective("rag p95", 205.0, 200.0, LoadVerdict.INCONCLUSIVE),
                _memory(13.5, LoadVerdict.FAILED),
            ),
            sweep=sweep_of(wait_ms=60.0),
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
    samples = samples_of(chat_ms=300.0, rag_ms=60.0).head(1)
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
            memory_bytes=int(16 * GIB),
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
        capacities=capacities(sweep),
        comparison=comparison or Comparison(baseline_id=None),
        attributions=attributions,
        alarms=alarms,
        peak_memory_bytes=5.25 * GIB if sweep else None,
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
        measured=gib * GIB,
        interval=None,
        target=12 * GIB,
        unit="B",
        facts=(fact(What.MEMORY_USED, used_bytes=gib * GIB, limit_bytes=12 * GIB),),
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

"""Gathers from samples, telemetry and steps what the rules look at, and names what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.attribution.growth import (
    growth_of,
    is_timed_by_callee,
)
from onyx_pipelines.load_test.attribution.observations import Observations, Refusal
from onyx_pipelines.load_test.attribution.saturation import (
    Window,
    memory_growths,
    pool_of,
    services_of,
)
from onyx_pipelines.load_test.attribution.server_timing import TOTAL, parse_server_timing
from onyx_pipelines.load_test.facts import Fact, What, fact
from onyx_pipelines.load_test.part import APP, SERVER, Part
from onyx_pipelines.load_test.results import Block, Capacity, Scenario, SweepStep

_COLUMNS: Final = ["block", "repeat", "users", "started_ms", "ended_ms", "status", "retry_after_s"]
_TOO_MANY_REQUESTS: Final = 429
_UNAVAILABLE: Final = 503
_REFUSALS_READ: Final = 2000
_START_CUT_OFF: Final = 0.25
_FAILED_ABOVE: Final = 0.01
_FEW_SAMPLES: Final = 20


def observe(
    scenario: Scenario,
    samples: pd.DataFrame,
    telemetry: pd.DataFrame,
    steps: Sequence[SweepStep],
    capacity: Capacity | None,
    baseline_steps: Sequence[SweepStep],
) -> Observations:
    """Steps without an answered request are left out: they have no latency to explain."""
    # Only the columns that are looked at: a copy of a million whole rows takes hundreds of MB.
    mine = samples.loc[samples["scenario"] == scenario.value, _COLUMNS]
    answered = tuple(
        sorted(
            (step for step in steps if step.samples > 0 and step.mean_ms > 0),
            key=lambda step: step.users,
        )
    )
    return Observations(
        scenario=scenario,
        steps=answered,
        growth=growth_of(answered),
        capacity=capacity,
        baseline_steps=tuple(sorted(baseline_steps, key=lambda step: step.users)),
        refusal=_refusal(mine, samples["server_timing"], steps),
        memory_growths=memory_growths(telemetry, _windows(mine)),
        timed_share=_timed_share(answered),
    )


def _timed_share(steps: Sequence[SweepStep]) -> float:
    """Of the time inside of the servers, how much Server-Timing accounts for."""
    latency = sum(step.mean_ms * step.samples for step in steps)
    untold = sum(step.parts.get(SERVER, 0.0) * step.samples for step in steps)
    known = sum(bool(step.parts) for step in steps)
    return max(0.0, 1 - untold / latency) if latency > 0 and known else 0.0


def _windows(samples: pd.DataFrame) -> tuple[Window, ...]:
    """Every unit of the run after the warm-up, without its start."""
    loaded = samples.loc[samples["block"] != Block.WARM_UP.value]
    if loaded.empty:
        return ()
    units = loaded.groupby(["block", "repeat", "users"], observed=True)
    started = units["started_ms"].min().to_numpy(dtype=np.float64)
    ended = units["ended_ms"].max().to_numpy(dtype=np.float64)
    requests = units.size().to_numpy()
    cut = started + _START_CUT_OFF * (ended - started)
    return tuple(
        Window(float(cut[at]), float(ended[at]), int((1 - _START_CUT_OFF) * requests[at]))
        for at in np.argsort(started)
    )


def _refusal(
    samples: pd.DataFrame, server_timing: pd.Series[str], steps: Sequence[SweepStep]
) -> Refusal | None:
    """From the step with the largest share of refused requests, of which all may have been."""
    worst = max(steps, key=lambda step: step.limited_rate, default=None)
    if worst is None or worst.limited_rate <= 0:
        return None
    return Refusal(
        share=worst.limited_rate,
        hop=_refusing_hop(samples, server_timing),
        users=worst.users,
        accepted_per_s=worst.throughput_per_s,
    )


def _refusing_hop(samples: pd.DataFrame, server_timing: pd.Series[str]) -> str | None:
    """The last call that the refused requests made; None where most of them do not tell."""
    status = samples["status"].to_numpy()
    asks_to_wait = samples["retry_after_s"].notna().to_numpy()
    is_refused = (status == _TOO_MANY_REQUESTS) | ((status == _UNAVAILABLE) & asks_to_wait)
    refused = samples.index[is_refused][:_REFUSALS_READ]
    texts = server_timing.loc[refused].dropna().head(_REFUSALS_READ)
    last = [hop for hop in (_last_call(str(text)) for text in texts) if hop is not None]
    if not last or 2 * len(last) <= len(texts):
        return None
    return max(dict.fromkeys(last), key=last.count)


def _last_call(server_timing: str) -> str | None:
    """In the order of the value, which is that of the calls; calls of no duration were not made."""
    called = [
        name
        for name, duration_ms in parse_server_timing(server_timing).items()
        if duration_ms > 0 and name != TOTAL
    ]
    if not called:
        return None
    last = Part(called[-1])
    return last.owner.service if last.is_of_call else last


def what_cannot_be_told(seen: Observations) -> tuple[Fact, ...]:
    """What is missing, by what it would have shown."""
    if not seen.steps:
        return (fact(What.NO_ANSWERS),)
    facts = _about_failures(seen)
    if seen.growth is None:
        facts.append(fact(What.FEW_STEPS))
    facts += _about_few_samples(seen)
    facts += _about_hops(seen)
    facts += _about_services(seen)
    if not seen.baseline_steps:
        facts.append(fact(What.NO_BASELINE))
    elif not {step.users for step in seen.steps} & {step.users for step in seen.baseline_steps}:
        facts.append(fact(What.NO_COMMON_STEP))
    if seen.capacity is not None and not seen.capacity.is_described:
        facts.append(fact(What.JUMPS))
    elif seen.capacity is not None and not seen.capacity.is_reached:
        facts.append(fact(What.BEFORE_THE_KNEE, users=seen.top.users))
    if seen.refusal is not None and seen.refusal.hop is None:
        facts.append(fact(What.REFUSALS_UNTIMED))
    return tuple(facts)


def _about_failures(seen: Observations) -> list[Fact]:
    worst = max(seen.steps, key=lambda step: step.error_rate - step.limited_rate)
    failed = worst.error_rate - worst.limited_rate
    return [fact(What.FAILURES, share=failed, users=worst.users)] if failed > _FAILED_ABOVE else []


def _about_few_samples(seen: Observations) -> list[Fact]:
    if seen.growth is None:
        return []
    return [
        fact(What.FEW_SAMPLES, users=step.users, samples=step.samples)
        for step in (seen.growth.low, seen.growth.high)
        if step.samples < _FEW_SAMPLES
    ]


def _about_hops(seen: Observations) -> list[Fact]:
    parts = seen.top.parts
    if seen.timed_share <= 0 or parts.get(SERVER, 0.0) > 0.5 * seen.top.mean_ms:
        return [fact(What.NO_TIMING, service=APP)]
    hops = _called(parts)
    if not hops:
        return [fact(What.NO_CALLS, service=APP)]
    return [
        fact(What.OPAQUE_CALL, service=hop)
        for hop in hops
        if not is_timed_by_callee(parts, hop) and pool_of(seen.top, hop, APP) is None
    ]


def _about_services(seen: Observations) -> list[Fact]:
    if not services_of(seen.top):
        return [fact(What.NO_TELEMETRY)]
    blind = sorted(
        service for service in {APP, *_called(seen.top.parts)} if not seen.is_cpu_known(service)
    )
    return [fact(What.CPU_BLIND, services=tuple(blind))] if blind else []


def _called(parts: Iterable[Part]) -> list[str]:
    """In the order of their first mention."""
    return list(dict.fromkeys(part.owner.service for part in parts if part.is_of_call))

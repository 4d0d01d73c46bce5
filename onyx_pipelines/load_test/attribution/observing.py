"""Gathers from samples, telemetry and steps what the rules look at, and names what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.attribution.growth import (
    growth_of,
    is_timed_by_callee,
)
from onyx_pipelines.load_test.attribution.observations import Observations, Refusal, percent
from onyx_pipelines.load_test.attribution.saturation import (
    Window,
    memory_growths,
    pool_of,
    service_load,
    services_of,
)
from onyx_pipelines.load_test.attribution.server_timing import TOTAL, parse_server_timing
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


def what_cannot_be_told(seen: Observations) -> tuple[str, ...]:
    """Whole sentences: what is missing, and what it would have shown."""
    if not seen.steps:
        return ("No step of the sweep has an answered request.",)
    sentences = _about_failures(seen)
    if seen.growth is None:
        sentences.append(
            "The sweep has fewer than two numbers of users with known parts: whether latency "
            "depends on load cannot be told."
        )
    sentences += _about_few_samples(seen)
    sentences += _about_hops(seen)
    sentences += _about_services(seen)
    if not seen.baseline_steps:
        sentences.append(
            "There is no baseline: whether a dependency has become slower cannot be told."
        )
    elif not {step.users for step in seen.steps} & {step.users for step in seen.baseline_steps}:
        sentences.append(
            "The baseline has no step with the same number of users: it cannot be compared with."
        )
    if seen.capacity is not None and not seen.capacity.is_described:
        sentences.append(
            "Throughput jumps from step to step of the sweep: where it levels off cannot be told."
        )
    elif seen.capacity is not None and not seen.capacity.is_reached:
        sentences.append(
            f"The sweep ended at {seen.top.users} users, before throughput levelled off: where it "
            "does cannot be told."
        )
    if seen.refusal is not None and seen.refusal.hop is None:
        sentences.append(
            "Refused requests carry no Server-Timing: which service refused them cannot be told."
        )
    return tuple(sentences)


def _about_failures(seen: Observations) -> list[str]:
    worst = max(seen.steps, key=lambda step: step.error_rate - step.limited_rate)
    failed = worst.error_rate - worst.limited_rate
    if failed <= _FAILED_ABOVE:
        return []
    return [
        f"{percent(failed)} of the requests at {worst.users} users failed: why cannot be told from "
        "their times, and the times of the others may be shorter for it."
    ]


def _about_few_samples(seen: Observations) -> list[str]:
    if seen.growth is None:
        return []
    few = [step for step in (seen.growth.low, seen.growth.high) if step.samples < _FEW_SAMPLES]
    return [
        f"The step of {step.users} users has only {step.samples} samples: its means are rough."
        for step in few
    ]


def _about_hops(seen: Observations) -> list[str]:
    parts = seen.top.parts
    if seen.timed_share <= 0 or parts.get(SERVER, 0.0) > 0.5 * seen.top.mean_ms:
        return [
            f"Most answers carry no Server-Timing: which part of {APP} or which call takes the "
            "time cannot be told."
        ]
    hops = dict.fromkeys(part.owner.service for part in parts if part.is_of_call)
    sentences = [
        f"{hop} does not say what it takes itself: its own work cannot be told from the network "
        "and from waiting in front of it."
        for hop in hops
        if not is_timed_by_callee(parts, hop) and pool_of(seen.top, hop, APP) is None
    ]
    if not hops:
        sentences.append(f"{APP} names no calls: whether it waits for others cannot be told.")
    return sentences


def _about_services(seen: Observations) -> list[str]:
    shown = services_of(seen.top)
    if not shown:
        return ["There is no telemetry: whether a CPU or a pool is full cannot be told."]
    hops = {part.owner.service for part in seen.top.parts if part.is_of_call}
    blind = sorted(
        service
        for service in {APP, *hops}
        if (load := service_load(seen.top, service)) is None or load.cpu_saturation is None
    )
    if not blind:
        return []
    return [f"The CPU of {', '.join(blind)} is not known: whether it is full cannot be told."]

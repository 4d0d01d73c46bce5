"""Says why a scenario is as slow as it is: ranks the causes, and tells what cannot be told."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from onyx_pipelines.load_test.attribution.constant_causes import (
    memory_candidates,
    phase_candidates,
    refusal_candidate,
    slow_call_candidate,
    slower_call_ms,
    slower_candidates,
)
from onyx_pipelines.load_test.attribution.growth import (
    share_interval,
)
from onyx_pipelines.load_test.attribution.next_cause import next_cause
from onyx_pipelines.load_test.attribution.observations import (
    Candidate,
    Observations,
    is_queue,
    percent,
)
from onyx_pipelines.load_test.attribution.observing import observe, what_cannot_be_told
from onyx_pipelines.load_test.attribution.queue_causes import queue_candidates
from onyx_pipelines.load_test.attribution.remedies import remedies_for
from onyx_pipelines.load_test.attribution.saturation import GENERATOR, is_generator_saturated
from onyx_pipelines.load_test.part import APP
from onyx_pipelines.load_test.results import (
    Attribution,
    Capacity,
    Cause,
    CauseKind,
    Scenario,
    SweepStep,
)

# What matters less than this is no runner-up.
_RUNNER_UP_FROM = 0.1


def explain(
    samples: pd.DataFrame,
    telemetry: pd.DataFrame,
    steps: Sequence[SweepStep],
    capacity: Capacity | None,
    baseline_steps: Sequence[SweepStep] | None,
) -> Attribution:
    """Why the scenario of `steps` is slow, what would help, and what the data do not show.

    samples, telemetry: tables of `load_test.samples`, other scenarios may be among them.
    baseline_steps: the promoted baseline's sweep of the same scenario and environment.
    Raises ValueError if there is no step and the samples do not name exactly one scenario.
    """
    scenario = _scenario(samples, steps)
    seen = observe(scenario, samples, telemetry, steps, capacity, baseline_steps or ())
    untold = what_cannot_be_told(seen)
    if seen.steps and is_generator_saturated(seen.top):
        return Attribution(
            scenario=scenario,
            cause=_generator_cause(),
            cannot_tell=untold,
            summary="The load generator's own CPU was full: its times say nothing of the target.",
        )
    ranked = _ranked(seen)
    if not ranked:
        return Attribution(scenario=scenario, cause=None, cannot_tell=untold, summary=_calm(seen))
    best = ranked[0]
    runner_up = next((each.cause for each in ranked[1:] if _is_worth_naming(each)), None)
    return Attribution(
        scenario=scenario,
        cause=_with_interval(best, seen, samples),
        runner_up=runner_up,
        next_cause=next_cause(seen, best.cause),
        remedies=remedies_for(seen, best),
        cannot_tell=untold,
        summary=_summary(best.cause),
    )


def _scenario(samples: pd.DataFrame, steps: Sequence[SweepStep]) -> Scenario:
    named = {step.scenario for step in steps} or {
        Scenario(name) for name in samples["scenario"].unique()
    }
    if len(named) != 1:
        msg = f"one scenario is explained at a time, these are {sorted(named)}"
        raise ValueError(msg)
    return named.pop()


def _ranked(seen: Observations) -> list[Candidate]:
    """The cause first. Refusals hide all else: what is refused is not served slowly."""
    refusal = refusal_candidate(seen)
    if not seen.steps:
        return [] if refusal is None else [refusal]
    queues = queue_candidates(seen)
    if queues:
        queues = [_behind_the_queue(seen, queues[0]), *queues[1:]]
    explained = queues[0].parts if queues else frozenset()
    constant = [
        each
        for each in (*phase_candidates(seen), *slower_candidates(seen))
        if not each.parts & explained
    ]
    # The queue's winner was chosen by evidence, so its losers never overtake it.
    leaders = sorted([*queues[:1], *_distinct(constant)], key=lambda each: -each.cost_ms)
    ranked = [*leaders, *queues[1:], *memory_candidates(seen)]
    return ranked if refusal is None else [refusal, *ranked]


def _behind_the_queue(seen: Observations, queue: Candidate) -> Candidate:
    """Calls that became slow even for a lone user keep connections busy: the pool is innocent."""
    if queue.cause.kind not in {CauseKind.POOL_EXHAUSTION, CauseKind.CALLER_LIMIT}:
        return queue
    slower_ms = slower_call_ms(seen, queue.cause.service)
    return slow_call_candidate(seen, queue, slower_ms) if slower_ms > 0 else queue


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """A phase that is slow and slower than it was is one cause, not two."""
    kept: list[Candidate] = []
    for candidate in candidates:
        if not any(candidate.parts & each.parts for each in kept):
            kept.append(candidate)
    return kept


def _is_worth_naming(candidate: Candidate) -> bool:
    cause = candidate.cause
    return cause.share >= _RUNNER_UP_FROM or cause.kind is CauseKind.MEMORY_GROWTH


def _with_interval(best: Candidate, seen: Observations, samples: pd.DataFrame) -> Cause:
    # The share of a slow dependency is one of latency, though a queue in front of it grows.
    if seen.growth is None or not best.is_of_growth or not is_queue(best.cause.kind):
        return best.cause
    interval = share_interval(samples, seen.scenario, seen.growth, best.parts)
    return best.cause.model_copy(update={"share_interval": interval})


def _generator_cause() -> Cause:
    return Cause(
        kind=CauseKind.UNKNOWN,
        service=GENERATOR,
        share=0.0,
        confidence=0.0,
        evidence=("The load generator's CPU, with the wait for one, was more than 80 % full.",),
    )


def _calm(seen: Observations) -> str:
    if not seen.steps:
        return "There are no answered requests to explain."
    top = seen.top
    largest = max(top.parts, key=lambda part: top.parts[part], default=None)
    most = (
        ""
        if largest is None or top.mean_ms <= 0
        else f" Its largest part is {largest}, {percent(top.parts[largest] / top.mean_ms)}."
    )
    if seen.growth is None:
        return f"One number of users shows no limit.{most}"
    return f"Nothing limits it up to {top.users} users.{most}"


_NAMES = {
    CauseKind.CPU_SATURATION: "the CPU of {service} is full",
    CauseKind.POOL_EXHAUSTION: "the pool of connections to {service} is exhausted",
    CauseKind.CALLER_LIMIT: "calls to {service} queue in front of it, at a limit of the caller",
    CauseKind.SERIAL_SECTION: "requests wait for each other inside of {service}",
    CauseKind.SLOW_DEPENDENCY: "{service} has become slow",
    CauseKind.RATE_LIMIT: "{service} refuses requests above a rate",
    CauseKind.SLOW_NAME_LOOKUP: "looking up names is slow",
    CauseKind.SLOW_CONNECT: "connecting is slow",
    CauseKind.SLOW_TRANSFER: "transferring the data is slow",
    CauseKind.MEMORY_GROWTH: "the memory of {service} only grows",
    CauseKind.UNKNOWN: "the cause is not known; most of the growth is in {service}",
}


def _summary(cause: Cause) -> str:
    is_worker_pool = cause.kind is CauseKind.POOL_EXHAUSTION and cause.service == APP
    name = "all workers of {service} are busy" if is_worker_pool else _NAMES[cause.kind]
    text = name.format(service=cause.service)
    if cause.kind is CauseKind.RATE_LIMIT:
        detail = f"{percent(cause.share)} of the requests"
    elif cause.kind is CauseKind.MEMORY_GROWTH:
        detail = f"{percent(cause.share)} of what it holds was gained in the test"
    elif is_queue(cause.kind):
        detail = f"{percent(cause.share)} of the growth of latency"
    else:
        detail = f"{percent(cause.share)} of the latency"
    return f"{text[0].upper()}{text[1:]} ({detail}, confidence {cause.confidence:.2f})."

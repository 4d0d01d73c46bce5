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
)
from onyx_pipelines.load_test.attribution.observing import observe, what_cannot_be_told
from onyx_pipelines.load_test.attribution.queue_causes import queue_candidates
from onyx_pipelines.load_test.attribution.remedies import remedies_for
from onyx_pipelines.load_test.attribution.saturation import GENERATOR, is_generator_saturated
from onyx_pipelines.load_test.facts import Fact, What, fact
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
            instead=(fact(What.GENERATOR_ONLY),),
            untold=untold,
        )
    ranked = _ranked(seen)
    if not ranked:
        return Attribution(scenario=scenario, cause=None, instead=_calm(seen), untold=untold)
    best = ranked[0]
    runner_up = next((each.cause for each in ranked[1:] if _is_worth_naming(each)), None)
    return Attribution(
        scenario=scenario,
        cause=_with_interval(best, seen, samples),
        runner_up=runner_up,
        next_cause=next_cause(seen, best.cause),
        remedies=remedies_for(seen, best),
        untold=untold,
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
        facts=(fact(What.GENERATOR_FULL),),
    )


def _calm(seen: Observations) -> tuple[Fact, ...]:
    if not seen.steps:
        return (fact(What.NO_REQUESTS),)
    top = seen.top
    limit = What.ONE_STEP if seen.growth is None else What.NO_LIMIT
    found = fact(limit, users=top.users)
    largest = max(top.parts, key=lambda part: top.parts[part], default=None)
    if largest is None or top.mean_ms <= 0:
        return (found,)
    return found, fact(What.LARGEST_PART, part=largest, share=top.parts[largest] / top.mean_ms)

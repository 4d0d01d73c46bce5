"""Results in words and round numbers. Pure."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from onyx_pipelines import __version__
from onyx_pipelines.core.text import (
    NOT_KNOWN,
    gigabytes_text,
    latency_text,
    printable,
    second_text,
)
from onyx_pipelines.load_test.part import FIXED_PARTS, Part
from onyx_pipelines.load_test.report import sentences
from onyx_pipelines.load_test.results import (
    Attribution,
    Capacity,
    Cause,
    CauseKind,
    Change,
    Interval,
    LatencySummary,
    LoadTestResult,
    LoadVerdict,
    Objective,
    PredictedGain,
)

TIMES: Final = "\N{MULTIPLICATION SIGN}"
NOT_TO_BE_USED: Final = "not to be used"
SIGNS: Final = {
    LoadVerdict.PASSED: "✓",
    LoadVerdict.FAILED: "✗",
    LoadVerdict.INCONCLUSIVE: "?",
    LoadVerdict.INVALID: "!",
}
MEANINGS: Final = {
    LoadVerdict.PASSED: "Every objective is met; the samples prove it.",
    LoadVerdict.FAILED: "An objective is missed; the samples prove it.",
    LoadVerdict.INCONCLUSIVE: "The samples do not decide it: run more repeats.",
    LoadVerdict.INVALID: "This run proves nothing. Its numbers are not to be used.",
}
_PARTS: Final = {
    "name_lookup": "looking up the name",
    "connect": "connecting",
    "tls": "TLS handshake",
    "send": "sending the request",
    "ingress": "on the way in, waiting for the application",
    "server": "in the application (not told apart)",
    "app_self": "the application itself",
    "receive": "receiving the answer",
}
_ROLES: Final = {
    "srv": "at work",
    "gap": "network and queue before it",
    "wait": "waiting for a connection",
}
CAUSES: Final = {
    CauseKind.CPU_SATURATION: "CPU is full",
    CauseKind.POOL_EXHAUSTION: "pool is exhausted",
    CauseKind.CALLER_LIMIT: "limit of its caller",
    CauseKind.SERIAL_SECTION: "serial section",
    CauseKind.SLOW_DEPENDENCY: "has become slow",
    CauseKind.RATE_LIMIT: "rate limit",
    CauseKind.SLOW_NAME_LOOKUP: "slow name lookup",
    CauseKind.SLOW_CONNECT: "slow connecting",
    CauseKind.SLOW_TRANSFER: "slow transfer",
    CauseKind.MEMORY_GROWTH: "memory grows",
    CauseKind.UNKNOWN: "not known",
}


def words(meaning: StrEnum) -> str:
    """A scenario or a measure."""
    return meaning.value.replace("_", " ")


def summary_name(summary: LatencySummary) -> str:
    """ "chat, first token": what was asked, and which of its times."""
    return f"{words(summary.scenario)}, {words(summary.measure)}"


def quantity(value: float | None, unit: str) -> str:
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    if unit == "ms":
        return latency_text(value)
    if unit == "B":
        return gigabytes_text(value)
    return f"{value:,.1f} {unit}"


def interval_text(interval: Interval | None, unit: str = "ms") -> str:
    """Empty without one; an end that the data do not bound is left out."""
    if interval is None or (interval.low is None and interval.high is None):
        return ""
    if interval.low is None:
        return f"at most {quantity(interval.high, unit)}"
    if interval.high is None:
        return f"at least {quantity(interval.low, unit)}"
    return f"{quantity(interval.low, unit)} to {quantity(interval.high, unit)}"


def share_text(share: float | None, decimals: int = 0) -> str:
    if share is None or not math.isfinite(share):
        return NOT_KNOWN
    return f"{100 * share:.{decimals}f} %"


def ratio_text(ratio: float | None, interval: Interval | None) -> str:
    if ratio is None or not math.isfinite(ratio):
        return NOT_KNOWN
    if interval is None or interval.low is None or interval.high is None:
        return f"{ratio:.2f}{TIMES}"
    return f"{ratio:.2f}{TIMES} ({interval.low:.2f} to {interval.high:.2f})"


def part_name(part: str) -> str:
    """A part of the latency in words: `qdrant_gap` is network and queue before Qdrant."""
    known = Part(part)
    if known.is_of_call:
        return f"{known.owner.service}: {_ROLES[known.owner.role]}"
    return _PARTS.get(part, part)


def in_order(parts: Sequence[Part]) -> list[Part]:
    """As a request passes through them: to the application, its calls, itself, back."""
    before = [part for part in FIXED_PARTS[:6] if part in parts]
    after = [part for part in FIXED_PARTS[6:] if part in parts]
    calls = sorted(part for part in parts if part not in FIXED_PARTS)
    return [*before, *calls, *after]


def headline(result: LoadTestResult) -> str:
    """The verdict's reason in one or two sentences."""
    verdict = result.verdict
    if verdict is LoadVerdict.INVALID:
        return f"{MEANINGS[verdict]} Not met: {sentences.broken(result.validity)}."
    bad = [each for each in result.objectives if each.verdict is verdict]
    if verdict in {LoadVerdict.FAILED, LoadVerdict.INCONCLUSIVE} and bad:
        return f"{MEANINGS[verdict]} {'; '.join(map(objective_text, bad))}."
    return MEANINGS[verdict]


def objective_text(objective: Objective) -> str:
    """`chat p95 170 ms of 1.50 s`."""
    return (
        f"{objective.name} {quantity(objective.measured, objective.unit)}"
        f" of {quantity(objective.target, objective.unit)}"
    )


def no_remedies(result: LoadTestResult) -> str:
    """Why nothing is proposed; that nothing has to be done, no test shows."""
    if not result.attributions:
        return "Without a sweep it cannot be told what would help."
    if any(each.cause is not None for each in result.attributions):
        return "No remedy is known for the cause."
    return "No cause was found, so nothing is proposed."


def capacity_lines(result: LoadTestResult) -> list[str]:
    """Highest throughput and knee of each scenario."""
    return [_capacity_line(each) for each in result.capacities]


def _capacity_line(capacity: Capacity) -> str:
    name = words(capacity.scenario)
    if not capacity.is_described:
        line = f"{name}: could not tell, throughput jumps from step to step"
    elif not capacity.is_reached or capacity.knee_users is None:
        line = f"{name}: the sweep ended before throughput levelled off"
    else:
        knee = interval_text(capacity.knee_interval, "users")
        within = f" ({knee})" if knee else ""
        line = (
            f"{name}: at most {quantity(capacity.max_throughput_per_s, 'answers per s')}, knee at"
            f" {quantity(capacity.knee_users, 'users')}{within}"
        )
    line += (
        f"; one user alone waits {latency_text(capacity.base_ms)}; the model is off by"
        f" {share_text(capacity.relative_error)}."
    )
    if capacity.retrograde:
        line += " Throughput falls again with more users."
    return line


def gap_text(summary: LatencySummary) -> str:
    """The longest time without an answer."""
    gap_s = summary.longest_gap_s
    return latency_text(None if gap_s is None else 1000 * gap_s)


def change_of(result: LoadTestResult, summary: LatencySummary, q: float) -> Change | None:
    """The comparison of this percentile, where there is one (names: `analysis.comparison`)."""
    name = f"{summary.scenario.value} {summary.measure.value} p{100 * q:g}"
    return next((each for each in result.comparison.changes if each.name == name), None)


def change_text(change: Change) -> str:
    """The kind of change, and whether it is an alarm: `regressed, alarm`."""
    return change.kind.value + (", alarm" if change.is_alarm else "")


def command(result: LoadTestResult) -> str:
    """To be pasted into a shell, so that no profile's name can be anything but a name."""
    return f"onyx load-test run --profile {shlex.quote(printable(result.profile))}"


def cause_text(cause: Cause) -> str:
    """`postgres: pool is exhausted; share 93 % (89 to 96 %), confidence 0.94`."""
    share, interval = share_text(cause.share), cause.share_interval
    if interval is not None and interval.low is not None and interval.high is not None:
        share += f" ({100 * interval.low:.0f} to {100 * interval.high:.0f} %)"
    what = f"{cause.service}: {CAUSES[cause.kind]}"
    return f"{what}; share {share}, confidence {cause.confidence:.2f}"


def reproduction_pairs(result: LoadTestResult) -> list[tuple[str, str]]:
    """What it takes to run it again, and to know whether another run is comparable."""
    environment = result.environment
    return [
        ("Run", result.run_id),
        ("Profile", result.profile),
        ("Target", result.target),
        ("Began", second_text(result.started_at)),
        ("Ended", second_text(result.finished_at)),
        ("Time of the generator", f"{result.generator_s:.0f} s"),
        ("Attempts per unit", f"at most {result.attempts}"),
        ("Environment", environment.fingerprint),
        ("Processor", f"{environment.cpu_model}, {environment.cores} cores"),
        ("Memory", quantity(environment.memory_bytes, "B")),
        ("k6", environment.k6_version),
        ("Scenario scripts", environment.script_digest),
        ("Language model", environment.llm or "not named"),
        ("onyx-pipelines", __version__),
        *environment.facts.items(),
    ]


def bottleneck_lines(result: LoadTestResult) -> list[str]:
    """One sentence per scenario, with the first remedy."""
    return [_bottleneck_line(each) for each in result.attributions]


def _bottleneck_line(attribution: Attribution) -> str:
    line = f"{words(attribution.scenario)}: {sentences.summary(attribution)}"
    if attribution.remedies:
        line += f" First remedy: {sentences.advice(attribution.remedies[0]).action}"
    return line


def gain_text(gain: PredictedGain) -> str:
    expected = quantity(gain.predicted, gain.unit)
    within = interval_text(gain.interval, gain.unit)
    return f"{gain.name}: {quantity(gain.now, gain.unit)} → {expected}" + (
        f" ({within})" if within else ""
    )

"""Results in words and round numbers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from onyx_pipelines.load_test.attribution.parts import FIXED_PARTS, hop_part
from onyx_pipelines.load_test.results import (
    Attribution,
    CauseKind,
    ChangeKind,
    Interval,
    LatencySummary,
    LoadTestResult,
    LoadVerdict,
    Objective,
    PredictedGain,
    Scenario,
)

TIMES: Final = "\N{MULTIPLICATION SIGN}"
NOT_KNOWN: Final = "not known"
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
CHANGES: Final = {
    ChangeKind.REGRESSED: "regressed",
    ChangeKind.IMPROVED: "improved",
    ChangeKind.UNCHANGED: "unchanged",
    ChangeKind.INCONCLUSIVE: "inconclusive",
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


def verdict_role(verdict: LoadVerdict) -> str:
    """The role in the palette, and the class of a page's element."""
    return verdict.value


def scenario_name(scenario: Scenario) -> str:
    return scenario.value.replace("_", " ")


def summary_name(summary: LatencySummary) -> str:
    return f"{scenario_name(summary.scenario)}, {summary.measure.value.replace('_', ' ')}"


def milliseconds(value: float | None) -> str:
    """Three figures at most: `87 ms`, `1.53 s`."""
    if value is None:
        return NOT_KNOWN
    if value < 10:
        return f"{value:.1f} ms"
    if value < 1000:
        return f"{value:.0f} ms"
    return f"{value / 1000:.2f} s"


def quantity(value: float | None, unit: str) -> str:
    if value is None:
        return NOT_KNOWN
    if unit == "ms":
        return milliseconds(value)
    if unit == "B":
        return f"{value / 2**30:.2f} GiB"
    return f"{value:,.1f} {unit}"


def interval_text(interval: Interval | None, unit: str = "ms") -> str:
    """Empty without one; an open end says so."""
    if interval is None:
        return ""
    low = "any" if interval.low is None else quantity(interval.low, unit)
    high = "any" if interval.high is None else quantity(interval.high, unit)
    return f"{low} to {high}"


def ratio_text(ratio: float | None, interval: Interval | None) -> str:
    if ratio is None:
        return NOT_KNOWN
    if interval is None or interval.low is None or interval.high is None:
        return f"{ratio:.2f}{TIMES}"
    return f"{ratio:.2f}{TIMES} ({interval.low:.2f} to {interval.high:.2f})"


def part_name(part: str) -> str:
    """`qdrant_gap` in words."""
    hop = hop_part(part)
    if hop is not None:
        return f"{hop.hop}: {_ROLES[hop.role]}"
    return _PARTS.get(part, part)


def in_order(parts: Sequence[str]) -> list[str]:
    """As a request passes through them: to the application, its calls, itself, back."""
    before = [part for part in FIXED_PARTS[:6] if part in parts]
    after = [part for part in FIXED_PARTS[6:] if part in parts]
    calls = sorted(part for part in parts if part not in FIXED_PARTS)
    return [*before, *calls, *after]


def headline(result: LoadTestResult) -> str:
    """The verdict's reason in one or two sentences."""
    verdict = result.verdict
    if verdict is LoadVerdict.INVALID:
        return f"{MEANINGS[verdict]} Not met: {'; '.join(result.validity.reasons)}."
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


def bottleneck_lines(result: LoadTestResult) -> list[str]:
    """One sentence per scenario, with the first remedy."""
    return [_bottleneck_line(each) for each in result.attributions]


def _bottleneck_line(attribution: Attribution) -> str:
    line = f"{scenario_name(attribution.scenario)}: {attribution.summary}"
    if attribution.remedies:
        line += f" First remedy: {attribution.remedies[0].action}"
    return line


def gain_text(gain: PredictedGain) -> str:
    expected = quantity(gain.predicted, gain.unit)
    within = interval_text(gain.interval, gain.unit)
    return f"{gain.name}: {quantity(gain.now, gain.unit)} → {expected}" + (
        f" ({within})" if within else ""
    )

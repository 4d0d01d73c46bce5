"""What things are called, and figures in round numbers. Pure; the words are in words.toml."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from onyx_pipelines import __version__
from onyx_pipelines.core.text import (
    NOT_KNOWN,
    duration_text,
    gigabytes_text,
    latency_text,
    second_text,
    words,
)
from onyx_pipelines.load_test.part import FIXED_PARTS, Part
from onyx_pipelines.load_test.results import (
    Change,
    Interval,
    LatencySummary,
    LoadTestResult,
    Objective,
    PredictedGain,
)

TIMES: Final = "\N{MULTIPLICATION SIGN}"
WORDS: Final[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("words.toml").read_text(encoding="utf-8")
)


def summary_name(summary: LatencySummary) -> str:
    """ "chat, first token": what was asked, and which of its times."""
    return f"{words(summary.scenario)}, {words(summary.measure)}"


def quantity(value: float | None, unit: str) -> str:
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    if unit == "ms":
        return latency_text(value)
    return gigabytes_text(value) if unit == "B" else f"{value:,.1f} {unit}".strip()


def interval_text(interval: Interval | None, unit: str = "ms") -> str:
    """Empty without one; an end that the data do not bound is left out."""
    if interval is None or (interval.low is None and interval.high is None):
        return ""
    if interval.low is None:
        return f"at most {quantity(interval.high, unit)}"
    if interval.high is None:
        return f"at least {quantity(interval.low, unit)}"
    return f"{quantity(interval.low, unit)} to {quantity(interval.high, unit)}"


def within(interval: Interval | None, unit: str = "ms") -> str:
    """The interval in brackets behind its figure, or nothing."""
    text = interval_text(interval, unit)
    return f" ({text})" if text else ""


def ratio_text(ratio: float | None, interval: Interval | None) -> str:
    if ratio is None or not math.isfinite(ratio):
        return NOT_KNOWN
    if interval is None or interval.low is None or interval.high is None:
        return f"{ratio:.2f}{TIMES}"
    return f"{ratio:.2f}{TIMES} ({interval.low:.2f} to {interval.high:.2f})"


def part_name(part: str) -> str:
    """A part of the latency in words: `qdrant_gap` is network and queue before Qdrant."""
    known, names = Part(part), WORDS["parts"]
    if known.is_of_call:
        return f"{known.owner.service}: {names[known.owner.role]}"
    return str(names[part]) if known in FIXED_PARTS else part


def in_order(parts: Sequence[Part]) -> list[Part]:
    """As a request passes through them: to the application, its calls, itself, back."""
    before = [part for part in FIXED_PARTS[:6] if part in parts]
    after = [part for part in FIXED_PARTS[6:] if part in parts]
    return [*before, *sorted(part for part in parts if part not in FIXED_PARTS), *after]


def objective_text(objective: Objective) -> str:
    """`chat p95 170 ms of 1.50 s`."""
    measured, target = (quantity(v, objective.unit) for v in (objective.measured, objective.target))
    return f"{objective.name} {measured} of {target}"


def gap_text(summary: LatencySummary) -> str:
    """The longest time without an answer."""
    gap_s = summary.longest_gap_s
    return latency_text(None if gap_s is None else 1000 * gap_s)


def change_of(result: LoadTestResult, summary: LatencySummary, q: float) -> Change | None:
    """The comparison of this percentile, where there is one (names: `analysis.comparison`)."""
    name = f"{summary.scenario.value} {summary.measure.value} p{100 * q:g}"
    return next((each for each in result.comparison.changes if each.name == name), None)


def gain_text(gain: PredictedGain) -> str:
    now, then = (quantity(value, gain.unit) for value in (gain.now, gain.predicted))
    return f"{gain.name}: {now} → {then}{within(gain.interval, gain.unit)}"


def reproduction_pairs(result: LoadTestResult) -> list[tuple[str, str]]:
    """What it takes to run it again, and to know whether another run is comparable."""
    environment = result.environment
    return [
        ("Run", result.run_id),
        ("Profile", result.profile),
        ("Target", result.target),
        ("Began", second_text(result.started_at)),
        ("Ended", second_text(result.finished_at)),
        ("Time of the generator", duration_text(result.generator_s)),
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

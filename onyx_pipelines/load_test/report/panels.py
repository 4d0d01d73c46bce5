"""What the charts of a load test show, one panel for each scenario. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binom

from onyx_pipelines.load_test.analysis.latencies import (
    answered,
    measured_ms,
    of_block,
    whole_ms,
)
from onyx_pipelines.load_test.capacity.fitting import steps_of
from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.report.wording import in_order, part_name, words
from onyx_pipelines.load_test.results import (
    Block,
    Capacity,
    LoadTestResult,
    Measure,
    Scenario,
    SweepStep,
)
from onyx_pipelines.load_test.statistics.percentiles import samples_needed
from onyx_pipelines.reporting.charts.panel import (
    Band,
    Bars,
    Dots,
    Layer,
    Level,
    Line,
    Panel,
    Span,
    Upright,
)
from onyx_pipelines.reporting.charts.ticks import Tick

TARGET_USERS: Final = 20
_SHOWN: Final = (0.5, 0.9, 0.95, 0.99, 0.999)
_POINTS: Final = 120
_TAIL: Final = 0.025
_FAR_ABOVE: Final = 2.5
_MOST_PARTS: Final = 6
_OTHER: Final = "all else"
_MOST_DOTS: Final = 500
_MOST_FAILURES: Final = 200
_FEWEST_FOR_P95: Final = 5
OVER_TIME_KEY: Final = (
    ("series-5", "an answer"),
    ("series-1", "p50 of a second"),
    ("series-2", "p95 of a second"),
    ("muted", "users (right)"),
    ("failed", "failed"),
    ("band", "warm-up"),
)
_Values = npt.NDArray[np.floating[Any]]


def spectrum(
    result: LoadTestResult, samples: pd.DataFrame, targets_ms: Mapping[Scenario, float]
) -> list[Panel]:
    """Every percentile that the samples support, with its band; `targets_ms` where there is one."""
    scenarios = dict.fromkeys(each.scenario for each in result.summaries if each.samples > 1)
    return [_spectrum(result, samples, each, targets_ms.get(each)) for each in scenarios]


def _spectrum(
    result: LoadTestResult, samples: pd.DataFrame, scenario: Scenario, target_ms: float | None
) -> Panel:
    mine = of_block(samples, scenario, Block.BASELINE)
    measures = [each.measure for each in result.summaries if each.scenario is scenario]
    layers: list[Layer] = []
    highest, top = 0.9, 1.0
    for at, measure in enumerate(measures):
        values = np.sort(measured_ms(mine, measure))
        if len(values) < 2:
            continue
        most = max((q for q in _SHOWN if samples_needed(q) <= len(values)), default=0.9)
        line, band = _percentiles(values, most, f"series-{at + 1}", measure)
        layers += [band, line]
        highest, top = max(highest, most), max(top, 1.05 * float(max(band.high)))
    if target_ms is not None:
        # A line where it can be seen; far above the data only words, or the data would be a line.
        is_near = target_ms < _FAR_ABOVE * top
        top = max(top, 1.12 * target_ms) if is_near else top
        text = f"objective {target_ms:.0f} ms" + ("" if is_near else " (far above)")
        layers.append(Level(target_ms if is_near else None, "failed", text))
    return Panel(
        words(scenario),
        "percentile",
        "ms",
        layers,
        x_ticks=[Tick(1 / (1 - q), f"p{100 * q:g}") for q in _SHOWN if q <= highest],
        top=top,
        is_log=True,
    )


def _percentiles(values: _Values, most: float, role: str, measure: Measure) -> tuple[Line, Band]:
    qs = 1 - 1 / np.geomspace(1.25, 1 / (1 - most), _POINTS)
    count = len(values)
    low = np.clip(binom.ppf(_TAIL, count, qs).astype(int), 1, count) - 1
    high = np.clip(binom.ppf(1 - _TAIL, count, qs).astype(int) + 1, 1, count) - 1
    xs = 1 / (1 - qs)
    label = f"{words(measure)} (n={count})"
    return Line(xs, np.quantile(values, qs), role, label), Band(xs, values[low], values[high], role)


def throughput(result: LoadTestResult) -> list[Panel]:
    """What was measured, what the queue model says, where the knee is."""
    scenarios = dict.fromkeys(step.scenario for step in result.sweep if step.samples)
    capacities = {each.scenario: each for each in result.capacities}
    return [_throughput(result, each, capacities.get(each)) for each in scenarios]


def _throughput(result: LoadTestResult, scenario: Scenario, capacity: Capacity | None) -> Panel:
    steps = [step for step in steps_of(result.sweep, scenario) if step.samples]
    rates = [step.throughput_per_s for step in steps]
    users = [step.users for step in steps]
    # What the model says is possible must be seen where it is above all that was measured.
    if capacity is not None:
        rates_of_model = (capacity.max_throughput_per_s or 0.0, *capacity.model_throughput_per_s)
        top = max(*rates, *rates_of_model)
    else:
        top = max(rates)
    return Panel(
        words(scenario),
        "users at a time",
        "answers per second",
        [
            *(_model(capacity, top) if capacity is not None else ()),
            Dots(users, rates, "series-1", "measured"),
            Upright(TARGET_USERS, "series-3", f"{TARGET_USERS} users"),
        ],
        x_ticks=[Tick(each, str(each)) for each in _apart(users)],
        x_limits=(0, max(*users, TARGET_USERS) * 1.05),
        top=1.35 * top or 1.0,
    )


def _model(capacity: Capacity, top: float) -> Iterator[Layer]:
    if capacity.model_users:
        yield Line(capacity.model_users, capacity.model_throughput_per_s, "series-2", "queue model")
    last = capacity.model_users[-1] if capacity.model_users else 1.0
    alone_s = capacity.base_ms / 1000
    if alone_s > 0:
        ends = [0, min(last, 1.3 * top * alone_s)]
        yield Line(ends, [0, min(last / alone_s, 1.3 * top)], "muted", width=0.9, style=":")
    if capacity.max_throughput_per_s is not None:
        yield Level(capacity.max_throughput_per_s, "muted", style=":")
    if capacity.knee_users is None:
        return
    interval = capacity.knee_interval
    if interval is not None and interval.low is not None and interval.high is not None:
        yield Span(interval.low, interval.high)
    yield Upright(capacity.knee_users, "ink", f"knee {capacity.knee_users:.1f}", "--", 24)


def _apart(users: Sequence[int]) -> list[int]:
    """Those that were run, but none that would run into the one before."""
    kept: list[int] = []
    for number in sorted(set(users)):
        if not kept or (number - kept[-1]) / max(users) > 0.08:
            kept.append(number)
    return kept


def budget(result: LoadTestResult) -> list[Panel]:
    """Where the time of a request goes: parts that exclude each other, coloured alike in all."""
    return [
        _budget([step for step in steps_of(result.sweep, each) if step.parts], each, result)
        for each in dict.fromkeys(step.scenario for step in result.sweep if step.parts)
    ]


def _budget(steps: list[SweepStep], scenario: Scenario, result: LoadTestResult) -> Panel:
    named = _named(result)
    bottoms = [0.0] * len(steps)
    layers = []
    for at, part in enumerate([*named, _OTHER]):
        heights = [_height(step, part, named) for step in steps]
        if any(heights):
            is_other = part == _OTHER
            role = "series-8" if is_other else f"series-{at + 1}"
            layers.append(Bars(list(bottoms), heights, role, hatched=is_other))
        bottoms = [low + height for low, height in zip(bottoms, heights, strict=True)]
    ticks = [Tick(at, str(step.users)) for at, step in enumerate(steps)]
    return Panel(words(scenario), "users at a time", "mean ms", layers, x_ticks=ticks)


def budget_key(result: LoadTestResult) -> list[tuple[str, str]]:
    """Colour role and name of each part."""
    keys = [(f"series-{at + 1}", part_name(part)) for at, part in enumerate(_named(result))]
    return [*keys, ("series-8", _OTHER)] if keys else []


def _named(result: LoadTestResult) -> list[Part]:
    """The parts that matter most at any step, in the order of a request."""
    largest: dict[Part, float] = {}
    for step in result.sweep:
        for part, spent in step.parts.items():
            share = spent / step.mean_ms if step.mean_ms else 0.0
            largest[part] = max(largest.get(part, 0.0), share)
    top = sorted(largest, key=lambda part: (-largest[part], part.owner.service))[:_MOST_PARTS]
    return in_order([part for part in top if largest[part] >= 0.02])


def _height(step: SweepStep, part: str, named: list[Part]) -> float:
    if part != _OTHER:
        return step.parts.get(Part(part), 0.0)
    return max(0.0, step.mean_ms - sum(step.parts.get(each, 0.0) for each in named))


def over_time(samples: pd.DataFrame) -> list[Panel]:
    """Latency over the seconds of the whole test, with the users at work and the errors."""
    present = set(samples["scenario"].unique())
    begin_ms = float(samples["started_ms"].min()) if present else 0.0
    return [
        _over_time(samples[samples["scenario"] == each.value], each, begin_ms)
        for each in Scenario
        if each.value in present
    ]


def _over_time(mine: pd.DataFrame, scenario: Scenario, begin_ms: float) -> Panel:
    fine = answered(mine).sort_values("ended_ms")
    at_s = (fine["ended_ms"].to_numpy() - begin_ms) / 1000
    latency = whole_ms(fine).to_numpy()
    some = slice(None, None, max(1, len(fine) // _MOST_DOTS))
    layers: list[Layer] = [Dots(at_s[some], latency[some], "series-5", size=2, opacity=0.45)]
    layers += _per_second(at_s, latency)
    failed = mine[~mine["status"].between(200, 299)]
    if len(failed):
        ticks = (failed["ended_ms"].to_numpy() - begin_ms) / 1000
        kept = ticks[:: max(1, len(ticks) // _MOST_FAILURES)]
        layers.append(Dots(kept, np.zeros(len(kept)), "failed", marker="|", size=9))
    warm = mine[mine["block"] == Block.WARM_UP.value]
    if len(warm):
        ends = float(warm["started_ms"].min()), float(warm["ended_ms"].max())
        layers.append(Span((ends[0] - begin_ms) / 1000, (ends[1] - begin_ms) / 1000))
    return Panel(
        words(scenario) + (f" ({len(failed)} failed)" if len(failed) else ""),
        "seconds",
        "ms",
        layers,
        right=_users(mine, begin_ms),
        top=max(1.0, float(np.quantile(latency, 0.995)) * 1.25) if len(latency) else 1.0,
    )


def _per_second(at_s: _Values, latency: _Values) -> Iterator[Line]:
    """A gap where nothing was answered, so that no line crosses a pause."""
    if not len(at_s):
        return
    frame = pd.DataFrame({"second": at_s.astype(int), "ms": latency})
    seconds = np.arange(int(at_s.max()) + 1)
    groups = frame.groupby("second")["ms"]
    counts = groups.size()
    for q, role in ((0.5, "series-1"), (0.95, "series-2")):
        line = groups.quantile(q).where(counts >= _FEWEST_FOR_P95).reindex(seconds)
        if not line.isna().all():
            yield Line(seconds + 0.5, line.to_numpy(), role)


def _users(mine: pd.DataFrame, begin_ms: float) -> Line:
    """Steps of the users at work, zero between two units."""
    units = mine.groupby(["block", "repeat", "users"]).agg(
        begun=("started_ms", "min"), ended=("ended_ms", "max")
    )
    units = units.sort_values("begun")
    at_s = (units[["begun", "ended"]].to_numpy().ravel() - begin_ms) / 1000
    at_work = units.index.get_level_values("users")
    users = np.column_stack([at_work, np.zeros(len(units))]).ravel()
    return Line(at_s, users, "muted", width=1.0)

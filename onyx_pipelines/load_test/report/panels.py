"""The charts of a load test, a plot for each scenario. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binom

from onyx_pipelines.core.text import latency_text
from onyx_pipelines.load_test.analysis.latencies import (
    answered,
    measured_ms,
    of_block,
    whole_ms,
)
from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.report.formatting import in_order, part_name, words
from onyx_pipelines.load_test.results import (
    Block,
    Capacity,
    LoadTestResult,
    Scenario,
    SweepStep,
)
from onyx_pipelines.load_test.statistics.percentiles import samples_needed
from onyx_pipelines.reporting.plots import (
    Axis,
    Plot,
    Point,
    Shape,
    between,
    box,
    from_zero,
    level,
    upright,
)
from onyx_pipelines.reporting.ticks import Tick

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
_BROKEN: Final = (float("nan"), float("nan"))
_Values = npt.NDArray[np.floating[Any]]


def spectrum(
    result: LoadTestResult, samples: pd.DataFrame, targets_ms: Mapping[Scenario, float]
) -> list[Plot]:
    """Every percentile that the samples support, with its band; `targets_ms` where there is one."""
    values: dict[Scenario, dict[str, _Values]] = {}
    for each in result.summaries:
        mine = of_block(samples, each.scenario, Block.BASELINE)
        sorted_ms = np.sort(measured_ms(mine, each.measure))
        if len(sorted_ms) > 1:
            name = f"{words(each.measure)} (n={len(sorted_ms)})"
            values.setdefault(each.scenario, {})[name] = sorted_ms
    return [_spectrum(words(name), mine, targets_ms.get(name)) for name, mine in values.items()]


def _spectrum(title: str, values: Mapping[str, _Values], target_ms: float | None) -> Plot:
    most = max(len(sorted_ms) for sorted_ms in values.values())
    ticks = [q for q in _SHOWN if q == _SHOWN[0] or samples_needed(q) <= most]
    shapes = [
        shape
        for at, (name, sorted_ms) in enumerate(values.items(), start=1)
        for shape in _percentiles(sorted_ms, f"series-{at}", name)
    ]
    top = 1.05 * max(y for shape in shapes for _, y in shape.points)
    x = Axis(
        1.25,
        1 / (1 - max(0.9, *ticks)),
        [Tick(1 / (1 - q), f"p{100 * q:g}") for q in ticks],
        is_log=True,
    )
    if target_ms is not None:
        # Far above there are only words, or the data would be a line.
        is_near = target_ms < _FAR_ABOVE * top
        top = max(top, 1.12 * target_ms) if is_near else top
        name = f"objective {latency_text(target_ms)}{'' if is_near else ' (far above)'}"
        line = level(target_ms, x, "failed", name)
        shapes.append(line if is_near else Shape("dashed", "failed", (), name))
    return Plot(title, "ms by percentile", x, from_zero(top), shapes)


def _percentiles(values: _Values, role: str, name: str) -> list[Shape]:
    count = len(values)
    most = max((q for q in _SHOWN if samples_needed(q) <= count), default=0.9)
    xs = np.geomspace(1.25, 1 / (1 - most), _POINTS)
    qs = 1 - 1 / xs
    low = np.clip(binom.ppf(_TAIL, count, qs).astype(int), 1, count) - 1
    high = np.clip(binom.ppf(1 - _TAIL, count, qs).astype(int) + 1, 1, count) - 1
    return [
        Shape("band", role, between(xs, values[low], values[high])),
        Shape("line", role, [*zip(xs, np.quantile(values, qs), strict=True)], name),
    ]


def throughput(result: LoadTestResult) -> list[Plot]:
    """What was measured, what the queue model says, where the knee is."""
    capacities = {each.scenario: each for each in result.capacities}
    steps = _by_scenario(step for step in result.sweep if step.samples)
    return [_throughput(words(name), mine, capacities.get(name)) for name, mine in steps.items()]


def _by_scenario(steps: Iterable[SweepStep]) -> dict[Scenario, list[SweepStep]]:
    """Each one's, the fewest users first."""
    found: dict[Scenario, list[SweepStep]] = {}
    for step in steps:
        found.setdefault(step.scenario, []).append(step)
    return {name: sorted(mine, key=lambda step: step.users) for name, mine in found.items()}


def _throughput(title: str, steps: Sequence[SweepStep], capacity: Capacity | None) -> Plot:
    measured = [(step.users, step.throughput_per_s) for step in steps]
    top = max(rate for _, rate in measured)
    if capacity is not None:
        # What the model says is possible must be seen where it is above all that was measured.
        top = max(top, capacity.max_throughput_per_s or 0.0, *capacity.model_throughput_per_s)
    x, y = from_zero(max(steps[-1].users, TARGET_USERS) * 1.05), from_zero(1.1 * top)
    shapes = [
        *(_model(capacity, x, y) if capacity else ()),
        upright(TARGET_USERS, y, "series-3", f"{TARGET_USERS} users"),
        Shape("dots", "series-1", measured, "measured"),
    ]
    return Plot(title, "answers per second by users at a time", x, y, shapes)


def _model(capacity: Capacity, x: Axis, y: Axis) -> Iterator[Shape]:
    knee, interval = capacity.knee_users, capacity.knee_interval
    if knee is not None and interval and interval.low is not None and interval.high is not None:
        yield Shape("area", "band", box(interval.low, interval.high, y.low, y.high))
    if capacity.base_ms > 0:
        users = min(x.high, y.high * capacity.base_ms / 1000)
        yield Shape("dotted", "muted", [(0, 0), (users, users * 1000 / capacity.base_ms)])
    if capacity.max_throughput_per_s is not None:
        yield level(capacity.max_throughput_per_s, x, "muted", kind="dotted")
    if capacity.model_users:
        line = zip(capacity.model_users, capacity.model_throughput_per_s, strict=True)
        yield Shape("line", "series-2", [*line], "queue model")
    if knee is not None:
        yield upright(knee, y, "ink", f"knee {knee:.1f}", kind="dashed")


def budget(result: LoadTestResult) -> list[Plot]:
    """Where the time of a request goes: parts that exclude each other, coloured alike in all."""
    named = _named(result)
    steps = _by_scenario(step for step in result.sweep if step.parts)
    return [_budget(words(name), mine, named) for name, mine in steps.items()]


def _budget(title: str, steps: Sequence[SweepStep], named: Sequence[Part]) -> Plot:
    bottoms, shapes = np.zeros(len(steps)), []
    for at, part in enumerate([*named, None], start=1):
        tops = bottoms + [_height(step, part, named) for step in steps]
        bars = zip(bottoms, tops, strict=True)
        boxes = [(*box(n + 0.14, n + 0.86, *bar), _BROKEN) for n, bar in enumerate(bars)]
        role, name = (f"series-{at}", part_name(part)) if part else ("series-8", _OTHER)
        shapes.append(Shape("area", role, [point for each in boxes for point in each], name))
        bottoms = tops
    ticks = [Tick(n + 0.5, str(step.users)) for n, step in enumerate(steps)]
    x = Axis(0, len(steps), ticks)
    return Plot(title, "mean ms by users at a time", x, from_zero(1.05 * bottoms.max()), shapes)


def _named(result: LoadTestResult) -> list[Part]:
    """The parts that matter most at any step, in the order of a request."""
    largest: dict[Part, float] = {}
    for step in result.sweep:
        for part, spent in step.parts.items():
            share = spent / step.mean_ms if step.mean_ms else 0.0
            largest[part] = max(largest.get(part, 0.0), share)
    top = sorted(largest, key=lambda part: (-largest[part], part.owner.service))[:_MOST_PARTS]
    return in_order([part for part in top if largest[part] >= 0.02])


def _height(step: SweepStep, part: Part | None, named: Sequence[Part]) -> float:
    if part is not None:
        return step.parts.get(part, 0.0)
    return max(0.0, step.mean_ms - sum(step.parts.get(each, 0.0) for each in named))


def over_time(samples: pd.DataFrame) -> list[Plot]:
    """Latency over the seconds of the whole test, with the users at work and the errors."""
    begin_ms = float(samples["started_ms"].min())
    end_s = (float(samples["ended_ms"].max()) - begin_ms) / 1000
    found = []
    for scenario in Scenario:
        mine = samples[samples["scenario"] == scenario.value]
        if len(mine):
            at_s = mine[["started_ms", "ended_ms"]].sub(begin_ms).div(1000)
            mine = mine.assign(begun_s=at_s["started_ms"], ended_s=at_s["ended_ms"])
            found.append(_over_time(words(scenario), mine, from_zero(end_s)))
    return found


def _over_time(title: str, mine: pd.DataFrame, x: Axis) -> Plot:
    fine = answered(mine).sort_values("ended_s")
    at_s, latency = fine["ended_s"].to_numpy(), whole_ms(fine).to_numpy()
    y = from_zero(max(1.0, 1.25 * float(np.quantile(latency, 0.995))) if len(latency) else 1.0)
    some = slice(None, None, max(1, len(fine) // _MOST_DOTS))
    failed = mine[~mine["status"].between(200, 299)]["ended_s"].to_numpy()
    warm = mine[mine["block"] == Block.WARM_UP.value]
    users = _users(mine)
    right = from_zero(1.1 * max(number for _, number in users))
    shapes = [
        Shape("line", "muted", [(t, n / right.high * y.high) for t, n in users], "users (right)"),
        Shape("dots", "series-5", [*zip(at_s[some], latency[some], strict=True)], "an answer"),
        *_per_second(at_s, latency),
    ]
    if len(failed):
        marks = [
            ((second, 0.0), (second, 0.05 * y.high), _BROKEN)
            for second in failed[:: max(1, len(failed) // _MOST_FAILURES)]
        ]
        points = [point for mark in marks for point in mark]
        shapes.append(Shape("line", "failed", points, "failed"))
        title = f"{title} ({len(failed)} failed)"
    if len(warm):
        range_s = box(warm["begun_s"].min(), warm["ended_s"].max(), y.low, y.high)
        shapes.insert(0, Shape("area", "band", range_s, "warm-up"))
    return Plot(title, "ms by seconds", x, y, shapes, right)


def _per_second(at_s: _Values, latency: _Values) -> Iterator[Shape]:
    """A gap where nothing was answered, so that no line crosses a pause."""
    if not len(at_s):
        return
    frame = pd.DataFrame({"second": at_s.astype(int), "ms": latency})
    seconds = np.arange(int(at_s.max()) + 1)
    groups = frame.groupby("second")["ms"]
    counts = groups.size()
    for q, role in ((0.5, "series-1"), (0.95, "series-2")):
        line = groups.quantile(q).where(counts >= _FEWEST_FOR_P95).reindex(seconds)
        points = [*zip(seconds + 0.5, line, strict=True)]
        yield Shape("line", role, points, f"p{100 * q:g} of a second")


def _users(mine: pd.DataFrame) -> list[Point]:
    """The users at work, zero between two units."""
    units = mine.groupby(["block", "repeat", "users"]).agg(
        begun=("begun_s", "min"), ended=("ended_s", "max")
    )
    units = units.sort_values("begun").reset_index()
    return [
        point
        for begun, ended, number in zip(units["begun"], units["ended"], units["users"], strict=True)
        for point in ((begun, 0.0), (begun, number), (ended, number), (ended, 0.0))
    ]

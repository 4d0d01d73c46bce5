"""The charts of a load test, one panel for each scenario."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import binom

from onyx_pipelines.core.text import latency_text, words
from onyx_pipelines.load_test.analysis.latencies import (
    answered,
    measured_ms,
    of_block,
    whole_ms,
)
from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.report.formatting import in_order, part_name
from onyx_pipelines.load_test.results import (
    Block,
    Capacity,
    LoadTestResult,
    Measure,
    Scenario,
    SweepStep,
)
from onyx_pipelines.load_test.statistics.percentiles import samples_needed
from onyx_pipelines.reporting.charts.canvas import FONT_PX
from onyx_pipelines.reporting.charts.panel import Key, Panel
from onyx_pipelines.reporting.palette import LIGHT

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
    values: dict[Scenario, dict[Measure, _Values]] = {}
    for each in result.summaries:
        mine = of_block(samples, each.scenario, Block.BASELINE)
        if each.samples > 1:
            sorted_ms = np.sort(measured_ms(mine, each.measure))
            values.setdefault(each.scenario, {})[each.measure] = sorted_ms
    return [
        Panel(words(name), "percentile", "ms", partial(_fill_spectrum, mine, targets_ms.get(name)))
        for name, mine in values.items()
    ]


def _fill_spectrum(values: Mapping[Measure, _Values], target_ms: float | None, axes: Axes) -> Key:
    highest, key = 0.9, []
    for at, (measure, sorted_ms) in enumerate(values.items(), start=1):
        if len(sorted_ms) > 1:
            most = max((q for q in _SHOWN if samples_needed(q) <= len(sorted_ms)), default=0.9)
            highest = max(highest, most)
            _draw_percentiles(axes, sorted_ms, most, LIGHT[f"series-{at}"])
            key.append((f"series-{at}", f"{words(measure)} (n={len(sorted_ms)})"))
    top = axes.get_ylim()[1]
    if target_ms is not None:
        # Far above there are only words, or the data would be a line.
        is_near = target_ms < _FAR_ABOVE * top
        if is_near:
            top = max(top, 1.12 * target_ms)
            axes.axhline(target_ms, color=LIGHT["failed"], linewidth=1.2, linestyle="--")
        name = f"objective {latency_text(target_ms)}"
        key.append(("failed", name if is_near else f"{name} (far above)"))
    axes.set_ylim(0, top)
    axes.set_xscale("log")
    ticks = [q for q in _SHOWN if q <= highest]
    axes.set_xticks([1 / (1 - q) for q in ticks], [f"p{100 * q:g}" for q in ticks])
    return key


def _draw_percentiles(axes: Axes, values: _Values, most: float, colour: str) -> None:
    qs = 1 - 1 / np.geomspace(1.25, 1 / (1 - most), _POINTS)
    count = len(values)
    low = np.clip(binom.ppf(_TAIL, count, qs).astype(int), 1, count) - 1
    high = np.clip(binom.ppf(1 - _TAIL, count, qs).astype(int) + 1, 1, count) - 1
    xs = 1 / (1 - qs)
    axes.fill_between(xs, values[low], values[high], color=colour, alpha=0.22, linewidth=0)
    axes.plot(xs, np.quantile(values, qs), color=colour, linewidth=1.8)


def throughput(result: LoadTestResult) -> list[Panel]:
    """What was measured, what the queue model says, where the knee is."""
    capacities = {each.scenario: each for each in result.capacities}
    steps = _by_scenario(step for step in result.sweep if step.samples)
    return [
        Panel(
            words(name),
            "users at a time",
            "answers per second",
            partial(_fill_throughput, mine, capacities.get(name)),
        )
        for name, mine in steps.items()
    ]


def _by_scenario(steps: Iterable[SweepStep]) -> dict[Scenario, list[SweepStep]]:
    """Each one's, the fewest users first."""
    found: dict[Scenario, list[SweepStep]] = {}
    for step in steps:
        found.setdefault(step.scenario, []).append(step)
    return {name: sorted(mine, key=lambda step: step.users) for name, mine in found.items()}


def _fill_throughput(steps: Sequence[SweepStep], capacity: Capacity | None, axes: Axes) -> Key:
    users = [step.users for step in steps]
    rates = [step.throughput_per_s for step in steps]
    top = max(rates)
    key = [("series-1", "measured"), ("series-3", f"{TARGET_USERS} users")]
    if capacity is not None:
        # What the model says is possible must be seen where it is above all that was measured.
        top = max(top, capacity.max_throughput_per_s or 0.0, *capacity.model_throughput_per_s)
        key += _draw_model(axes, capacity, top)
    axes.plot(users, rates, "o", markersize=6, color=LIGHT["series-1"], zorder=3)
    axes.axvline(TARGET_USERS, color=LIGHT["series-3"], linewidth=1.1)
    axes.set_xlim(0, max(*users, TARGET_USERS) * 1.05)
    axes.set_ylim(0, 1.1 * top or 1.0)
    # Of the numbers that were run, none that would run into the one before.
    kept: list[int] = []
    for number in sorted(set(users)):
        if not kept or (number - kept[-1]) / max(users) > 0.08:
            kept.append(number)
    axes.set_xticks(kept)
    return key


def _draw_model(axes: Axes, capacity: Capacity, top: float) -> Iterator[tuple[str, str]]:
    users, rates = capacity.model_users, capacity.model_throughput_per_s
    if users:
        axes.plot(users, rates, color=LIGHT["series-2"], linewidth=1.6)
        yield "series-2", "queue model"
    last = users[-1] if users else 1.0
    alone_s = capacity.base_ms / 1000
    if alone_s > 0:
        ends = [0, min(last, 1.1 * top * alone_s)], [0, min(last / alone_s, 1.1 * top)]
        axes.plot(*ends, color=LIGHT["muted"], linewidth=0.9, linestyle=":")
    if capacity.max_throughput_per_s is not None:
        most = capacity.max_throughput_per_s
        axes.axhline(most, color=LIGHT["muted"], linewidth=0.9, linestyle=":")
    knee, interval = capacity.knee_users, capacity.knee_interval
    if knee is None:
        return
    if interval is not None and interval.low is not None and interval.high is not None:
        axes.axvspan(interval.low, interval.high, color=LIGHT["band"], zorder=0)
    axes.axvline(knee, color=LIGHT["ink"], linewidth=1.1, linestyle="--")
    yield "ink", f"knee {knee:.1f}"


def budget(result: LoadTestResult) -> list[Panel]:
    """Where the time of a request goes: parts that exclude each other, coloured alike in all."""
    named = _named(result)
    steps = _by_scenario(step for step in result.sweep if step.parts)
    return [
        Panel(words(name), "users at a time", "mean ms", partial(_fill_budget, mine, named))
        for name, mine in steps.items()
    ]


def _fill_budget(steps: Sequence[SweepStep], named: Sequence[Part], axes: Axes) -> Key:
    bottoms = np.zeros(len(steps))
    for at, part in enumerate([*named, _OTHER]):
        is_other = part == _OTHER
        heights = np.array([_height(step, part, named) for step in steps])
        axes.bar(
            range(len(steps)),
            heights,
            bottom=bottoms,
            width=0.72,
            color=LIGHT["series-8" if is_other else f"series-{at + 1}"],
            hatch="///" if is_other else None,
            edgecolor=LIGHT["surface"],
            linewidth=0.5,
        )
        bottoms += heights
    axes.set_xticks(range(len(steps)), [str(step.users) for step in steps])
    return []


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


def _height(step: SweepStep, part: str, named: Sequence[Part]) -> float:
    if part != _OTHER:
        return step.parts.get(Part(part), 0.0)
    return max(0.0, step.mean_ms - sum(step.parts.get(each, 0.0) for each in named))


def over_time(samples: pd.DataFrame) -> list[Panel]:
    """Latency over the seconds of the whole test, with the users at work and the errors."""
    found = []
    for scenario in Scenario:
        mine = samples[samples["scenario"] == scenario.value]
        if len(mine):
            failed = int((~mine["status"].between(200, 299)).sum())
            title = words(scenario) + (f" ({failed} failed)" if failed else "")
            fill = partial(_fill_time, mine, float(samples["started_ms"].min()))
            found.append(Panel(title, "seconds", "ms", fill, room_px=14.0))
    return found


def _fill_time(mine: pd.DataFrame, begin_ms: float, axes: Axes) -> Key:
    fine = answered(mine).sort_values("ended_ms")
    at_s, latency = _seconds(fine["ended_ms"], begin_ms), whole_ms(fine).to_numpy()
    some = slice(None, None, max(1, len(fine) // _MOST_DOTS))
    (dots,) = axes.plot(at_s[some], latency[some], "o", markersize=2, color=LIGHT["series-5"])
    dots.set(alpha=0.45, markeredgewidth=0)
    _draw_per_second(axes, at_s, latency)
    failed = _seconds(mine[~mine["status"].between(200, 299)]["ended_ms"], begin_ms)
    kept = failed[:: max(1, len(failed) // _MOST_FAILURES)]
    axes.plot(kept, np.zeros(len(kept)), "|", markersize=9, color=LIGHT["failed"])
    warm = mine[mine["block"] == Block.WARM_UP.value]
    if len(warm):
        ends = np.array([warm["started_ms"].min(), warm["ended_ms"].max()])
        axes.axvspan(*(ends - begin_ms) / 1000, color=LIGHT["band"], zorder=0)
    top = float(np.quantile(latency, 0.995)) * 1.25 if len(latency) else 1.0
    axes.set_ylim(0, max(1.0, top))
    _draw_users(axes, mine, begin_ms)
    return []


def _draw_per_second(axes: Axes, at_s: _Values, latency: _Values) -> None:
    """A gap where nothing was answered, so that no line crosses a pause."""
    if not len(at_s):
        return
    frame = pd.DataFrame({"second": at_s.astype(int), "ms": latency})
    seconds = np.arange(int(at_s.max()) + 1)
    groups = frame.groupby("second")["ms"]
    counts = groups.size()
    for q, role in ((0.5, "series-1"), (0.95, "series-2")):
        line = groups.quantile(q).where(counts >= _FEWEST_FOR_P95).reindex(seconds)
        axes.plot(seconds + 0.5, line.to_numpy(), color=LIGHT[role], linewidth=1.5)


def _draw_users(axes: Axes, mine: pd.DataFrame, begin_ms: float) -> None:
    """Steps of the users at work on an axis of their own, zero between two units."""
    units = mine.groupby(["block", "repeat", "users"]).agg(
        begun=("started_ms", "min"), ended=("ended_ms", "max")
    )
    units = units.sort_values("begun")
    at_s = (units.to_numpy().ravel() - begin_ms) / 1000
    at_work = units.index.get_level_values("users")
    users = np.column_stack([at_work, np.zeros(len(units))]).ravel()
    other = axes.twinx()
    other.plot(at_s, users, color=LIGHT["muted"], linewidth=1, drawstyle="steps-post")
    other.set_ylim(bottom=0)
    other.spines[:].set_visible(False)
    other.tick_params(labelcolor=LIGHT["muted"], labelsize=FONT_PX - 1.5, length=0, pad=3)


def _seconds(at_ms: pd.Series[float], begin_ms: float) -> _Values:
    return (at_ms.to_numpy() - begin_ms) / 1000

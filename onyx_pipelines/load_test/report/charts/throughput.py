"""Throughput over users: what was measured, what the queue model says, where the knee is."""

from __future__ import annotations

from typing import Final

from matplotlib.axes import Axes

from onyx_pipelines.load_test.capacity.fitting import steps_of
from onyx_pipelines.load_test.report.charts.axes import (
    SERIES,
    grid_of_axes,
    label,
    legend,
    user_ticks,
)
from onyx_pipelines.load_test.report.wording import scenario_name
from onyx_pipelines.load_test.results import Capacity, LoadTestResult
from onyx_pipelines.page.canvas import Drawing, Layout
from onyx_pipelines.page.palette import LIGHT

TARGET_USERS: Final = 20


def throughput_drawing(result: LoadTestResult, layout: Layout) -> Drawing | None:
    """One panel per scenario of the sweep."""
    scenarios = list(dict.fromkeys(step.scenario for step in result.sweep if step.samples))
    if not scenarios:
        return None
    capacities = {each.scenario: each for each in result.capacities}
    figure, panels = grid_of_axes(layout, len(scenarios))
    for axes, scenario in zip(panels, scenarios, strict=True):
        steps = [step for step in steps_of(result.sweep, scenario) if step.samples]
        users = [step.users for step in steps]
        top = max(step.throughput_per_s for step in steps)
        axes.set_xlim(0, max(*users, TARGET_USERS) * 1.05)
        highest = max(top, _highest(capacities.get(scenario)))
        axes.set_ylim(0, 1.35 * highest or 1.0)
        if scenario in capacities:
            _draw_model(axes, capacities[scenario], layout, highest)
        axes.plot(
            users,
            [step.throughput_per_s for step in steps],
            linestyle="none",
            marker="o",
            markersize=6,
            color=SERIES[0],
            label="measured",
            zorder=3,
        )
        axes.axvline(TARGET_USERS, color=SERIES[2], linewidth=1.2)
        axes.annotate(
            f"{TARGET_USERS} users",
            (TARGET_USERS, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -10),
            textcoords="offset points",
            fontsize=layout.font_px - 1.5,
            color=SERIES[2],
        )
        user_ticks(axes, users)
        label(axes, layout, scenario_name(scenario), "users at a time", "answers per second")
        legend(axes, layout, place="lower right")
    return Drawing(
        figure,
        title="Throughput by number of users",
        description="Measured throughput with the fitted queue model and its knee.",
        tooltips={},
        texts={},
    )


def _highest(capacity: Capacity | None) -> float:
    """What the model says is possible must be seen where it is above all that was measured."""
    if capacity is None:
        return 0.0
    return max((capacity.max_throughput_per_s or 0.0, *capacity.model_throughput_per_s))


def _draw_model(axes: Axes, capacity: Capacity, layout: Layout, top: float) -> None:
    if capacity.model_users:
        axes.plot(
            capacity.model_users,
            capacity.model_throughput_per_s,
            color=SERIES[1],
            linewidth=1.6,
            label="queue model",
        )
    last = capacity.model_users[-1] if capacity.model_users else 1.0
    if capacity.base_ms > 0:
        axes.plot(
            [0, min(last, 1.3 * top * capacity.base_ms / 1000)],
            [0, min(last * 1000 / capacity.base_ms, 1.3 * top)],
            color=LIGHT["muted"],
            linewidth=0.9,
            linestyle=":",
        )
    if capacity.max_throughput_per_s is not None:
        axes.axhline(
            capacity.max_throughput_per_s, color=LIGHT["muted"], linewidth=0.9, linestyle=":"
        )
    if capacity.knee_users is None:
        return
    interval = capacity.knee_interval
    if interval is not None and interval.low is not None and interval.high is not None:
        axes.axvspan(interval.low, interval.high, color=LIGHT["band"], zorder=0)
    axes.axvline(capacity.knee_users, color=LIGHT["ink"], linewidth=1, linestyle="--")
    axes.annotate(
        f"knee {capacity.knee_users:.1f}",
        (capacity.knee_users, 1),
        xycoords=("data", "axes fraction"),
        xytext=(3, -24),
        textcoords="offset points",
        fontsize=layout.font_px - 1.5,
        color=LIGHT["ink"],
    )

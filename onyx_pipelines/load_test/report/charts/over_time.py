"""Latency over the time of the whole test, with the users at work and the errors."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from onyx_pipelines.load_test.analysis.latencies import answered, whole_ms
from onyx_pipelines.load_test.report.charts.axes import SERIES, grid_of_axes, label
from onyx_pipelines.load_test.report.wording import scenario_name
from onyx_pipelines.load_test.results import Block, Scenario
from onyx_pipelines.page.canvas import Drawing, Layout
from onyx_pipelines.page.palette import LIGHT

_MOST_DOTS: Final = 500
_FEWEST_FOR_P95: Final = 5


def over_time_key() -> list[tuple[str, str]]:
    """Colour role and name of each thing drawn, for a legend beside the chart."""
    return [
        ("prepare", "an answer"),
        ("series-1", "p50 of a second"),
        ("series-2", "p95 of a second"),
        ("muted", "users (right)"),
        ("failed", "failed"),
        ("band", "warm-up"),
    ]


def over_time_drawing(samples: pd.DataFrame, layout: Layout) -> Drawing | None:
    """One panel per scenario, below each other; the time axis is that of the whole test."""
    present = set(samples["scenario"].unique())
    scenarios = [each for each in Scenario if each.value in present]
    if not scenarios:
        return None
    begin = float(samples["started_ms"].min())
    figure, panels = grid_of_axes(layout, len(scenarios), height=210.0, most_columns=1)
    for axes, scenario in zip(panels, scenarios, strict=True):
        mine = samples[samples["scenario"] == scenario.value]
        fine = answered(mine).sort_values("ended_ms")
        at_s = (fine["ended_ms"].to_numpy() - begin) / 1000
        latency = whole_ms(fine).to_numpy()
        stride = max(1, len(fine) // _MOST_DOTS)
        axes.plot(
            at_s[::stride],
            latency[::stride],
            linestyle="none",
            marker="o",
            markersize=2,
            color=LIGHT["prepare"],
            alpha=0.45,
            markeredgewidth=0,
            rasterized=False,
        )
        _draw_percentiles(axes, at_s, latency)
        failed = mine[~mine["status"].between(200, 299)]
        if len(failed):
            ticks = (failed["ended_ms"].to_numpy() - begin) / 1000
            kept = ticks[:: max(1, len(ticks) // 200)]
            axes.plot(
                kept,
                np.zeros(len(kept)),
                linestyle="none",
                marker="|",
                markersize=9,
                color=LIGHT["failed"],
            )
        warm = mine[mine["block"] == Block.WARM_UP.value]
        if len(warm):
            axes.axvspan(
                (float(warm["started_ms"].min()) - begin) / 1000,
                (float(warm["ended_ms"].max()) - begin) / 1000,
                color=LIGHT["band"],
                zorder=0,
            )
        users = axes.twinx()
        users.plot(*_users(mine, begin), color=LIGHT["muted"], linewidth=1, drawstyle="steps-post")
        users.set_ylim(bottom=0)
        users.spines[["top", "left", "right", "bottom"]].set_visible(False)
        users.tick_params(colors=LIGHT["muted"], labelsize=layout.font_px - 1.5, length=0, pad=-14)
        axes.set_ylim(
            bottom=0, top=max(1.0, float(np.quantile(latency, 0.995)) * 1.25) if len(latency) else 1
        )
        failures = f" ({len(failed)} failed)" if len(failed) else ""
        label(axes, layout, f"{scenario_name(scenario)}{failures}", "seconds", "ms")
    return Drawing(
        figure,
        title="Latency over time",
        description="Each answer's latency over the time of the test, p50 and p95 per second.",
        tooltips={},
        texts={},
    )


def _draw_percentiles(axes: Axes, at_s: np.ndarray, latency: np.ndarray) -> None:
    """Per second; a gap where nothing was answered, so that no line crosses a pause."""
    if not len(at_s):
        return
    frame = pd.DataFrame({"second": at_s.astype(int), "ms": latency})
    seconds = np.arange(int(at_s.max()) + 1)
    groups = frame.groupby("second")["ms"]
    counts = groups.size()
    for q, colour in ((0.5, SERIES[0]), (0.95, SERIES[1])):
        line = groups.quantile(q).where(counts >= _FEWEST_FOR_P95).reindex(seconds)
        if line.isna().all():
            continue
        axes.plot(seconds + 0.5, line.to_numpy(), color=colour, linewidth=1.5)


def _users(mine: pd.DataFrame, begin: float) -> tuple[list[float], list[float]]:
    """Steps of the users at work, zero between two units."""
    at: list[float] = []
    users: list[float] = []
    for _, unit in sorted(
        mine.groupby(["block", "repeat", "users"]), key=lambda each: each[1]["started_ms"].min()
    ):
        at += [
            (float(unit["started_ms"].min()) - begin) / 1000,
            (float(unit["ended_ms"].max()) - begin) / 1000,
        ]
        users += [float(unit["users"].iloc[0]), 0.0]
    return at, users

"""Percentile spectrum: every percentile that the samples support, with its band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import binom

from onyx_pipelines.load_test.analysis.latencies import measured_ms, of_block
from onyx_pipelines.load_test.report.charts.axes import SERIES, grid_of_axes, label, legend
from onyx_pipelines.load_test.report.wording import scenario_name
from onyx_pipelines.load_test.results import Block, LoadTestResult, Measure, Scenario
from onyx_pipelines.load_test.statistics.percentiles import samples_needed
from onyx_pipelines.page.canvas import Drawing, Layout
from onyx_pipelines.page.palette import LIGHT

_SHOWN: Final = (0.5, 0.9, 0.95, 0.99, 0.999)
_POINTS: Final = 120
_TAIL: Final = 0.025
_FAR_ABOVE: Final = 2.5
_LABEL_ROOM: Final = 1.12


def spectrum_drawing(
    result: LoadTestResult,
    samples: pd.DataFrame,
    targets_ms: Mapping[Scenario, float],
    layout: Layout,
) -> Drawing | None:
    """One panel per scenario; `targets_ms` are drawn where there is one."""
    scenarios = list(dict.fromkeys(each.scenario for each in result.summaries if each.samples > 1))
    if not scenarios:
        return None
    figure, panels = grid_of_axes(layout, len(scenarios))
    for axes, scenario in zip(panels, scenarios, strict=True):
        mine = of_block(samples, scenario, Block.BASELINE)
        measures = [each.measure for each in result.summaries if each.scenario is scenario]
        highest = 0.9
        for at, measure in enumerate(measures):
            values = np.sort(measured_ms(mine, measure))
            if len(values) < 2:
                continue
            most = max((q for q in _SHOWN if samples_needed(q) <= len(values)), default=0.9)
            highest = max(highest, most)
            _draw(axes, values, most, SERIES[at], measure)
        if scenario in targets_ms:
            _draw_objective(axes, targets_ms[scenario], layout)
        axes.set_xscale("log")
        ticks = [q for q in _SHOWN if q <= highest]
        axes.set_xticks([1 / (1 - q) for q in ticks], [f"p{100 * q:g}" for q in ticks])
        axes.minorticks_off()
        axes.set_ylim(0, axes.get_ylim()[1])
        label(axes, layout, scenario_name(scenario), "percentile", "ms")
        legend(axes, layout, place="lower right")
    return Drawing(
        figure,
        title="Latency by percentile",
        description="Latency in milliseconds at each percentile, with 95 % bands.",
        tooltips={},
        texts={},
    )


def _draw_objective(axes: Axes, target_ms: float, layout: Layout) -> None:
    """A line where it can be seen; far above the data only words, or the data would be a line."""
    top = axes.get_ylim()[1]
    is_near = target_ms < _FAR_ABOVE * top
    if is_near:
        axes.set_ylim(0, max(top, _LABEL_ROOM * target_ms))
        axes.axhline(target_ms, color=LIGHT["failed"], linewidth=1.2, linestyle="--")
    axes.annotate(
        f"objective {target_ms:.0f} ms" + ("" if is_near else " (far above)"),
        (0.02, target_ms if is_near else 0.96),
        xycoords=("axes fraction", "data") if is_near else "axes fraction",
        xytext=(0, 3 if is_near else -6),
        textcoords="offset points",
        fontsize=layout.font_px - 1.5,
        color=LIGHT["failed"],
        bbox={"facecolor": LIGHT["surface"], "edgecolor": "none", "alpha": 0.85, "pad": 1},
    )


def _draw(axes: Axes, values: np.ndarray, most: float, colour: str, measure: Measure) -> None:
    qs = 1 - 1 / np.geomspace(1.25, 1 / (1 - most), _POINTS)
    count = len(values)
    low = np.clip(binom.ppf(_TAIL, count, qs).astype(int), 1, count) - 1
    high = np.clip(binom.ppf(1 - _TAIL, count, qs).astype(int) + 1, 1, count) - 1
    x = 1 / (1 - qs)
    axes.fill_between(x, values[low], values[high], color=colour, alpha=0.22, linewidth=0)
    axes.plot(
        x,
        np.quantile(values, qs),
        color=colour,
        linewidth=1.8,
        label=f"{measure.value.replace('_', ' ')} (n={count})",
    )

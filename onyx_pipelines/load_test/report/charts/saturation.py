"""How full each service was at each number of users."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.patches import Rectangle

from onyx_pipelines.load_test.capacity.fitting import steps_of
from onyx_pipelines.load_test.report.charts.axes import grid_of_axes, label
from onyx_pipelines.load_test.report.wording import scenario_name
from onyx_pipelines.load_test.results import LoadTestResult, Scenario, ServiceLoad, SweepStep
from onyx_pipelines.page.canvas import Drawing, Layout
from onyx_pipelines.page.palette import LIGHT

# Steps of colours from the palette, so that the page can turn them dark.
_COLOURS: Final = ("band", "could-not-verify-tint", "compare", "failed")
_LIMITS: Final = (0.3, 0.6, 0.85)
_ROW_PX: Final = 24.0


def saturation_drawing(result: LoadTestResult, layout: Layout) -> Drawing | None:
    """One panel per scenario with telemetry."""
    scenarios = [
        scenario
        for scenario in dict.fromkeys(step.scenario for step in result.sweep)
        if any(step.services for step in steps_of(result.sweep, scenario))
    ]
    if not scenarios:
        return None
    rows = {scenario: _rows(result, scenario) for scenario in scenarios}
    height = 90.0 + _ROW_PX * max(len(each) for each in rows.values())
    figure, panels = grid_of_axes(layout, len(scenarios), height=height, left=96.0, most_columns=2)
    for axes, scenario in zip(panels, scenarios, strict=True):
        steps = steps_of(result.sweep, scenario)
        names = list(rows[scenario])
        for at, name in enumerate(names):
            for column, value in enumerate(rows[scenario][name]):
                step = 0 if value is None else int(np.searchsorted(_LIMITS, value, side="right"))
                axes.add_patch(_cell(column, at, LIGHT[_COLOURS[step]], known=value is not None))
                axes.text(
                    column,
                    at,
                    "" if value is None else f"{100 * value:.0f}",
                    ha="center",
                    va="center",
                    fontsize=layout.font_px - 1.5,
                    color=LIGHT["surface"] if step == len(_LIMITS) else LIGHT["ink"],
                )
        axes.set_xlim(-0.5, len(steps) - 0.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False)
        axes.set_xticks(range(len(steps)), [str(step.users) for step in steps])
        axes.set_yticks(range(len(names)), names)
        label(axes, layout, scenario_name(scenario), "users at a time", "")
    return Drawing(
        figure,
        title="How full each service was",
        description="Percent of its CPU (with waiting for one) or of its pool, by number of users.",
        tooltips={},
        texts={},
    )


def _rows(result: LoadTestResult, scenario: Scenario) -> dict[str, list[float | None]]:
    steps = steps_of(result.sweep, scenario)
    services = list(dict.fromkeys(load.service for step in steps for load in step.services))
    found: list[tuple[str, list[float | None]]] = []
    for service in services:
        loads = [_of(step, service) for step in steps]
        found += [
            (f"{service} CPU", [load.cpu_saturation if load else None for load in loads]),
            (f"{service} pool", [load.pool_saturation if load else None for load in loads]),
        ]
    return {name: values for name, values in found if any(value is not None for value in values)}


def _of(step: SweepStep, service: str) -> ServiceLoad | None:
    return next((load for load in step.services if load.service == service), None)


def _cell(column: int, row: int, colour: str, *, known: bool) -> Rectangle:
    """What is not known is hatched: it is no zero."""
    return Rectangle(
        (column - 0.48, row - 0.46),
        0.96,
        0.92,
        facecolor=colour if known else "none",
        edgecolor=LIGHT["line"],
        hatch=None if known else "////",
        linewidth=0.6,
    )

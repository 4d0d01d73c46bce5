"""How full each service was at each number of users."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.patches import Rectangle

from onyx_pipelines.load_test.capacity.fitting import steps_of
from onyx_pipelines.load_test.report.charts.axes import (
    grid_of_axes,
    label,
    name_rows,
    room_for,
    shown_names,
)
from onyx_pipelines.load_test.report.fullness import fullness
from onyx_pipelines.load_test.report.wording import scenario_name
from onyx_pipelines.load_test.results import LoadTestResult
from onyx_pipelines.page.canvas import Drawing, Layout
from onyx_pipelines.page.palette import LIGHT

# Steps of colours from the palette, so that the page can turn them dark.
_COLOURS: Final = ("band", "could-not-verify-tint", "could-not-verify", "failed")
_LIMITS: Final = (0.3, 0.6, 0.85)
# From here on the colour is the text's opposite, by day and by night.
_STRONG: Final = 2
_ROW_PX: Final = 24.0


def saturation_drawing(result: LoadTestResult, layout: Layout) -> Drawing | None:
    """One panel per scenario with telemetry."""
    scenarios = [
        scenario
        for scenario in dict.fromkeys(step.scenario for step in result.sweep)
        if fullness(result, scenario)
    ]
    if not scenarios:
        return None
    rows = {scenario: fullness(result, scenario) for scenario in scenarios}
    height = 90.0 + _ROW_PX * max(len(each) for each in rows.values())
    left = room_for([name for each in rows.values() for name in shown_names(list(each), layout)])
    figure, panels = grid_of_axes(layout, len(scenarios), height=height, left=left, most_columns=2)
    for axes, scenario in zip(panels, scenarios, strict=True):
        steps = steps_of(result.sweep, scenario)
        names = shown_names(list(rows[scenario]), layout)
        for at, row in enumerate(rows[scenario].values()):
            for column, value in enumerate(row):
                step = 0 if value is None else int(np.searchsorted(_LIMITS, value, side="right"))
                axes.add_patch(_cell(column, at, LIGHT[_COLOURS[step]], known=value is not None))
                axes.text(
                    column,
                    at,
                    "" if value is None else f"{100 * value:.0f}",
                    ha="center",
                    va="center",
                    fontsize=layout.font_px - 1.5,
                    color=LIGHT["surface"] if step >= _STRONG else LIGHT["ink"],
                )
        axes.set_xlim(-0.5, len(steps) - 0.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False)
        axes.set_xticks(range(len(steps)), [str(step.users) for step in steps])
        name_rows(axes, names)
        label(axes, layout, scenario_name(scenario), "users at a time", "")
    return Drawing(
        figure,
        title="How full each service was",
        description="Percent of its CPU (with waiting for one), of its pool and of the machine's"
        " memory, by number of users.",
        tooltips={},
        texts={},
    )


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

"""Where the time of a request goes, over the number of users: parts that exclude each other."""

from __future__ import annotations

from typing import Final

from matplotlib.patches import Patch

from onyx_pipelines.load_test.attribution.growth import owner_of
from onyx_pipelines.load_test.capacity.fitting import steps_of
from onyx_pipelines.load_test.report.charts.axes import SERIES, add_below, grid_of_axes, label
from onyx_pipelines.load_test.report.wording import in_order, part_name, scenario_name
from onyx_pipelines.load_test.results import LoadTestResult, SweepStep
from onyx_pipelines.page.canvas import Drawing, Layout
from onyx_pipelines.page.palette import LIGHT

_MOST_PARTS: Final = 6
_OTHER: Final = "all else"


def budget_drawing(result: LoadTestResult, layout: Layout) -> Drawing | None:
    """One panel per scenario whose parts are known; the same part has the same colour in all."""
    scenarios = [
        scenario
        for scenario in dict.fromkeys(step.scenario for step in result.sweep)
        if any(step.parts for step in steps_of(result.sweep, scenario))
    ]
    if not scenarios:
        return None
    steps = {scenario: steps_of(result.sweep, scenario) for scenario in scenarios}
    named = _named([step for each in steps.values() for step in each])
    colours = dict(zip([*named, _OTHER], (*SERIES[: len(named)], SERIES[7]), strict=True))
    figure, panels = grid_of_axes(layout, len(scenarios), height=300.0)
    for axes, scenario in zip(panels, scenarios, strict=True):
        mine = [step for step in steps[scenario] if step.parts]
        places = range(len(mine))
        bottom = [0.0] * len(mine)
        for part in colours:
            heights = [_height(step, part, named) for step in mine]
            if not any(heights):
                continue
            axes.bar(
                places,
                heights,
                bottom=bottom,
                width=0.72,
                color=colours[part],
                hatch="///" if part == _OTHER else None,
                edgecolor=LIGHT["surface"],
                linewidth=0.5,
            )
            bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
        axes.set_xticks(list(places), [str(step.users) for step in mine])
        label(axes, layout, scenario_name(scenario), "users at a time", "mean ms")
    return Drawing(
        figure,
        title="Latency budget",
        description="Mean milliseconds of each part of a request by number of users.",
        tooltips={},
        texts={},
    )


def budget_picture(result: LoadTestResult, layout: Layout) -> Drawing | None:
    """The same with its key below, for where no page stands beside it."""
    drawing = budget_drawing(result, layout)
    key = budget_key(result)
    if drawing is None or not key:
        return drawing
    columns = 2 if layout.narrow else 3
    add_below(drawing.figure, 22.0 * -(-len(key) // columns) + 12)
    patches = [
        Patch(facecolor=LIGHT[role], hatch="///" if name == _OTHER else None, label=name)
        for role, name in key
    ]
    drawing.figure.legend(
        handles=patches,
        loc="lower center",
        ncols=columns,
        frameon=False,
        fontsize=layout.font_px,
        labelcolor=LIGHT["ink"],
    )
    return drawing


def budget_key(result: LoadTestResult) -> list[tuple[str, str]]:
    """Colour role and name of each part, for a legend beside the chart."""
    named = _named([step for step in result.sweep if step.parts])
    keys = [(f"series-{at + 1}", part_name(part)) for at, part in enumerate(named)]
    return [*keys, ("series-8", _OTHER)] if keys else []


def _named(steps: list[SweepStep]) -> list[str]:
    """The parts that matter most at any step, in the order of a request."""
    largest: dict[str, float] = {}
    for step in steps:
        for part, spent in step.parts.items():
            share = spent / step.mean_ms if step.mean_ms else 0.0
            largest[part] = max(largest.get(part, 0.0), share)
    top = sorted(largest, key=lambda part: (-largest[part], owner_of(part).service))[:_MOST_PARTS]
    return in_order([part for part in top if largest[part] >= 0.02])


def _height(step: SweepStep, part: str, named: list[str]) -> float:
    if part != _OTHER:
        return step.parts.get(part, 0.0)
    return max(0.0, step.mean_ms - sum(step.parts.get(each, 0.0) for each in named))

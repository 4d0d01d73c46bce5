"""Charts: the same each time, in the page's colours, and never in the way of a report."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from onyx_pipelines.load_test.report.charts.budget import budget_drawing
from onyx_pipelines.load_test.report.charts.forest import forest_drawing
from onyx_pipelines.load_test.report.charts.over_time import over_time_drawing
from onyx_pipelines.load_test.report.charts.saturation import saturation_drawing
from onyx_pipelines.load_test.report.charts.spectrum import spectrum_drawing
from onyx_pipelines.load_test.report.charts.throughput import throughput_drawing
from onyx_pipelines.load_test.report.fullness import fullness
from onyx_pipelines.load_test.report.writing import thumbnail_png
from onyx_pipelines.load_test.results import (
    Capacity,
    Change,
    ChangeKind,
    Comparison,
    Interval,
    LoadTestResult,
    Scenario,
)
from onyx_pipelines.page.canvas import NARROW, WIDE, Drawing, Layout, to_svg
from onyx_pipelines_tests.load_test_report import made_up
from onyx_pipelines_tests.load_test_report.made_up import TARGETS_MS, LoadTest

pytestmark = pytest.mark.slow

LAYOUTS = pytest.mark.parametrize("layout", [WIDE, NARROW], ids=lambda layout: layout.name)
Draw = Callable[[LoadTestResult, pd.DataFrame, Layout], Drawing | None]
CHARTS: dict[str, Draw] = {
    "spectrum": lambda result, samples, at: spectrum_drawing(result, samples, TARGETS_MS, at),
    "over time": lambda _, samples, at: over_time_drawing(samples, at),
    "throughput": lambda result, _, at: throughput_drawing(result, at),
    "budget": lambda result, _, at: budget_drawing(result, at),
    "saturation": lambda result, _, at: saturation_drawing(result, at),
    "forest": lambda result, _, at: forest_drawing(result, at),
}
EVERY_CHART = pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
FAILING = made_up.failing()


def _svg(draw: Draw, test: LoadTest, layout: Layout = WIDE) -> str:
    drawing = draw(test.result, test.samples, layout)
    assert drawing is not None
    return to_svg(drawing, "chart")


def _changed(test: LoadTest, **changes: object) -> LoadTest:
    return LoadTest(test.result.model_copy(update=changes), test.samples)


@LAYOUTS
@EVERY_CHART
def test_the_same_run_is_drawn_to_the_same_bytes(draw: Draw, layout: Layout) -> None:
    assert _svg(draw, FAILING, layout) == _svg(draw, made_up.failing(), layout)


@LAYOUTS
@EVERY_CHART
def test_charts_have_only_colours_of_the_page(draw: Draw, layout: Layout) -> None:
    assert re.findall(r"#[0-9a-fA-F]{6}\b", _svg(draw, FAILING, layout)) == []


@EVERY_CHART
@pytest.mark.parametrize(
    "test",
    [
        made_up.nearly_empty(),
        _changed(FAILING, sweep=FAILING.result.sweep[:1], capacities=()),
        LoadTest(FAILING.result, made_up.no_samples()),
        LoadTest(FAILING.result, FAILING.samples.assign(first_token_ms=np.nan)),
        LoadTest(FAILING.result, FAILING.samples.assign(status=500)),
        made_up.hostile(),
    ],
    ids=["one sample", "one step", "no samples", "no tokens", "only failures", "hostile names"],
)
def test_hardly_any_data_is_drawn_or_left_out(draw: Draw, test: LoadTest) -> None:
    drawing = draw(test.result, test.samples, NARROW)

    assert drawing is None or to_svg(drawing, "chart").startswith("<svg")


def test_a_sweep_in_which_nothing_was_answered_is_not_drawn() -> None:
    silent = tuple(
        step.model_copy(update={"samples": 0, "throughput_per_s": 0.0})
        for step in FAILING.result.sweep
    )

    assert throughput_drawing(_changed(FAILING, sweep=silent).result, WIDE) is None


@given(
    low=st.none() | st.floats(0, 1e6),
    high=st.none() | st.floats(0, 1e6),
    base_ms=st.floats(0, 1e6),
    most=st.none() | st.floats(0, 1e6),
)
@settings(max_examples=25, deadline=None)
def test_any_capacity_can_be_drawn(
    low: float | None, high: float | None, base_ms: float, most: float | None
) -> None:
    capacity = Capacity(
        scenario=Scenario.CHAT,
        base_ms=base_ms,
        demand_ms=1.0,
        max_throughput_per_s=most,
        knee_users=low,
        knee_interval=Interval(low=low, high=high),
        is_reached=low is not None,
        relative_error=0.1,
    )

    drawing = throughput_drawing(_changed(FAILING, capacities=(capacity,)).result, WIDE)

    assert drawing is not None
    assert to_svg(drawing, "chart").startswith("<svg")


@given(
    ratio=st.none() | st.floats(),
    low=st.none() | st.floats(),
    high=st.none() | st.floats(),
)
@settings(max_examples=40, deadline=None)
def test_only_ratios_that_a_log_axis_has_a_place_for_are_drawn(
    ratio: float | None, low: float | None, high: float | None
) -> None:
    change = Change(
        name="p95", ratio=ratio, interval=Interval(low=low, high=high), kind=ChangeKind.UNCHANGED
    )
    result = _changed(FAILING, comparison=Comparison(baseline_id="b", changes=(change,))).result

    drawing = forest_drawing(result, WIDE)

    has_place = ratio is not None and 0 < ratio < float("inf")
    assert (drawing is not None) == has_place


@LAYOUTS
def test_names_beside_a_phones_chart_stay_apart(layout: Layout) -> None:
    drawing = forest_drawing(FAILING.result, layout)
    assert drawing is not None

    names = [label.get_text() for label in drawing.figure.axes[0].get_yticklabels()]

    assert len(names) == len(set(names)) == 4


def test_memory_is_a_share_of_the_machines() -> None:
    rows = fullness(FAILING.result, Scenario.CHAT)

    assert rows["postgres memory"] == pytest.approx([0.9 / 16] * 7)


def test_a_step_that_does_not_know_has_no_number() -> None:
    row = fullness(FAILING.result, Scenario.CHAT)["qdrant CPU"]

    assert [value is None for value in row] == [False, True, False, False, False, False, False]


def test_what_no_step_knows_has_no_row() -> None:
    assert "app pool" not in fullness(FAILING.result, Scenario.CHAT)


def test_a_service_named_like_a_formula_keeps_its_name() -> None:
    step = FAILING.result.sweep[0]
    odd = step.services[0].model_copy(update={"service": "a$_{x$"})
    result = _changed(FAILING, sweep=(step.model_copy(update={"services": (odd,)}),)).result
    drawing = saturation_drawing(result, WIDE)
    assert drawing is not None

    assert "a$_{x$ CPU" in to_svg(drawing, "chart")


@pytest.mark.parametrize("test", [FAILING, made_up.nearly_empty()], ids=["failing", "empty"])
def test_a_thumbnail_is_a_small_picture(test: LoadTest) -> None:
    picture = thumbnail_png(test.result)

    assert Image.open(io.BytesIO(picture)).width <= 760
    assert len(picture) < 100_000


def test_the_same_run_has_the_same_thumbnail() -> None:
    again = made_up.failing()

    assert thumbnail_png(FAILING.result) == thumbnail_png(again.result)

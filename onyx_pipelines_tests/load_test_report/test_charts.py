"""Charts: the same each time, in the page's colours, and never in the way of a report."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.report import panels
from onyx_pipelines.load_test.report.view import fullness, ratios
from onyx_pipelines.load_test.report.writing import thumbnail_png
from onyx_pipelines.load_test.results import (
    Capacity,
    Change,
    ChangeKind,
    Comparison,
    Interval,
    Scenario,
)
from onyx_pipelines.reporting.charts.panel import Panel, drawn
from onyx_pipelines.reporting.tables import as_cell
from onyx_pipelines_tests.load_test_report import factories, measured
from onyx_pipelines_tests.load_test_report.factories import TARGETS_MS, LoadTest

pytestmark = pytest.mark.slow

Draw = Callable[[LoadTest], list[Panel]]
CHARTS: dict[str, Draw] = {
    "spectrum": lambda test: panels.spectrum(test.result, test.samples, TARGETS_MS),
    "over time": lambda test: panels.over_time(test.samples),
    "throughput": lambda test: panels.throughput(test.result),
    "budget": lambda test: panels.budget(test.result),
}
EVERY_CHART = pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
FAILING = factories.failing()


def _svg(found: list[Panel]) -> str:
    return "".join(chart.svg for chart in drawn(found, "chart"))


def _changed(test: LoadTest, **changes: object) -> LoadTest:
    return LoadTest(test.result.model_copy(update=changes), test.samples)


def test_a_chart_is_named_and_described_for_who_cannot_see_it() -> None:
    svg = _svg(panels.throughput(FAILING.result)[:1])

    assert 'role="img" aria-labelledby="chart-0-title chart-0-desc"' in svg
    assert '<title id="chart-0-title">chat</title>' in svg
    assert '<desc id="chart-0-desc">answers per second by users at a time</desc>' in svg


def test_drawing_leaves_the_settings_of_matplotlib_as_they_were() -> None:
    before = dict(matplotlib.rcParams)

    _svg(panels.budget(FAILING.result))

    assert dict(matplotlib.rcParams) == before


def test_charts_are_drawn_without_pyplot_and_a_drill_without_matplotlib() -> None:
    program = (
        "import sys\n"
        "from onyx_pipelines_tests.restore.report.drills import whole_stack\n"
        "from onyx_pipelines.restore.report.history import History\n"
        "from onyx_pipelines.restore.report.writing import drill_page\n"
        "drill_page(whole_stack(), History())\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import onyx_pipelines.load_test.report.panels\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)\n"
    )

    assert subprocess.run([sys.executable, "-W", "error", "-c", program]).returncode == 0


@EVERY_CHART
@pytest.mark.parametrize(
    "test",
    [
        factories.nearly_empty(),
        _changed(FAILING, sweep=FAILING.result.sweep[:1], capacities=()),
        LoadTest(FAILING.result, measured.no_samples()),
        LoadTest(FAILING.result, FAILING.samples.assign(first_token_ms=np.nan)),
        LoadTest(FAILING.result, FAILING.samples.assign(status=500)),
        factories.hostile(),
    ],
    ids=["one sample", "one step", "no samples", "no tokens", "only failures", "hostile names"],
)
def test_hardly_any_data_is_drawn_or_left_out(draw: Draw, test: LoadTest) -> None:
    found = draw(test)

    assert _svg(found).count("<svg") == len(found)


def test_a_sweep_in_which_nothing_was_answered_is_not_drawn() -> None:
    silent = tuple(
        step.model_copy(update={"samples": 0, "throughput_per_s": 0.0})
        for step in FAILING.result.sweep
    )

    assert panels.throughput(_changed(FAILING, sweep=silent).result) == []


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

    found = panels.throughput(_changed(FAILING, capacities=(capacity,)).result)

    assert _svg(found[:1]).startswith("<svg")


@given(
    ratio=st.none() | st.floats(),
    low=st.none() | st.floats(),
    high=st.none() | st.floats(),
)
def test_only_ratios_that_a_log_scale_has_a_place_for_have_one(
    ratio: float | None, low: float | None, high: float | None
) -> None:
    change = Change(
        name="p95", ratio=ratio, interval=Interval(low=low, high=high), kind=ChangeKind.UNCHANGED
    )
    result = _changed(FAILING, comparison=Comparison(baseline_id="b", changes=(change,))).result

    ((_, (row,)),) = ratios(result).groups

    has_place = ratio is not None and 0 < ratio < float("inf")
    marks = as_cell(row[2]).marks
    assert [mark.kind for mark in marks] == ["mark", *(["range", "point"] if has_place else [])]
    assert all(0 <= mark.left <= mark.left + (mark.width or 0) <= 100.01 for mark in marks)


def test_lines_that_are_drawn_for_reference_stand_in_the_key() -> None:
    (first, *_) = drawn(panels.throughput(FAILING.result), "chart")

    assert [name for _, name in first.key] == ["measured", "20 users", "queue model", "knee 5.6"]


def test_an_objective_far_above_is_only_named() -> None:
    near, far = (
        drawn(panels.spectrum(FAILING.result, FAILING.samples, {Scenario.CHAT: ms}), "chart")[0]
        for ms in (1500.0, 1e6)
    )

    assert near.key[-1] == ("failed", "objective 1.50 s")
    assert far.key[-1] == ("failed", "objective 1000.00 s (far above)")
    assert [chart.svg.count("var(--failed)") for chart in (near, far)] == [1, 0]


def test_memory_is_a_share_of_the_machines() -> None:
    rows = fullness(FAILING.result, Scenario.CHAT)

    assert rows["postgres memory"] == pytest.approx([0.9 / 16] * 7)


def test_a_step_that_does_not_know_has_no_number() -> None:
    row = fullness(FAILING.result, Scenario.CHAT)["qdrant CPU"]

    assert [value is None for value in row] == [False, True, False, False, False, False, False]


def test_what_no_step_knows_has_no_row() -> None:
    assert "app pool" not in fullness(FAILING.result, Scenario.CHAT)


def test_a_service_named_like_a_formula_does_not_stop_the_thumbnail() -> None:
    odd = tuple(
        step.model_copy(update={"parts": {Part("a$_{x$資_srv"): step.mean_ms}})
        for step in FAILING.result.sweep
    )

    assert thumbnail_png(_changed(FAILING, sweep=odd).result).startswith(b"\x89PNG")


@pytest.mark.parametrize("test", [FAILING, factories.nearly_empty()], ids=["failing", "empty"])
def test_a_thumbnail_is_a_small_picture(test: LoadTest) -> None:
    picture = thumbnail_png(test.result)

    assert Image.open(io.BytesIO(picture)).width <= 760
    assert len(picture) < 100_000


def test_the_same_run_has_the_same_thumbnail() -> None:
    again = factories.failing()

    assert thumbnail_png(FAILING.result) == thumbnail_png(again.result)

"""Charts: the same each time, on their axes whatever the data, and never in the way of a report."""

from __future__ import annotations

import base64
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.report import panels
from onyx_pipelines.load_test.report.view import fullness, ratios
from onyx_pipelines.load_test.report.writing import thumbnail
from onyx_pipelines.load_test.results import (
    Capacity,
    Change,
    ChangeKind,
    Comparison,
    Interval,
    Scenario,
)
from onyx_pipelines.reporting.plots import Plot
from onyx_pipelines.reporting.tables import as_cell
from onyx_pipelines_tests.load_test_report import factories, measured
from onyx_pipelines_tests.load_test_report.factories import HOSTILE, TARGETS_MS, LoadTest

pytestmark = pytest.mark.slow

Draw = Callable[[LoadTest], list[Plot]]
CHARTS: dict[str, Draw] = {
    "spectrum": lambda test: panels.spectrum(test.result, test.samples, TARGETS_MS),
    "over time": lambda test: panels.over_time(test.samples),
    "throughput": lambda test: panels.throughput(test.result),
    "budget": lambda test: panels.budget(test.result),
}
EVERY_CHART = pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
FAILING = factories.failing()


def _paths(found: list[Plot]) -> list[str]:
    return [plot.path(shape) for plot in found for shape in plot.shapes]


def _changed(test: LoadTest, **changes: object) -> LoadTest:
    return LoadTest(test.result.model_copy(update=changes), test.samples)


@EVERY_CHART
def test_the_same_run_is_drawn_to_the_same_bytes(draw: Draw) -> None:
    assert _paths(draw(FAILING)) == _paths(draw(factories.failing())) != []


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
    assert not [path for path in _paths(draw(test)) if "nan" in path or "inf" in path]


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

    assert not [path for path in _paths(found) if "nan" in path or "inf" in path]


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


def test_memory_is_a_share_of_the_machines() -> None:
    rows = fullness(FAILING.result, Scenario.CHAT)

    assert rows["postgres memory"] == pytest.approx([0.9 / 16] * 7)


def test_a_step_that_does_not_know_has_no_number() -> None:
    row = fullness(FAILING.result, Scenario.CHAT)["qdrant CPU"]

    assert [value is None for value in row] == [False, True, False, False, False, False, False]


def test_what_no_step_knows_has_no_row() -> None:
    assert "app pool" not in fullness(FAILING.result, Scenario.CHAT)


def test_a_thumbnail_is_a_picture_of_its_own_whatever_services_are_called() -> None:
    odd = tuple(
        step.model_copy(update={"parts": {Part(f"{HOSTILE}_srv"): step.mean_ms}})
        for step in FAILING.result.sweep
    )

    kind, _, data = thumbnail(_changed(FAILING, sweep=odd).result).partition(",")

    assert kind == "data:image/svg+xml;base64"
    picture = ElementTree.fromstring(base64.b64decode(data))
    assert any(HOSTILE in text for text in picture.itertext())


def test_without_an_answer_there_is_no_thumbnail() -> None:
    assert thumbnail(factories.nearly_empty().result) == ""

"""Shapes keep to their axes, and what is no number is left out of them."""

from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.reporting.plots import Axis, Plot, Shape, between, box, from_zero, level

UNIT = Axis(0, 10)


def _path(shape: Shape) -> str:
    return Plot("", "", UNIT, UNIT, [shape]).path(shape)


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=8))
def test_no_line_leaves_its_plot(points: list[tuple[float, float]]) -> None:
    places = re.findall(r"[ML](\S+) (\S+?)(?=[ML]|$)", _path(Shape("line", "ink", points)))

    assert len(places) == sum(math.isfinite(x) and math.isfinite(y) for x, y in points)
    assert all(0 <= float(each) <= 100 for place in places for each in place)


def test_a_point_that_is_no_number_breaks_a_line() -> None:
    line = Shape("line", "ink", [(0, 0), (5, 5), (6, math.nan), (8, 5), (10, 10)])

    assert _path(line) == "M0.00 100.00L50.00 50.00M80.00 50.00L100.00 0.00"


def test_a_range_and_what_lies_between_two_lines_are_closed() -> None:
    range_ = Shape("area", "band", box(1, 2, 0, 10))
    band = Shape("band", "ink", between([0, 10], [1, 2], [3, 4]))

    assert _path(range_) == "M10.00 100.00L10.00 0.00L20.00 0.00L20.00 100.00Z"
    assert _path(band) == "M0.00 90.00L100.00 80.00L100.00 60.00L0.00 70.00Z"


def test_the_key_names_what_has_a_name() -> None:
    shapes = [Shape("dots", "series-1", [], "measured"), level(3, UNIT, "muted")]

    assert Plot("", "", UNIT, UNIT, shapes).key == [("series-1", "measured")]


def test_an_axis_of_nothing_is_one_all_the_same() -> None:
    assert from_zero(0).place(0) == from_zero(math.nan).place(0) == 0

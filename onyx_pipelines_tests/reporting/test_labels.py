"""Words on a chart hide nothing that is drawn, where there is a place for them that does not."""

from __future__ import annotations

import pytest
from matplotlib.axes import Axes

from onyx_pipelines.reporting.charts.canvas import add_axes, new_figure
from onyx_pipelines.reporting.charts.labels import level, place, upright


@pytest.fixture
def axes() -> Axes:
    found = add_axes(new_figure(340, 250), 56, 32, 270, 174)
    found.set_xlim(0, 10)
    found.set_ylim(0, 300)
    return found


def _is_crossed(axes: Axes) -> bool:
    """By the first line that was plotted."""
    curve = axes.lines[0].get_path().transformed(axes.transData)
    return any(curve.intersects_bbox(text.get_window_extent(), filled=False) for text in axes.texts)


@pytest.mark.parametrize("to", [150, 190, 220, 260, 295])
@pytest.mark.parametrize("begin", [150, 180, 197, 230, 290])
def test_the_words_of_an_objective_keep_clear_of_the_curve(
    begin: float, to: float, axes: Axes
) -> None:
    axes.plot([0, 10], [begin, to])

    place(axes, [level(axes, 200, "failed", "objective 200 ms")])

    assert [text.get_text() for text in axes.texts] == ["objective 200 ms"]
    assert not _is_crossed(axes)


def test_two_uprights_side_by_side_keep_their_words_apart(axes: Axes) -> None:
    axes.plot([0, 10], [0, 100])

    lines = [upright(axes, at, "ink", text) for at, text in ((5, "knee 5.0"), (5.4, "20 users"))]
    place(axes, lines)

    one, other = (text.get_window_extent() for text in axes.texts)
    assert not one.overlaps(other)
    assert not _is_crossed(axes)


def test_words_beside_the_last_upright_stay_on_the_chart(axes: Axes) -> None:
    axes.plot([0, 10], [0, 100])

    place(axes, [upright(axes, 9.9, "ink", "20 users at a time")])

    assert axes.texts[0].get_window_extent().x1 <= axes.bbox.x1

"""The chart of durations: the same each time, of the page's colours, readable by machines."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import matplotlib
import pytest

from onyx_pipelines.reporting.charts.canvas import WIDTHS_PX, to_svg
from onyx_pipelines.reporting.charts.durations import Occasion, durations_drawing
from onyx_pipelines.reporting.palette import Badge

WIDTHS = pytest.mark.parametrize("width_px", WIDTHS_PX.values(), ids=WIDTHS_PX)
NOW = datetime(2026, 11, 23, 4, 0, 0, tzinfo=UTC)
PASSED, FAILED = Badge("passed", "✓", "passed"), Badge("failed", "✕", "failed")
UNKNOWN = Badge("could-not-verify", "?", "could not verify")


def _days(count: int) -> list[Occasion]:
    """One a day up to NOW; each tenth failed, each fifteenth was not measured."""
    return [
        Occasion(
            NOW - timedelta(days=day),
            None if day % 15 == 14 else 42.0,
            UNKNOWN if day % 15 == 14 else FAILED if day % 10 == 9 else PASSED,
        )
        for day in reversed(range(count))
    ]


def _svg(occasions: list[Occasion], width_px: float = 1000) -> str:
    return to_svg(durations_drawing(occasions, 3600, width_px=width_px), "chart")


@WIDTHS
def test_the_chart_has_only_colours_of_the_page(width_px: float) -> None:
    svg = _svg(_days(20), width_px)

    assert re.findall(r"#[0-9a-fA-F]{6}\b", svg) == []
    assert {"var(--passed)", "var(--failed)", "var(--ink)"} <= set(
        re.findall(r"var\(--[a-z-]+\)", svg)
    )


def test_every_reference_inside_a_chart_has_its_target() -> None:
    svg = _svg(_days(20))

    ids = re.findall(r'\bid="([^"]+)"', svg)
    references = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)

    assert len(ids) == len(set(ids))
    assert references
    assert {first or second for first, second in references} <= set(ids)


def test_a_chart_is_named_and_described_for_who_cannot_see_it() -> None:
    svg = _svg(_days(3))

    assert svg.startswith("<svg ")
    assert 'role="img" aria-labelledby="chart-title chart-desc"' in svg
    assert '<title id="chart-title">Recovery time over the drills</title>' in svg
    assert "3 drills, objective 60 min. Recovery time between 42.0 s and 42.0 s." in svg


@WIDTHS
@pytest.mark.parametrize("count", [1, 2, 120])
def test_a_history_of_any_length_shows_each_drill(count: int, width_px: float) -> None:
    svg = _svg(_days(count), width_px)

    assert len(re.findall(r'id="chart-drill-\d+"', svg)) == count
    assert "objective 60 min" in svg


def test_verdicts_have_shapes_and_words_of_their_own() -> None:
    svg = _svg(_days(31))

    assert {"passed", "failed", "could not verify", "this drill"} <= set(
        re.findall(r">([a-z ]+)</text>", svg)
    )
    assert "2026-11-14 04:00 UTC: failed, recovery 42.0 s" in svg
    assert "2026-11-09 04:00 UTC: could not verify, recovery not measured" in svg


def test_a_history_in_which_nothing_was_measured_says_so() -> None:
    drawing = durations_drawing([Occasion(NOW, None, UNKNOWN)], 3600, width_px=1000)

    assert drawing.description == "1 drill, objective 60 min. None has a recovery time."
    assert ">none</text>" in to_svg(drawing, "chart")


def test_drawing_leaves_the_settings_of_matplotlib_as_they_were() -> None:
    before = dict(matplotlib.rcParams)

    _svg(_days(2))

    assert dict(matplotlib.rcParams) == before


def test_a_page_is_drawn_without_pyplot_and_all_else_without_matplotlib() -> None:
    program = (
        "import sys\n"
        "from onyx_pipelines_tests.restore.report.drills import whole_stack\n"
        "from onyx_pipelines.restore.report.history import History\n"
        "from onyx_pipelines.restore.report.writing import drill_page\n"
        "import onyx_pipelines.restore.report.markdown\n"
        "assert 'matplotlib' not in sys.modules\n"
        "drill_page(whole_stack(), History(()))\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)\n"
    )

    assert subprocess.run([sys.executable, "-W", "error", "-c", program]).returncode == 0

"""The drawn charts: the same each time, of the page's colours, readable by machines."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import matplotlib
import pytest
from PIL import Image

from onyx_pipelines.page.canvas import NARROW, WIDE, Layout, to_png, to_svg
from onyx_pipelines.restore.report.history_chart import MOST_DRILLS, history_drawing
from onyx_pipelines.restore.report.timeline_chart import timeline_drawing
from onyx_pipelines.restore.results import DrillResult
from onyx_pipelines_tests.restore.report.drills import (
    component,
    days_before,
    drill,
    failed,
    unverified,
    whole_stack,
)

LAYOUTS = pytest.mark.parametrize("layout", [WIDE, NARROW], ids=lambda layout: layout.name)


def _timeline_svg(result: DrillResult, layout: Layout = WIDE) -> str:
    drawing = timeline_drawing(result, layout)
    assert drawing is not None
    return to_svg(drawing, "chart")


@LAYOUTS
def test_the_same_drill_is_drawn_to_the_same_bytes(layout: Layout) -> None:
    result = whole_stack(failed("t"))

    assert _timeline_svg(result, layout) == _timeline_svg(result, layout)


@LAYOUTS
def test_charts_have_only_colours_of_the_page(layout: Layout) -> None:
    history = history_drawing(whole_stack(unverified("t")), days_before(20), layout)
    svg = _timeline_svg(whole_stack(), layout) + to_svg(history, "history")

    assert re.findall(r"#[0-9a-fA-F]{6}\b", svg) == []
    assert {"var(--restore)", "var(--fetch)", "var(--failed)", "var(--ink)"} <= set(
        re.findall(r"var\(--[a-z-]+\)", svg)
    )


@LAYOUTS
def test_every_reference_inside_a_chart_has_its_target(layout: Layout) -> None:
    drawing = history_drawing(whole_stack(), days_before(20), layout)
    svg = _timeline_svg(whole_stack(), layout) + to_svg(drawing, "history")

    ids = re.findall(r'\bid="([^"]+)"', svg)
    references = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)

    assert len(ids) == len(set(ids))
    assert references
    assert {first or second for first, second in references} <= set(ids)


def test_every_bar_says_what_it_is() -> None:
    svg = _timeline_svg(whole_stack())

    assert "<title>Qdrant, collection 2: restore 30.0 s, from 4 min 02 s on</title>" in svg
    assert svg.count("<title>") == 3 + 3 * (3 + 4 + 5)


def test_a_chart_is_named_and_described_for_who_cannot_see_it() -> None:
    svg = _timeline_svg(whole_stack())

    assert svg.startswith("<svg ")
    assert 'role="img" aria-labelledby="chart-title chart-desc"' in svg
    assert '<title id="chart-title">Timeline of the drill</title>' in svg
    assert "Longest: PostgreSQL onyx, 45.0 s." in svg


@pytest.mark.parametrize(
    "name", ["資料庫", "🎉", "$x^2$ #b3202a", "</text><script>", "\x1b[31m\n", "العربية", ""]
)
def test_a_name_of_any_characters_stands_in_the_chart_as_text(name: str) -> None:
    svg = _timeline_svg(drill(component(items=(name,))))

    assert "<script" not in svg
    assert "\x1b" not in svg
    assert "\N{REPLACEMENT CHARACTER}" not in svg


def test_a_name_that_looks_like_a_colour_stays_a_name() -> None:
    assert ">$x^2$ #b3202a</text>" in _timeline_svg(drill(component(items=("$x^2$ #b3202a",))))


def test_steps_are_told_apart_without_colour() -> None:
    assert _timeline_svg(whole_stack()).count("<pattern") >= 2


def test_nothing_timed_is_no_timeline() -> None:
    assert timeline_drawing(drill(), WIDE) is None


@LAYOUTS
@pytest.mark.parametrize("count", [0, 1, 100, 400])
def test_a_history_of_any_length_shows_each_drill_up_to_a_limit(count: int, layout: Layout) -> None:
    drawing = history_drawing(whole_stack(), days_before(count), layout)

    svg = to_svg(drawing, "history")

    assert len(re.findall(r'id="history-drill-\d+"', svg)) == min(count + 1, MOST_DRILLS)
    assert "objective 60 min" in svg


def test_verdicts_in_the_history_have_shapes_and_words_of_their_own() -> None:
    svg = to_svg(history_drawing(drill(component()), days_before(30), WIDE), "history")

    assert {"passed", "failed", "could not verify", "this drill"} <= set(
        re.findall(r">([a-z ]+)</text>", svg)
    )
    assert "2026-11-13 04:00 UTC: failed, recovery 42.0 s" in svg
    assert "2026-11-08 04:00 UTC: could not verify, recovery not measured" in svg


def test_a_history_in_which_nothing_was_measured_says_so() -> None:
    drawing = history_drawing(drill(error="No key fits."), [], WIDE)

    assert drawing.description == "1 drill, objective 60 min. None has a recovery time."
    assert ">none</text>" in to_svg(drawing, "history")


def test_the_image_for_chat_is_sharp_and_light() -> None:
    drawing = timeline_drawing(whole_stack(), WIDE)
    assert drawing is not None

    image = Image.open(io.BytesIO(to_png(drawing)))

    assert image.size[0] == 2 * WIDE.width_px
    assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_drawing_leaves_the_settings_of_matplotlib_as_they_were() -> None:
    before = dict(matplotlib.rcParams)

    _timeline_svg(whole_stack())

    assert dict(matplotlib.rcParams) == before


def test_drawing_never_loads_pyplot() -> None:
    program = (
        "import sys\n"
        "from onyx_pipelines_tests.restore.report.drills import whole_stack\n"
        "from onyx_pipelines.restore.report.history import History\n"
        "from onyx_pipelines.restore.report.html import report_html\n"
        "report_html(whole_stack(), History(()))\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)\n"
    )

    assert subprocess.run([sys.executable, "-W", "error", "-c", program]).returncode == 0


def test_markdown_alone_loads_no_drawing_library() -> None:
    program = (
        "import sys\n"
        "import onyx_pipelines.restore.report.writing\n"
        "sys.exit('matplotlib' in sys.modules)\n"
    )

    assert subprocess.run([sys.executable, "-c", program]).returncode == 0

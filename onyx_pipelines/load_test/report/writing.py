"""Draws one load test's report and puts it on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from onyx_pipelines.core.text import second_text
from onyx_pipelines.load_test.report import formatting, sentences, view
from onyx_pipelines.load_test.results import LoadTestResult, Scenario
from onyx_pipelines.reporting.publish import Published, point_latest_at, publish

if TYPE_CHECKING:
    import pandas as pd

    from onyx_pipelines.reporting.charts.panel import Chart

FOLDER: Final = "load-test"
RESULT_FILE: Final = "result.json"
_REMEDY: Final = "`onyx load-test report` writes it again without sending anything."
_THUMBNAIL_PX: Final = 760.0


def write_report(
    result: LoadTestResult,
    samples: pd.DataFrame,
    reports_dir: Path,
    targets_ms: Mapping[Scenario, float],
    *,
    stack: str = "",
) -> Published:
    """Write `reports_dir/load-test/<run>/`, over an earlier one of the run; point `latest` at it.

    Args:
        stack: whose load test it is; "": it has no name.

    Raises:
        ReportError: nothing was written, or (a run written again) not everything.
    """
    published = publish(
        reports_dir / FOLDER / result.run_id,
        load_test_page(result, samples, targets_ms, stack=stack),
        RESULT_FILE,
        result.model_dump_json(indent=1),
        remedy=_REMEDY,
    )
    point_latest_at(published.directory)
    return published


def load_test_page(
    result: LoadTestResult,
    samples: pd.DataFrame,
    targets_ms: Mapping[Scenario, float],
    *,
    stack: str = "",
) -> str:
    """The whole page. `targets_ms`: objectives that are drawn into the spectrum."""
    # Drawing takes half a second to import, which whoever only loads definitions need not pay.
    from onyx_pipelines.load_test.report import panels
    from onyx_pipelines.reporting.charts.canvas import WIDTHS_PX
    from onyx_pipelines.reporting.charts.panel import drawn

    over_time = panels.over_time(samples)
    return page_of(
        result,
        stack=stack,
        charts={
            "spectrum": drawn(panels.spectrum(result, samples, targets_ms), "spectrum"),
            "budget": drawn(panels.budget(result), "budget"),
            "throughput": drawn(panels.throughput(result), "throughput"),
            **{
                name: drawn(over_time, name, width_px=width_px)
                for name, width_px in WIDTHS_PX.items()
            },
        },
    )


def page_of(
    result: LoadTestResult, *, stack: str = "", charts: Mapping[str, Sequence[Chart]]
) -> str:
    """The page around its charts, by what they show; `wide` and `narrow` are those over time."""
    from onyx_pipelines.load_test.report import panels
    from onyx_pipelines.reporting.pages import render

    return render(
        "load_test",
        stack=stack,
        title=f"Load test: {result.verdict.value}",
        subtitle=f"Load test, {second_text(result.started_at)}, profile {result.profile},"
        f" target {result.target}",
        verdict=view.verdict(result),
        headline=sentences.headline(result),
        command=sentences.command(result),
        reproduction=formatting.reproduction_pairs(result),
        result=result,
        view=view,
        formatting=formatting,
        sentences=sentences,
        drawn=charts,
        budget_key=panels.budget_key(result),
        over_time_key=panels.OVER_TIME_KEY,
    )


def thumbnail_png(result: LoadTestResult) -> bytes:
    """The latency budget, small enough for a dialog of the UI; an empty frame without answers."""
    from onyx_pipelines.load_test.report import panels
    from onyx_pipelines.reporting.charts.canvas import Drawing, new_figure, to_png
    from onyx_pipelines.reporting.charts.panel import row_of_panels

    found = panels.budget(result)
    if not found:
        return to_png(Drawing(new_figure(480, 270), "", ""))
    return to_png(row_of_panels(found, panels.budget_key(result), width_px=_THUMBNAIL_PX))

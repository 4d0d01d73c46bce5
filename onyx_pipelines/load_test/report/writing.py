"""Draws one load test's report and puts it on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from onyx_pipelines.core.text import second_text
from onyx_pipelines.load_test.report import formatting, sentences, view
from onyx_pipelines.load_test.results import LoadTestResult, Scenario
from onyx_pipelines.reporting.publish import Published, point_latest_at, publish

if TYPE_CHECKING:
    import pandas as pd

FOLDER: Final = "load-test"
RESULT_FILE: Final = "result.json"
_REMEDY: Final = "`onyx load-test report` writes it again without sending anything."


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
    # Statistics take half a second to import, which whoever only loads definitions need not pay.
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
        spectrum=panels.spectrum(result, samples, targets_ms),
        budget=panels.budget(result),
        throughput=panels.throughput(result),
        over_time=panels.over_time(samples),
    )


def thumbnail(result: LoadTestResult) -> str:
    """The latency budget as the address of an image, for a dialog of the UI; "" without answers."""
    from onyx_pipelines.load_test.report import panels
    from onyx_pipelines.reporting.plots import picture

    found = panels.budget(result)
    return picture(found) if found else ""

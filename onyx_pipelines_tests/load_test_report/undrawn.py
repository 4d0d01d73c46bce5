"""The page of a load test without its charts, which take longer than all else."""

from __future__ import annotations

from onyx_pipelines.load_test.report.panels import budget_key
from onyx_pipelines.load_test.report.view import LoadTestView
from onyx_pipelines.load_test.results import LoadTestResult
from onyx_pipelines.reporting.pages import render


def undrawn(result: LoadTestResult) -> str:
    return render(
        "load_test",
        view=LoadTestView(result),
        spectrum=[],
        budget=[],
        budget_key=budget_key(result),
        throughput=[],
        over_time={},
        over_time_key=[],
    )

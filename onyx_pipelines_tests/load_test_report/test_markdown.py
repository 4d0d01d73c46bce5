"""The short summary and the tables: no number is invented, no text is markup."""

from __future__ import annotations

from onyx_pipelines.load_test.report.markdown import (
    capacity_markdown,
    changes_markdown,
    latency_markdown,
    summary_markdown,
)
from onyx_pipelines.load_test.results import Interval, LoadTestResult
from onyx_pipelines_tests.load_test_report import factories
from onyx_pipelines_tests.reporting.test_markdown import cells_of

FAILING = factories.failing().result


def _with(result: LoadTestResult, **changes: object) -> str:
    changed = result.model_copy(update=changes)
    tables = (summary_markdown, latency_markdown, capacity_markdown, changes_markdown)
    return "\n\n".join(each(changed) for each in tables)


def test_an_open_end_of_an_interval_is_left_out() -> None:
    objective = FAILING.objectives[0].model_copy(update={"interval": Interval(low=9.0, high=None)})

    assert "| at least 9.0 ms |" in _with(FAILING, objectives=(objective,))


def test_a_number_without_an_interval_has_no_empty_brackets() -> None:
    summaries = tuple(
        each.model_copy(
            update={
                "percentiles": tuple(
                    found.model_copy(update={"interval": None}) for found in each.percentiles
                )
            }
        )
        for each in FAILING.summaries
    )
    capacities = tuple(
        each.model_copy(update={"knee_interval": None}) for each in FAILING.capacities
    )

    assert "()" not in _with(FAILING, summaries=summaries, capacities=capacities)


def test_falling_throughput_is_said() -> None:
    capacity = FAILING.capacities[0].model_copy(update={"retrograde": True})

    assert "Throughput falls again with more users." in _with(FAILING, capacities=(capacity,))


def test_numbers_that_are_none_are_not_known() -> None:
    objective = FAILING.objectives[0].model_copy(update={"measured": float("nan")})

    assert "chat p95 not known of 1.50 s" in _with(FAILING, objectives=(objective,))


def test_the_summary_of_an_invalid_run_passes_nothing() -> None:
    summary = summary_markdown(factories.invalid().result)

    assert summary.startswith("**! INVALID** This run proves nothing.")
    assert "passed" not in summary
    assert summary.count("! not to be used |") == 3


def test_hostile_texts_are_no_markup_and_keep_their_columns() -> None:
    result = factories.hostile().result

    for made in (summary_markdown(result), latency_markdown(result), changes_markdown(result)):
        rows = [row for row in cells_of(made) if row]
        assert len({len(row) for row in rows}) <= 1
        assert "<script>" not in made
        assert "](https" not in made

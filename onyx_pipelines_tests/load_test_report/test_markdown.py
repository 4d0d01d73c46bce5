"""The Markdown twin: no number of the page is missing, none is invented, no text is markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onyx_pipelines.load_test.report.markdown import report_markdown, summary_markdown
from onyx_pipelines.load_test.report.wording import TIMES
from onyx_pipelines.load_test.results import Interval, LoadTestResult
from onyx_pipelines_tests.load_test_report import made_up

FAILING = made_up.failing().result
FILES = ("report.md", "report.html", "result.json")


def _with(result: LoadTestResult, **changes: object) -> str:
    return report_markdown(result.model_copy(update=changes))


@pytest.mark.parametrize(
    "number",
    [
        "| postgres pool | 7 % | 14 % |",
        f"1.31{TIMES} (1.22 to 1.41)",
        "share 93 % (89 to 96 %), confidence 0.94",
        "1.14 s → 420 ms (380 ms to 510 ms)",
        "knee at 5.6 users (4.9 users to 6.4 users)",
        "2026-11-20 03:19:07 UTC, chat p95:",
        "| Began | `2026-11-20 03:15:00 UTC` |",
        "| kernel | `6.1.0` |",
        "| Scenario scripts | `5d41402abc4b2a76` |",
    ],
)
def test_numbers_of_the_page_are_there(number: str) -> None:
    assert number in report_markdown(FAILING)


def test_a_service_that_is_not_known_at_a_step_is_not_zero() -> None:
    assert "| qdrant CPU | 2 % | not known | 7 % |" in report_markdown(FAILING)


def test_a_step_without_answers_has_no_mean() -> None:
    step = FAILING.sweep[0].model_copy(update={"samples": 0, "mean_ms": 0.0, "parts": {}})

    row = "| chat | 1 | 3.3 | not known | not known | 0.0 % | not known |"
    assert row in _with(FAILING, sweep=(step,))


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
    summary = summary_markdown(made_up.invalid().result)

    assert summary.startswith("**! INVALID** This run proves nothing.")
    assert "passed" not in summary
    assert summary.count("! not to be used |") == 3


def test_a_run_without_a_sweep_does_not_claim_that_nothing_has_to_be_done() -> None:
    assert "Without a sweep it cannot be told" in report_markdown(made_up.nearly_empty().result)


def test_hostile_texts_are_no_markup() -> None:
    lines = report_markdown(made_up.hostile().result).splitlines()
    outside_code = "\n".join(line for line in lines if not line.startswith("onyx load-test run"))

    assert "<script>" not in outside_code
    assert "**bold**" not in outside_code
    assert "](https" not in outside_code


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    tables = re.findall(r"(?:^\|.*\|$\n?)+", report_markdown(made_up.hostile().result), re.M)

    for table in tables:
        rows = table.strip().splitlines()
        assert {row.count(" | ") for row in rows[2:]} == {rows[0].count(" | ")}


def test_a_profiles_name_cannot_end_the_code_block() -> None:
    page = _with(FAILING, profile="x\n```\n# INJECTED")

    assert "\n# INJECTED" not in page


def test_the_example_is_what_its_result_is_written_as_today() -> None:
    folder = Path(__file__).parents[2] / "reports" / "examples" / "load-test"
    result = LoadTestResult.model_validate_json((folder / "result.json").read_bytes())
    written = {name: (folder / name).read_text(encoding="utf-8") for name in FILES}

    assert written["report.md"] == report_markdown(result)
    assert all(objective.text in written["report.html"] for objective in result.objectives)
    assert [name for name, text in written.items() if "GiB" in text] == []

"""What the analysis answers is data; every kind of it has words."""

from __future__ import annotations

import pytest

from onyx_pipelines.load_test.facts import Fact, RemedyKind, What, fact
from onyx_pipelines.load_test.report.sentences import (
    advice,
    evidence,
    sentence,
    summary,
    verification,
)
from onyx_pipelines.load_test.results import Attribution, Cause, CauseKind, Remedy, Scenario

FIGURES = dict.fromkeys(
    (
        *("users", "low_users", "samples", "low_ms", "ms", "gained", "share", "per_s", "busy"),
        *("size", "held_ms", "used_ms", "slower_ms", "before_ms", "accepted_per_s", "risen_mb"),
        *("observed_s", "kb_per_request", "foreign_cores", "calls", "requests", "demand_ms"),
        *("most_per_s", "cores", "cpu_cores", "servers", "now", "host_cores", "wanted_per_s"),
        *("now_per_s", "gb_per_hour", "timed_share", "run", "planned", "whole", "rows", "percent"),
        *("ratio", "low", "high", "count", "needed", "slow", "target_ms", "low_percent"),
        *("high_percent", "allowed_percent", "used_bytes", "most_bytes", "limit_bytes"),
    ),
    0.25,
) | {
    "service": "db",
    "caller": "app",
    "parts": "tls",
    "part": "tls",
    "services": "db",
    "place": "db",
    "unit": "sweep 1",
    "why": "too long",
    "exit_status": 1,
    "error": "a time-out",
    "scenario": "chat",
    "measure": "0.25",
}
# They stand in the cells of a table, or are joined to a sentence.
PARTS_OF_SENTENCES = {
    *(What.UNITS_RUN, What.UNIT_ABORTED, What.ALL_UNITS, What.UNITS_WHOLE, What.UNIT_BROKEN),
    *(What.ALL_ROWS, What.REQUESTS_FAILED, What.COMMONEST_ERROR, What.FAILED_AT_MOST),
    *(What.USERS_BUSY, What.BUSY_WITHIN, What.GENERATOR_USED, What.GENERATOR_BELOW, What.DRIFTED),
    *(What.DRIFT_AT_MOST, What.NO_REQUEST, What.TOO_FEW_REQUESTS, What.NOT_KNOWN),
    What.TOO_FEW_SAMPLES,
}


@pytest.mark.parametrize("what", What)
def test_every_fact_is_a_sentence(what: What) -> None:
    said = sentence(fact(what, **FIGURES))

    assert said[0].isalnum()
    assert said.endswith(".") is (what not in PARTS_OF_SENTENCES)
    assert "  " not in said


@pytest.mark.parametrize("kind", CauseKind)
def test_every_cause_has_a_summary(kind: CauseKind) -> None:
    cause = Cause(kind=kind, service="db", share=0.5, confidence=0.9)

    said = summary(Attribution(scenario=Scenario.RAG, cause=cause))

    assert said[0].isupper()
    assert said.endswith("confidence 0.90).")


@pytest.mark.parametrize("kind", RemedyKind)
def test_every_remedy_says_what_to_do_what_it_risks_and_what_it_takes(kind: RemedyKind) -> None:
    remedy = Remedy(cause=CauseKind.UNKNOWN, service="db", kind=kind, users=8, figures=FIGURES)

    action, risk, effort = advice(remedy)
    assert action.endswith(".")
    assert risk.endswith(".")
    assert effort.startswith(("low: ", "medium: "))
    assert "the step of 8 users" in verification(remedy)


def test_shares_and_cores_are_written_as_people_read_them() -> None:
    full = fact(
        What.CPU_FULL,
        service="db",
        users=8,
        cores=2.0,
        cpu_cores=1.9,
        run_queue_cores=0.31,
        throttled_share=0.125,
    )

    assert sentence(full) == (
        "The CPU of db is full: 1.90 of 2 cores used and 0.31 waited for, throttled 12 % of the"
        " time at 8 users."
    )


def test_a_result_holds_figures_and_no_sentences() -> None:
    cause = Cause(
        kind=CauseKind.POOL_EXHAUSTION,
        service="db",
        share=0.9,
        confidence=0.8,
        facts=(fact(What.POOL_IN_USE, busy=9.6, size=10),),
    )
    answer = Attribution(scenario=Scenario.RAG, cause=cause)

    written = answer.model_dump_json()

    assert "connections are in use" in evidence(cause)[0]
    assert "connections" not in written
    assert Attribution.model_validate_json(written) == answer


def test_what_is_not_known_is_left_out() -> None:
    assert fact(What.CPU_NO_LIMIT, service="db", cpu_cores=None) == Fact(
        what=What.CPU_NO_LIMIT, values={"service": "db"}
    )

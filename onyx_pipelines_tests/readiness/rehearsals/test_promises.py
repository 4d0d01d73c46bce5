"""Whether the playbooks are known to work, and the figures of several rehearsals."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.rehearsals.figures import (
    figures_of,
    figures_table,
    read_figures,
    write_figures,
)
from onyx_pipelines.readiness.rehearsals.promises import rehearsed_answer
from onyx_pipelines.readiness.rehearsals.report import headline, page
from onyx_pipelines_tests.examples import random_examples
from onyx_pipelines_tests.readiness.rehearsals.made_rehearsals import AT, one_of_each, rehearsal

AGE = timedelta(days=90)
TIMES = st.one_of(st.none(), st.floats(0, 1e4))


def test_six_that_passed_lately_keep_the_promise() -> None:
    verdict, text = rehearsed_answer(one_of_each(), AT + AGE, AGE)

    assert (verdict, text) == (Verdict.PASSED, "All 6 playbooks passed within 90 days.")


def test_one_that_failed_breaks_it() -> None:
    found = one_of_each() | {"ssl-expiry": rehearsal(Playbook.CERTIFICATE_EXPIRY, cleared_s=None)}

    verdict, text = rehearsed_answer(found, AT, AGE)

    assert verdict is Verdict.FAILED
    assert "ssl-expiry failed: The all-clear did not come." in text


def test_what_is_too_old_or_was_never_rehearsed_is_not_known() -> None:
    assert rehearsed_answer({}, AT, AGE)[0] is Verdict.COULD_NOT_VERIFY
    old = rehearsed_answer(one_of_each(), AT + AGE + timedelta(seconds=1), AGE)
    assert old[0] is Verdict.COULD_NOT_VERIFY
    found = one_of_each()
    del found["ssl-expiry"]
    verdict, text = rehearsed_answer(found, AT, AGE)
    assert verdict is Verdict.COULD_NOT_VERIFY
    assert "never rehearsed: ssl-expiry" in text


def test_of_several_the_median_is_told_and_what_was_wrong_is_counted(tmp_path: Path) -> None:
    several = [
        rehearsal(alerted_s=8.0, load=1.0),
        rehearsal(alerted_s=30.0, diagnosed_s=31.0, load=4.0, recovered_s=None, cleared_s=None),
        rehearsal(alerted_s=9.0, named=(Playbook.DATABASE_FAILURE,)),
    ]

    (found,) = figures_of(several)
    write_figures(tmp_path / "figures.json", [found])

    assert (found.rehearsals, found.passed, found.right_first) == (3, 1, 2)
    assert (found.detect_s, found.slowest_detect_s, found.whole_s) == (9, 30, 26)
    assert found.load == (1.0, 4.0)
    assert read_figures(tmp_path / "figures.json") == (found,)


@settings(max_examples=random_examples(20))
@given(times=st.lists(TIMES, min_size=4, max_size=4))
def test_a_page_shows_random_rehearsals_whatever_did_not_come(times: list[float | None]) -> None:
    names = ("alerted_s", "diagnosed_s", "recovered_s", "cleared_s")
    found = rehearsal(**dict(zip(names, times, strict=True)))

    assert figures_table(figures_of([found])).groups
    assert "<title>Game days</title>" in page([found], [found])


@pytest.mark.parametrize("awkward", ["<script>x</script>", "a\x1b[31mb"])
def test_whatever_a_command_has_said_is_text(awkward: str) -> None:
    step = rehearsal().steps[0].model_copy(update={"typed": awkward, "output": awkward})
    found = rehearsal(steps=(step,))

    html = page([found], [found])

    assert "<script" not in html
    assert "\x1b" not in html


def test_a_page_without_one_of_the_playbooks_is_no_pass() -> None:
    assert "PASSED" not in page([rehearsal()], [rehearsal()])
    assert "PASSED" in page(list(one_of_each().values()), [rehearsal()])


def test_the_headline_names_what_is_lacking() -> None:
    assert headline([rehearsal(cleared_s=None)]) == (
        "0 of 6 scenarios passed; not: llm-service-down; never rehearsed: database-failure,"
        " high-resource-usage, vector-db-corruption, ssl-expiry and sync-job-failure; the slowest"
        " alert came after 9.0 s."
    )

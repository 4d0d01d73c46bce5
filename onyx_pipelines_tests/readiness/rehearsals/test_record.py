"""What one rehearsal shows of its playbook, and that it is kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.rehearsals.book import (
    RehearsalBook,
    RehearsalBookError,
    newest_of_each,
)
from onyx_pipelines_tests.readiness.rehearsals.made_rehearsals import AT, STEP, rehearsal


def test_one_that_goes_as_it_should_passes() -> None:
    found = rehearsal()

    assert (found.verdict, found.problems) == (Verdict.PASSED, ())
    assert (found.detect_s, found.diagnose_s, found.repair_s, found.whole_s) == (9, 3, 8, 26)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"alerted_s": 61.0, "diagnosed_s": 64.0}, "after more than 60 s"),
        ({"alert": "", "alerted_s": None}, "Nobody was told"),
        ({"named": (Playbook.DATABASE_FAILURE, Playbook.LLM_DOWN)}, "database-failure first"),
        ({"named": ()}, "named nothing first"),
        ({"recovered_s": None, "cleared_s": None}, "did not repair it"),
        ({"cleared_s": None}, "all-clear did not come"),
        ({"unwell": "documents has 3 points; before it had 9."}, "3 points"),
        (
            {"steps": (STEP.model_copy(update={"typed": "dokcer ps", "exit_status": 127}),)},
            "dokcer ps",
        ),
        ({"steps": (STEP.model_copy(update={"exit_status": None}),)}, "could not be run"),
    ],
)
def test_whatever_does_not_go_as_it_should_fails_it_and_is_said(
    facts: dict[str, Any], says: str
) -> None:
    found = rehearsal(**facts)

    assert found.verdict is Verdict.FAILED
    assert says in " ".join(found.problems)


def test_what_could_not_be_struck_proves_nothing() -> None:
    found = rehearsal(
        alerted_s=None, named=(), recovered_s=None, cleared_s=None, unwell="It was not well before."
    )

    assert found.verdict is Verdict.COULD_NOT_VERIFY
    assert found.problems == ("It was not well before.",)


@pytest.mark.parametrize(
    "facts",
    [
        {"exit_status": 1},
        {"exit_status": None, "left_out": "It is not needed."},
        {"typed": "onyx health", "exit_status": 2, "output": "drills unknown"},
    ],
)
def test_a_bad_answer_and_a_step_that_is_not_needed_are_no_fault_of_the_playbook(
    facts: dict[str, Any],
) -> None:
    assert rehearsal(steps=(STEP.model_copy(update=facts),)).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    "facts",
    [
        {"typed": "docker rm x", "exit_status": 2, "output": "usage: docker"},
        {"typed": "onyx helth", "exit_status": 2, "output": "error: No such command 'helth'."},
    ],
)
def test_a_command_that_is_not_there_is(facts: dict[str, Any]) -> None:
    assert rehearsal(steps=(STEP.model_copy(update=facts),)).verdict is Verdict.FAILED


def test_the_last_of_each_is_found_again(tmp_path: Path) -> None:
    book = RehearsalBook(tmp_path)
    later = rehearsal(rehearsal_id="a", struck_at=AT + timedelta(days=1), cleared_s=None)
    for each in (rehearsal(), later, rehearsal(Playbook.CERTIFICATE_EXPIRY)):
        book.add(each)

    newest = newest_of_each(book.all())

    assert newest["llm-service-down"] == later
    assert newest.keys() == {"llm-service-down", "ssl-expiry"}


def test_one_that_cannot_be_understood_hides_no_other(tmp_path: Path) -> None:
    book = RehearsalBook(tmp_path)
    book.add(rehearsal()).with_name("torn.json").write_text("{", encoding="utf-8")

    assert book.all() == [rehearsal()]


def test_a_host_without_any_has_none(tmp_path: Path) -> None:
    assert RehearsalBook(tmp_path / "nowhere").all() == []


def test_where_nothing_can_be_written_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "rehearsals").write_text("a file", encoding="utf-8")

    with pytest.raises(RehearsalBookError, match="cannot be written"):
        RehearsalBook(tmp_path).add(rehearsal())

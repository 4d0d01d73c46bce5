"""Which playbook is named by what was seen; what could not be looked at rules nothing out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onyx_pipelines.health.verdict import Area, Condition, Finding
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.diagnosis import (
    Outcome,
    Seen,
    Triage,
    conclude,
    seen_finding,
    seen_output,
    seen_value,
)
from onyx_pipelines.readiness.playbook import Step, playbooks

Key = tuple[Playbook, str]
WELL = {
    (each.id, step.id): Seen(is_healthy=True, text="1")
    for each in playbooks()
    for step in each.diagnosis
}
DECISIVE = [
    (each.id, step.id) for each in playbooks() for step in each.diagnosis if step.is_decisive
]
NOT_DECISIVE = [key for key in WELL if key not in DECISIVE]


def triage(seen: dict[Key, Seen]) -> Triage:
    return conclude(playbooks(), seen, datetime(2026, 11, 27, tzinfo=UTC), 0.1)


def with_odd(*keys: Key) -> dict[Key, Seen]:
    return WELL | {key: Seen(is_healthy=False, text="0") for key in keys}


def named(found: Triage) -> list[Playbook]:
    return [each.playbook.id for each in found.named]


def test_a_healthy_stack_names_none() -> None:
    found = triage(WELL)

    assert named(found) == []
    assert len(found.ruled_out) == len(Playbook)
    assert found.sentence == "Nothing was found: every playbook is ruled out."


@pytest.mark.parametrize("key", DECISIVE, ids=lambda key: f"{key[0].value}-{key[1]}")
def test_a_decisive_step_alone_names_its_playbook(key: Key) -> None:
    assert named(triage(with_odd(key))) == [key[0]]


@pytest.mark.parametrize("key", NOT_DECISIVE, ids=lambda key: f"{key[0].value}-{key[1]}")
def test_a_step_that_decides_nothing_names_none(key: Key) -> None:
    assert named(triage(with_odd(key))) == []


def test_two_incidents_at_once_are_both_named() -> None:
    found = triage(
        with_odd(
            (Playbook.LLM_DOWN, "proxy-is-scraped"), (Playbook.CERTIFICATE_EXPIRY, "days-are-left")
        )
    )

    assert named(found) == [Playbook.CERTIFICATE_EXPIRY, Playbook.LLM_DOWN]
    assert "Also: The language model does not answer" in found.sentence


def test_what_follows_from_another_incident_is_its_consequence() -> None:
    job = Playbook.SYNC_FAILURE, "runs-succeed"
    found = triage(with_odd((Playbook.DATABASE_FAILURE, "server-answers"), job))

    (outcome,) = [
        step.outcome
        for each in found.ruled_out
        for step in each.evidence
        if (each.playbook.id, step.step.id) == job
    ]
    assert named(found) == [Playbook.DATABASE_FAILURE]
    assert outcome is Outcome.CONSEQUENCE


def test_the_critical_comes_before_the_warning() -> None:
    found = triage(
        with_odd(
            (Playbook.SYNC_FAILURE, "backups-are-there"),
            (Playbook.SYNC_FAILURE, "drills-pass"),
            (Playbook.VECTOR_CORRUPTION, "server-is-scraped"),
        )
    )

    assert named(found) == [Playbook.VECTOR_CORRUPTION, Playbook.SYNC_FAILURE]


def test_what_could_not_be_looked_at_rules_nothing_out() -> None:
    found = triage(WELL | {(Playbook.LLM_DOWN, "calls-succeed"): Seen(None, "no answer")})

    assert named(found) == []
    assert [each.playbook.id for each in found.could_not_tell] == [Playbook.LLM_DOWN]
    assert list(found.unknown_by_reason) == ["no answer"]
    assert found.sentence == "Nothing was found. Could not tell whether: llm-service-down."


def test_of_nothing_nothing_is_told() -> None:
    assert len(triage({}).could_not_tell) == len(Playbook)


def test_each_named_playbook_has_a_next_command() -> None:
    assert all(each.next_action for each in triage(with_odd(*DECISIVE)).named)


def asking(**said: object) -> Step:
    return Step.model_validate(
        {"id": "a", "asks": "A?", "healthy": "1.", "otherwise": "It is not.", **said}
    )


@pytest.mark.parametrize(("if_nothing", "is_healthy"), [("healthy", True), ("unknown", None)])
def test_no_figure_is_what_the_step_says(if_nothing: str, is_healthy: bool | None) -> None:
    step = asking(query="up", healthy_if="== 1", if_nothing=if_nothing)

    assert seen_value(step, None).is_healthy is is_healthy


@pytest.mark.parametrize(
    ("lines", "is_healthy", "text"),
    [
        (["Up 2 days", "Up 3 hours"], True, "Up 2 days"),
        (["Up 2 days", "Exited (137)"], False, "Exited (137)"),
        ([], None, "no output"),
    ],
)
def test_each_line_of_an_output_must_be_as_expected(
    lines: list[str], is_healthy: bool | None, text: str
) -> None:
    assert seen_output(asking(command=["ps"], expect="^Up"), lines) == Seen(is_healthy, text)


@pytest.mark.parametrize(
    ("condition", "is_healthy"),
    [
        (Condition.OK, True),
        (Condition.DEGRADED, True),
        (Condition.FAILING, False),
        (Condition.UNKNOWN, None),
        (Condition.NOT_WATCHED, None),
    ],
)
def test_an_area_is_an_incident_where_it_fails(
    condition: Condition, is_healthy: bool | None
) -> None:
    assert seen_finding(Finding(Area.BACKUPS, condition, "So.")) == Seen(is_healthy, "So.")

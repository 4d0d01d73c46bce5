"""The procedure of going live: it names things that exist, and decides by them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest
from pydantic import ValidationError

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.monitoring.contract import job_of
from onyx_pipelines.monitoring.expression import needs_of
from onyx_pipelines.monitoring.metrics import APPLICATION, OPERATION
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.readiness.launch.checklist import checklist
from onyx_pipelines.readiness.launch.go_live import Criterion, GoLive, decide, go_live, moments
from onyx_pipelines.readiness.launch.objections import Standing
from onyx_pipelines.readiness.launch.signing_off import SIGNING_ROLES
from onyx_pipelines.readiness.launch.verdicts import Facts
from onyx_pipelines_tests.readiness.commands import assert_exists
from onyx_pipelines_tests.readiness.launch.passing import AT, review_of, signed_by_all

ASKED: Final = checklist()
PROCEDURE: Final = go_live()
REVIEW: Final = review_of(ASKED)
ALL_SIGNED: Final = [
    Standing(role, each)
    for role, each in zip(SIGNING_ROLES, signed_by_all(REVIEW, ASKED), strict=True)
]
COMMANDS: Final = [
    text
    for command in (
        *PROCEDURE.actions,
        *(step.undo for step in PROCEDURE.rollback.steps),
    )
    if (text := command).startswith("onyx ")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_ours_exists_with_its_options(command: str) -> None:
    assert_exists(command)


def test_every_other_command_is_of_the_container_engine() -> None:
    others = {each.split()[0] for each in PROCEDURE.actions if each} - {"onyx"}

    assert others == {"docker"}


def test_the_timeline_goes_from_a_week_before_to_a_week_after() -> None:
    assert (PROCEDURE.timeline[0].when, PROCEDURE.timeline[-1].when) == ("T-7 days", "T+7 days")
    assert [each.when for each in PROCEDURE.timeline if not each.at] == ["T"]


def test_a_criterion_asks_for_items_that_exist() -> None:
    asked = {item for each in PROCEDURE.criteria for item in each.items}

    assert asked - {item.id for item in ASKED.items} == set()


def test_the_watch_has_no_hole_and_lasts_a_week() -> None:
    begins = [each.begins for each in PROCEDURE.watch]
    ends = [each.ends for each in PROCEDURE.watch]

    assert begins == [timedelta(0), *ends[:-1]]
    assert ends[-1] == timedelta(days=7)


def test_the_alerts_that_are_watched_exist() -> None:
    known = {alert.name for group in groups(Thresholds()) for alert in group.alerts}

    assert {name for each in PROCEDURE.watch for name in each.alerts} - known == set()


@pytest.mark.parametrize("query", sorted({each.query for each in PROCEDURE.measured}))
def test_every_query_reads_only_families_that_somebody_exposes(query: str) -> None:
    ours = {family.name for family in (*APPLICATION, *OPERATION)} | {
        "up",
        "onyx_qdrant_collections_unwell",
        *(rule.record for group in groups(Thresholds()) for rule in group.recordings),
    }
    names = {selector.name for selector in needs_of(query).all_selectors()}

    assert names
    assert [name for name in names if name not in ours and not job_of(name)] == []


def test_what_is_watched_is_judged_by_the_figures_of_the_alerts() -> None:
    procedure = go_live(Thresholds(error_share=0.5))

    assert procedure.rollback.when[0].asks == "More than 50 % of requests fail."
    assert procedure.rollback.when[0].healthy_if == "<= 0.5"


def test_dates_follow_from_the_one_of_going_live() -> None:
    dated = moments(PROCEDURE, AT)

    assert dated[0][0] == AT - timedelta(days=7)
    assert AT in [at for at, _ in dated]


class TestGoOrNoGo:
    def test_go_where_each_criterion_holds(self) -> None:
        found = decide(PROCEDURE, REVIEW, ASKED, ALL_SIGNED)

        assert {each.verdict for each in found} == {Verdict.PASSED}

    def test_no_go_where_one_item_of_a_criterion_is_not_known(self) -> None:
        unable = {"rollback-rehearsed": Facts.unable(AT, "Nobody has shown anything.")}
        found = decide(PROCEDURE, review_of(ASKED, changed=unable), ASKED, ALL_SIGNED)

        odd = {each.criterion.id: each.found for each in found if each.verdict != Verdict.PASSED}
        assert odd == {
            "nothing-blocks": "Not passed: rollback-rehearsed.",
            "the-way-back-is-known": "Not passed: rollback-rehearsed.",
        }

    def test_no_go_where_one_role_has_not_signed(self) -> None:
        found = decide(
            PROCEDURE, REVIEW, ASKED, [*ALL_SIGNED[:2], Standing(SIGNING_ROLES[2], None)]
        )

        assert [each.found for each in found if each.verdict is not Verdict.PASSED] == [
            "product has not signed."
        ]


@pytest.mark.parametrize(
    "said",
    [
        {"id": "a", "asks": "A."},
        {"id": "a", "asks": "A.", "items": ["a"], "every_blocker": True},
        {"id": "a", "asks": "A.", "signed_by": ["nobody"]},
    ],
)
def test_a_criterion_that_cannot_be_decided_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Criterion.model_validate(said)


def test_a_timeline_that_is_not_in_order_is_refused() -> None:
    written = PROCEDURE.model_dump()
    written["timeline"] = written["timeline"][::-1]

    with pytest.raises(ValidationError, match="not in order"):
        GoLive.model_validate(written)

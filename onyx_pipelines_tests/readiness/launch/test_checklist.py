"""The checklist asks what the specification asks, and each of its queries can be answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.contract import blind_of, job_of, read
from onyx_pipelines.monitoring.expression import needs_of
from onyx_pipelines.monitoring.metrics import APPLICATION, OPERATION
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.readiness.launch import verification as way
from onyx_pipelines.readiness.launch.checklist import Checklist, Item, Role, checklist
from onyx_pipelines.readiness.launch.judging.judge import RULES
from onyx_pipelines_tests.readiness.test_playbooks import RECORDED, job_in

ITEMS = list(checklist().items)
QUERIES = [
    (each.id, each.verification.query)
    for each in ITEMS
    if isinstance(each.verification, way.OfMetrics)
]
MANUAL = [each for each in ITEMS if not each.is_automatic]
SECTIONS = [
    *("code", "deployment", "infrastructure", "data", "monitoring"),
    *("security", "documentation", "testing", "onboarding", "communications"),
]


def item(**changed: object) -> dict[str, object]:
    manual = {"kind": "manual", "evidence": "A link."}
    whole = {"id": "a", "asks": "A.", "owner": "product", "verification": manual}
    return {**whole, "holds_for": "P1D", **changed}


def test_it_has_the_ten_sections_of_the_specification() -> None:
    assert [each.id for each in checklist().sections] == SECTIONS


def test_it_has_fifty_items_and_more_and_looks_at_half_of_them_and_more() -> None:
    assert len(ITEMS) >= 50
    assert sum(each.is_automatic for each in ITEMS) >= len(ITEMS) / 2


def test_every_section_looks_at_something_and_has_something_that_blocks() -> None:
    for section in checklist().sections:
        assert any(each.is_automatic for each in section.items), section.id
        assert any(each.blocks for each in section.items), section.id


def test_those_who_sign_answer_for_something() -> None:
    assert {Role.ENGINEERING, Role.OPERATIONS, Role.PRODUCT} <= {each.owner for each in ITEMS}


def test_every_way_to_verify_is_used_and_has_a_rule() -> None:
    assert {type(each.verification) for each in ITEMS} == set(RULES)


@pytest.mark.parametrize("each", ITEMS, ids=lambda each: each.id)
def test_an_item_is_a_statement(each: Item) -> None:
    assert each.asks.endswith(".")
    assert "?" not in each.asks
    assert "check that" not in each.asks.lower()


@pytest.mark.parametrize("each", MANUAL, ids=lambda each: each.id)
def test_what_a_person_has_shown_ends_one_day(each: Item) -> None:
    assert each.holds_for is not None


def test_thresholds_are_those_of_the_alerts() -> None:
    stricter = checklist(Thresholds(certificate_days=30)).item("certificate-is-valid")

    assert stricter is not None
    assert stricter.verification == way.OfCertificate(kind="certificate", days=30)
    assert "30" in stricter.asks


@pytest.mark.parametrize(("where", "query"), QUERIES, ids=[where for where, _ in QUERIES])
def test_every_query_reads_only_families_that_somebody_exposes(where: str, query: str) -> None:
    ours = {family.name for family in (*APPLICATION, *OPERATION)} | {
        *("up", "process_start_time_seconds", "onyx_qdrant_collections_unwell"),
        *(rule.record for group in groups(Thresholds()) for rule in group.recordings),
    }
    names = {selector.name for selector in needs_of(query).all_selectors()}

    assert names
    assert [name for name in names if name not in ours and not job_of(name)] == []


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.stem)
def test_every_query_sees_what_this_version_exposes(recorded: Path) -> None:
    exposition = read(recorded.read_text(encoding="utf-8"))

    assert blind_of(QUERIES, job_in(recorded), exposition) == {}


@pytest.mark.parametrize(
    "each",
    [each for each in ITEMS if isinstance(each.verification, way.OfDatabase)],
    ids=lambda each: each.id,
)
def test_what_postgresql_is_asked_only_reads(each: Item) -> None:
    assert isinstance(each.verification, way.OfDatabase)
    assert each.verification.query.startswith("SELECT ")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (item(verification={"kind": "settings", "any_of": ["no_such"]}), "no_such is no setting"),
        (item(verification={"kind": "manual", "evidence": ""}), "at least 1 character"),
        (item(verification={"kind": "doctor", "checks": []}), "at least 1 item"),
        (item(verification={"kind": "guess"}), "guess"),
        (item(owner="nobody"), "engineering"),
        ({key: value for key, value in item().items() if key != "holds_for"}, "holds_for"),
    ],
)
def test_an_item_that_is_wrong_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Item.model_validate(wrong)


def test_an_id_stands_once() -> None:
    sections = [{"id": name, "title": name, "items": [item()]} for name in ("one", "two")]

    with pytest.raises(ValidationError, match="a is there twice"):
        Checklist.model_validate({"sections": sections})

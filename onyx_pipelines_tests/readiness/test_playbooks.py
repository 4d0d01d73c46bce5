"""The six playbooks say what the specification asks, and what they say to type is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.contract import blind_of, job_of, read
from onyx_pipelines.monitoring.expression import needs_of
from onyx_pipelines.monitoring.metrics import APPLICATION, OPERATION
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.readiness.playbook import IncidentPlaybook, Measured, Step, playbooks
from onyx_pipelines_tests.readiness.commands import assert_exists

RECORDED = sorted((Path(__file__).parents[1] / "data" / "metrics").glob("*.txt"))
ALERTS = [alert for group in groups(Thresholds()) for alert in group.alerts]
QUERIES = [
    (f"{each.id.value}: {asked.asks}", asked.query)
    for each in playbooks()
    for asked in (*(step for step in each.diagnosis if step.query), *each.recovered)
]
STEPS = [step for each in playbooks() for step in each.diagnosis]
# Each shows, and does nothing else.
ONLY_SHOW = {("docker", "ps"), ("docker", "inspect"), ("ps",), ("df",), ("free",)}


def job_in(recorded: Path) -> str:
    name = recorded.name.split("-")[0].removesuffix("_exporter")
    return {"postgres": "postgresql"}.get(name, name)


def onyx_commands() -> list[str]:
    said = [
        text
        for each in playbooks()
        for action in each.resolution
        for text in (action.command, *re.findall(r"`([^`]+)`", action.undo))
    ]
    return [text for text in said if text.startswith("onyx ")]


def test_each_scenario_of_the_specification_has_one() -> None:
    assert [each.id for each in playbooks()] == list(Playbook)


@pytest.mark.parametrize("playbook", playbooks(), ids=lambda each: each.id.value)
def test_something_alone_says_that_it_is_the_right_one(playbook: IncidentPlaybook) -> None:
    assert any(step.is_decisive for step in playbook.diagnosis)


@pytest.mark.parametrize("playbook", Playbook)
def test_every_playbook_is_linked_by_an_alert(playbook: Playbook) -> None:
    assert any(alert.playbook is playbook for alert in ALERTS)


@pytest.mark.parametrize("playbook", playbooks(), ids=lambda each: each.id.value)
def test_the_alerts_among_its_symptoms_link_to_it(playbook: IncidentPlaybook) -> None:
    linked = {alert.name: alert.playbook for alert in ALERTS}
    named = [
        word
        for symptom in playbook.symptoms
        if symptom.startswith("Alert")
        for word in re.findall(r"\b[A-Z][a-z]+[A-Z]\w+\b", symptom)
    ]

    assert named
    assert {name: linked.get(name) for name in named} == dict.fromkeys(named, playbook.id)


@pytest.mark.parametrize("step", STEPS, ids=lambda each: each.id)
def test_a_step_of_a_diagnosis_changes_nothing(step: Step) -> None:
    command = step.command
    assert not command or command[:1] in ONLY_SHOW or command[:2] in ONLY_SHOW


@pytest.mark.parametrize("command", onyx_commands())
def test_a_command_of_ours_exists_with_its_options(command: str) -> None:
    assert_exists(command)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.stem)
def test_every_query_sees_what_this_version_exposes(recorded: Path) -> None:
    exposition = read(recorded.read_text(encoding="utf-8"))

    assert blind_of(QUERIES, job_in(recorded), exposition) == {}


@pytest.mark.parametrize(("where", "query"), QUERIES, ids=[where for where, _ in QUERIES])
def test_every_query_reads_only_families_that_somebody_exposes(where: str, query: str) -> None:
    ours = {family.name for family in (*APPLICATION, *OPERATION)} | {
        # Prometheus' own.
        *("up", "ALERTS"),
        "onyx_qdrant_collections_unwell",
        *(rule.record for group in groups(Thresholds()) for rule in group.recordings),
    }
    names = {selector.name for selector in needs_of(query).all_selectors()}

    assert names
    assert [name for name in names if name not in ours and not job_of(name)] == []


def test_a_diagnosis_judges_by_the_figures_of_the_alerts() -> None:
    found = {
        step.id: step.healthy_if
        for each in playbooks(Thresholds(resources=0.7, certificate_days=30))
        for step in each.diagnosis
    }

    assert (found["processors"], found["memory"], found["days-are-left"]) == (
        "<= 0.7",
        "<= 0.7",
        ">= 30",
    )


@pytest.mark.parametrize(
    ("docs_url", "page"),
    [
        ("https://docs.example.org/onyx", "INCIDENTS.html"),
        ("https://forge.example.org/us/onyx/blob/main/docs", "INCIDENTS.md"),
        ("https://forge.example.org/us/onyx/src/branch/main/docs", "INCIDENTS.md"),
    ],
)
def test_a_link_leads_to_the_page_of_a_site_or_a_forge(docs_url: str, page: str) -> None:
    assert Playbook.LLM_DOWN.link(docs_url) == f"{docs_url}/{page}#llm-service-down"


@pytest.mark.parametrize("playbook", Playbook)
def test_the_page_has_the_place_that_alerts_link_to(playbook: Playbook) -> None:
    page = (Path(__file__).parents[2] / "docs" / "INCIDENTS.md").read_text(encoding="utf-8")

    assert f'<a id="{playbook.value}"></a>' in page


def step(**said: Any) -> dict[str, Any]:
    return {"id": "a", "asks": "A?", "healthy": "1.", "otherwise": "It is not.", **said}


@pytest.mark.parametrize(
    "said",
    [
        step(),
        step(query="up", healthy_if="== 1", command=["ps"]),
        step(query="up"),
        step(query="up", healthy_if="= 1"),
        step(query="up", healthy_if="== one"),
        step(command=["ps"], expect="("),
        step(area="weather"),
        step(query="up", healthy_if="== 1", unknown="field"),
    ],
)
def test_a_step_that_cannot_be_run_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises((ValidationError, re.error)):
        Step.model_validate(said)


@pytest.mark.parametrize(
    ("condition", "value", "is_healthy"),
    [
        ("== 1", 1.0, True),
        ("== 1", 0.0, False),
        ("< 0.9", 0.9, False),
        ("<= 2", 2.0, True),
        ("> 0.05", 0.05, False),
        (">= 14", 14.0, True),
        (">= 14", 13.9, False),
    ],
)
def test_a_figure_is_held_against_its_condition(
    condition: str, value: float, is_healthy: bool
) -> None:
    assert Measured(asks="A?", query="up", healthy_if=condition).is_healthy(value) is is_healthy

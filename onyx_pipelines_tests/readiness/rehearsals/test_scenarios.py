"""Six scenarios, each of which somebody who only sees its symptoms finds the playbook of."""

from __future__ import annotations

import pytest

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.readiness.decision_tree import Question, decision_tree
from onyx_pipelines.readiness.rehearsals.scenarios import SCENARIOS, Scenario
from onyx_pipelines.sandbox.game_days.faults import FAULTS

PLAYBOOK_OF_ALERT = {
    alert.name: alert.playbook for group in groups(Thresholds()) for alert in group.alerts
}


def test_every_playbook_is_rehearsed() -> None:
    assert {each.value for each in Playbook} <= SCENARIOS.keys()
    assert FAULTS.keys() == SCENARIOS.keys()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda each: each.id)
def test_its_alerts_link_to_its_playbook(scenario: Scenario) -> None:
    assert {PLAYBOOK_OF_ALERT.get(each) for each in scenario.alerts} == {scenario.playbook}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda each: each.id)
def test_the_decision_tree_leads_from_its_symptoms_to_its_playbook(scenario: Scenario) -> None:
    question: Question | None = decision_tree()
    led_to = None
    for words in scenario.answers:
        assert question is not None
        (answer,) = [each for each in question.answers if each.answer == words]
        led_to, question = answer.playbook, answer.then

    assert led_to is scenario.playbook

"""Rehearsals that nobody has held."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.rehearsals.record import Rehearsal, TypedStep
from onyx_pipelines.readiness.rehearsals.scenarios import SCENARIOS

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
STEP = TypedStep(do="Start it.", written="docker compose up --detach litellm", exit_status=0)


def rehearsal(playbook: Playbook = Playbook.LLM_DOWN, **facts: Any) -> Rehearsal:
    """One that passed, but for `facts`."""
    scenario = SCENARIOS[playbook.value]
    usual: dict[str, Any] = {
        "rehearsal_id": f"{playbook.value}-1",
        "scenario": scenario.id,
        "playbook": playbook,
        "struck_at": AT,
        "load": 1.5,
        "alert": min(scenario.alerts),
        "alerted_s": 9.0,
        "diagnosed_s": 12.0,
        "named": (playbook,),
        "steps": (STEP,),
        "recovered_s": 20.0,
        "cleared_s": 26.0,
    }
    return Rehearsal.model_validate(usual | facts)


def one_of_each(**facts: Any) -> dict[str, Rehearsal]:
    """By scenario."""
    return {each.value: rehearsal(each, **facts) for each in Playbook}

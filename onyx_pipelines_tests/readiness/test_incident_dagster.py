"""Dagster as the second pair of eyes: it does what nobody did in time, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from onyx_pipelines.core.names import Job, Op
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.definitions import build_defs
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.readiness import job as job_module
from onyx_pipelines.readiness.incidents.actions import open_by_hand
from onyx_pipelines.readiness.incidents.book import IncidentBook
from onyx_pipelines.readiness.incidents.record import Incident
from onyx_pipelines.readiness.sensors import unattended_incidents
from onyx_pipelines_tests.readiness.made_incidents import MINUTE, finds


def asked_for(given: dict[str, Any]) -> list[str]:
    """Run keys that the sensor would launch."""
    with dg.build_sensor_context(resources={"onyx": OnyxSettings(overrides=given)}) as context:
        found = unattended_incidents(context)
    return [each.run_key or "" for each in found] if isinstance(found, list) else []


def make_old(given: dict[str, Any]) -> None:
    """Nobody has attended to it for two minutes."""

    def aged(each: Incident) -> Incident:
        notes = (note.model_copy(update={"at": note.at - 2 * MINUTE}) for note in each.notes)
        return each.model_copy(update={"notes": tuple(notes)})

    book = IncidentBook(load_settings(given).state_dir)
    book.update(book.find("latest").id, aged)


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    return {"state_dir": str(tmp_path)}


def test_what_the_api_attends_to_is_left_to_it(given: dict[str, Any]) -> None:
    assert asked_for(given) == []
    open_by_hand(load_settings(given), "slow", Severity.CRITICAL, "ann")
    assert asked_for(given) == []


def test_what_nobody_attended_to_is_launched(given: dict[str, Any]) -> None:
    open_by_hand(load_settings(given), "slow", Severity.CRITICAL, "ann")
    make_old(given)

    assert len(asked_for(given)) == 1


def test_its_run_looks_and_says_what_it_found(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(given)
    open_by_hand(settings, "slow", Severity.CRITICAL, "ann")
    make_old(given)
    monkeypatch.setattr(job_module, "triage", finds(Playbook.DATABASE_FAILURE))

    with dg.DagsterInstance.ephemeral() as instance:
        done = build_defs(given).resolve_job_def(Job.TRIAGE).execute_in_process(instance=instance)

    (output,) = (each for each in done.events_for_node(Op.TRIAGE) if each.is_successful_output)
    metadata = output.step_output_data.metadata
    assert metadata["playbooks"].value == ["database-failure"]
    assert IncidentBook(settings.state_dir).find("latest").wants_triage is None

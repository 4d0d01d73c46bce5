"""Game days end to end, in one sandbox with all that watches it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.rehearsals.scenarios import SCENARIOS
from onyx_pipelines.sandbox.game_days.broken import Broken, broken_file
from onyx_pipelines.sandbox.game_days.faults import FAULTS
from onyx_pipelines.sandbox.game_days.game_day import GameDay
from onyx_pipelines.sandbox.game_days.stage import NEEDED, stage
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines_tests.lifetime import session_directory
from onyx_pipelines_tests.requirements_of_tests import program

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.thorough]


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    for each in NEEDED:
        program(each.name)
    return Sandbox(session_directory() / "game-day")


@pytest.fixture(scope="module")
def day(sandbox: Sandbox) -> Iterator[GameDay]:
    try:
        with stage(sandbox):
            yield GameDay(sandbox)
    finally:
        sandbox.down()


@pytest.mark.parametrize("playbook", [Playbook.LLM_DOWN, Playbook.CERTIFICATE_EXPIRY])
def test_an_incident_is_told_diagnosed_and_repaired_by_the_commands_as_written(
    playbook: Playbook, day: GameDay
) -> None:
    found = day.rehearse(SCENARIOS[playbook.value])

    assert (found.verdict, found.problems) == (Verdict.PASSED, ()), found.model_dump_json(indent=1)
    assert all(each.typed == each.written for each in found.steps if not each.left_out)


def test_what_a_killed_rehearsal_left_broken_is_put_right_by_sandbox_up(
    day: GameDay, sandbox: Sandbox
) -> None:
    assert day
    before = points(sandbox)
    scenario = Playbook.VECTOR_CORRUPTION.value
    broken_file(sandbox).write(Broken(scenario=scenario, since=datetime.now(UTC)))
    FAULTS[scenario].strike(sandbox)

    sandbox.up(monitoring=True)

    assert points(sandbox) == before
    assert broken_file(sandbox).read() is None


def points(sandbox: Sandbox) -> int:
    answer = httpx.get(f"{sandbox.qdrant.url}/collections/documents", trust_env=False)
    return int(answer.json()["result"]["points_count"])

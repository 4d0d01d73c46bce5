"""Runs that are interrupted, killed, or meet a target that fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from onyx_pipelines.load_test.analysis.result import analyse
from onyx_pipelines.load_test.k6.binary import K6
from onyx_pipelines.load_test.plan import Profile, plan
from onyx_pipelines.load_test.report.sentences import broken
from onyx_pipelines.load_test.results import Alarm, LoadVerdict, Scenario
from onyx_pipelines.load_test.running.environment import describe_environment, run_key_of
from onyx_pipelines.load_test.running.execution import (
    LiveLimit,
    LoadProgress,
    Running,
    run_units,
)
from onyx_pipelines.load_test.running.run_folder import RunFolder, RunRecord, run_keys
from onyx_pipelines.load_test.target import Target
from onyx_pipelines.load_test.targets import Targets
from onyx_pipelines_tests.load_test.small_target import SmallTarget
from onyx_pipelines_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.measures]

PROFILE = Profile(
    name="small",
    scenarios=(Scenario.RAG,),
    users=4,
    messages=6,
    repeats=3,
    sweep_users=(1, 2),
    step_s=1,
    open_s=0,
)


def begun(k6: K6, target: Target, state_dir: Path, profile: Profile = PROFILE) -> RunFolder:
    environment = describe_environment(k6, target, profile, "", {})
    folder = RunFolder(state_dir, run_key_of("label", profile, environment))
    folder.begin(
        RunRecord(
            run_key=folder.run_key,
            label="label",
            profile=profile,
            target=target.origin,
            environment=environment,
            started_at=datetime.now(UTC),
        )
    )
    return folder


def requests(small: SmallTarget) -> int:
    return sum(method == "POST" for method, _, _ in small.behaviour.seen)


@pytest.fixture
def running(k6: K6, small: SmallTarget) -> Running:
    small.behaviour.delay_s = 0.02
    return Running(k6, Target(small.url), PROFILE)


def test_a_whole_run_is_valid_and_every_unit_is_kept(
    k6: K6, small: SmallTarget, running: Running, tmp_path: Path
) -> None:
    folder = begun(k6, running.target, tmp_path)

    run_units(folder, running)

    result = analyse(folder, Targets(), None)
    assert [each.name for each in folder.units(plan(PROFILE))] == [
        each.name for each in plan(PROFILE)
    ]
    assert result.verdict is not LoadVerdict.INVALID, broken(result.validity)
    assert result.summaries[0].samples == 3 * 24
    assert len(folder.samples(plan(PROFILE))) == requests(small)
    assert run_keys(tmp_path) == [folder.run_key]


def test_a_run_that_is_done_sends_nothing_when_it_is_run_again(
    k6: K6, small: SmallTarget, running: Running, tmp_path: Path
) -> None:
    folder = begun(k6, running.target, tmp_path)
    run_units(folder, running)
    before = requests(small)

    run_units(begun(k6, running.target, tmp_path), running)

    assert requests(small) == before


def test_an_interrupted_run_goes_on_with_the_units_that_are_missing(
    k6: K6, running: Running, tmp_path: Path
) -> None:
    folder = begun(k6, running.target, tmp_path)

    def interrupt(progress: LoadProgress) -> None:
        if progress.unit == "rag/repeat-02":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_units(folder, replace(running, on_progress=interrupt))
    first = {each.name: each.started_ms for each in folder.units(plan(PROFILE))}
    run_units(folder, running)

    again = {each.name: each.started_ms for each in folder.units(plan(PROFILE))}
    assert set(first) == {"rag/warm-up", "rag/repeat-01"}
    assert again["rag/repeat-01"] == first["rag/repeat-01"]
    # The target has gone cold meanwhile.
    assert again["rag/warm-up"] > first["rag/warm-up"]
    assert len(again) == len(plan(PROFILE))


def test_a_run_that_is_killed_leaves_no_half_unit_and_no_k6(
    k6: K6, small: SmallTarget, tmp_path: Path
) -> None:
    small.behaviour.delay_s = 0.05
    program = f"""
import sys
from pathlib import Path
from onyx_pipelines_tests.load_test.running.test_running import PROFILE, begun
from onyx_pipelines.load_test.k6.binary import find_k6
from onyx_pipelines.load_test.running.execution import Running, run_units
from onyx_pipelines.load_test.target import Target
target = Target({small.url!r})
profile = PROFILE.model_copy(update={{"messages": 400}})
folder = begun(find_k6(), target, Path({str(tmp_path)!r}), profile)
run_units(folder, Running(find_k6(), target, profile))
"""
    with subprocess.Popen([sys.executable, "-c", program], start_new_session=True) as control:
        wait_until(lambda: requests(small) >= 40, "k6 sends")
        os.kill(control.pid, signal.SIGKILL)

    folder = RunFolder(tmp_path, run_keys(tmp_path)[0])
    profile = folder.record().profile
    assert {each.name for each in folder.units(plan(profile))} <= {"rag/warm-up"}
    time.sleep(0.5)
    after = requests(small)
    time.sleep(0.5)
    assert requests(small) == after


def test_a_unit_that_fails_is_tried_twice_and_then_makes_the_run_invalid(
    k6: K6, running: Running, tmp_path: Path
) -> None:
    failing = tmp_path / "k6"
    failing.write_text(f'#!/bin/sh\nif [ "$1" = run ]; then exit 107; fi\nexec {k6.path} "$@"\n')
    failing.chmod(0o755)
    folder = begun(k6, running.target, tmp_path)

    run_units(folder, replace(running, k6=K6(failing, k6.version)))

    result = analyse(folder, Targets(), None)
    assert result.verdict is LoadVerdict.INVALID
    assert result.attempts == 2
    assert "k6 ended with 107" in broken(result.validity)


def test_a_target_that_is_down_ends_the_run_early_and_makes_it_invalid(
    k6: K6, running: Running, tmp_path: Path
) -> None:
    alarms: list[Alarm] = []
    target = Target("http://127.0.0.1:1")
    folder = begun(k6, target, tmp_path)

    run_units(folder, replace(running, target=target, on_alarm=alarms.append))

    result = analyse(folder, Targets(), None)
    assert result.verdict is LoadVerdict.INVALID
    assert len(list(folder.units(plan(PROFILE)))) < len(plan(PROFILE))
    assert "the test ends here" in alarms[0].text
    assert result.alarms == tuple(alarms)


def test_a_limit_that_is_crossed_is_told_while_the_test_runs(
    k6: K6, small: SmallTarget, running: Running, tmp_path: Path
) -> None:
    small.behaviour.delay_s = 0.15
    told: list[tuple[float, Alarm]] = []
    folder = begun(k6, running.target, tmp_path)

    run_units(
        folder,
        replace(
            running,
            limits=(LiveLimit(Scenario.RAG, 100.0),),
            on_alarm=lambda alarm: told.append((time.time(), alarm)),
        ),
    )

    last = max(each.ended_ms for each in folder.units(plan(PROFILE))) / 1000
    assert len(told) == 1
    assert told[0][0] < last - 1
    assert "the objective is 100 ms" in told[0][1].text


def test_what_a_run_made_is_removed_before_and_after(
    k6: K6, small: SmallTarget, running: Running, tmp_path: Path
) -> None:
    folder = begun(k6, running.target, tmp_path)

    run_units(folder, replace(running, cleanup_path="/runs/{run}"))

    deleted = [path for method, path, _ in small.behaviour.seen if method == "DELETE"]
    assert deleted == [f"/runs/{folder.run_key}"] * 2
    tagged = {
        headers["X-Run-Id"] for method, _, headers in small.behaviour.seen if method == "POST"
    }
    assert tagged == {folder.run_key}


def test_progress_names_the_unit_its_users_and_the_time_left(
    k6: K6, running: Running, tmp_path: Path
) -> None:
    seen: list[LoadProgress] = []
    folder = begun(k6, running.target, tmp_path)

    run_units(folder, replace(running, on_progress=seen.append))

    assert {each.unit for each in seen} == {unit.name for unit in plan(PROFILE)}
    assert [each.share for each in seen] == sorted(each.share for each in seen)
    assert all(each.users in {1, 2, 4} for each in seen)


def test_other_scripts_or_users_are_another_environment(k6: K6) -> None:
    here = Target("http://127.0.0.1:1")
    usual = describe_environment(k6, here, PROFILE, "", {})
    other_users = PROFILE.model_copy(update={"users": 5})

    assert describe_environment(k6, here, PROFILE, "", {"kernel": "9"}).fingerprint == (
        usual.fingerprint
    )
    assert describe_environment(k6, here, other_users, "", {}).fingerprint != usual.fingerprint
    assert describe_environment(k6, here, PROFILE, "gpt", {}).fingerprint != usual.fingerprint

"""`onyx load-test`: runs, reports and promotes without Dagster, and leaves a record."""

from __future__ import annotations

import pytest

from onyx_pipelines.audit import Trail
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.load_test.small_target import small_target

pytestmark = [pytest.mark.slow, pytest.mark.measures]

RUN = (
    *("load-test", "run", "--profile", "quick", "--scenario", "rag", "--users", "4"),
    *("--messages", "30", "--repeats", "3", "--step-seconds", "1"),
)


@pytest.fixture
def host(volume_host: HostUnderTest, sandbox_alone: Sandbox) -> HostUnderTest:
    told = sandbox_alone.environment()
    volume_host.set(
        REPORTS_DIR=volume_host.root / "reports",
        LOAD_TEST_URL=told["ONYX_LOAD_TEST_URL"],
        LOAD_TEST_SERVICES=told["ONYX_LOAD_TEST_SERVICES"],
    )
    return volume_host


def test_a_run_answers_promotes_and_reports(host: HostUnderTest) -> None:
    runs = 1
    # Invalid where the machine is busy with something else.
    while (ran := host.onyx(*RUN, "--json")).json["verdict"] == "invalid" and runs < 4:
        runs += 1
    key = ran.json["run_id"]
    promoted = host.onyx("load-test", "baseline", "promote", key[:8], "--by", "Ada", "--json")
    again = host.onyx("load-test", "report", "latest")
    listed = host.onyx("load-test", "list", "--json").json
    baselines = host.onyx("load-test", "baseline", "list", "--json").json

    assert ran.status == {"passed": 0, "failed": 1}.get(ran.json["verdict"], 2)
    assert ran.json["summaries"][0]["samples"] == 360
    assert promoted.json["promoted_by"] == "Ada"
    assert "rag, retrieval" in again.output
    assert [each["run_key"] for each in listed][:1] == [key]
    assert len(listed) == runs
    assert [each["run_key"] for each in baselines] == [key]
    actions = [record.action for record in Trail.of(host.settings).records()]
    assert actions.count("load test") == 2 * runs
    assert actions.count("load-test baseline promote") == 2


def test_an_objective_that_is_missed_is_exit_status_1(
    host: HostUnderTest,
) -> None:
    with small_target() as small:
        small.behaviour.delay_s = 0.05
        host.set(LOAD_TEST_URL=small.url, RAG_P95_OBJECTIVE_MS=10)
        answer = host.onyx(*RUN, "--messages", "8", "--repeats", "2")

    assert answer.status == 1
    assert "FAILED" in answer.output
    assert "rag is slow" in answer.errors


def test_a_host_that_is_not_listed_is_refused(host: HostUnderTest) -> None:
    host.set(LOAD_TEST_URL="http://example.org")

    answer = host.onyx(*RUN)

    assert answer.status == 2
    assert "example.org is not in ONYX_LOAD_TEST_ALLOWED_HOSTS" in answer.errors


def test_a_profile_that_there_is_not_is_named(host: HostUnderTest) -> None:
    answer = host.onyx("load-test", "run", "--profile", "huge")

    assert (answer.status, "no load-test profile 'huge'" in answer.errors) == (2, True)

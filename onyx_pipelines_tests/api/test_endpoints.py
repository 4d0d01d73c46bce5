"""Every endpoint of the spec, against a real Dagster web server and real backup sets."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.problems import MEDIA_TYPE
from onyx_pipelines.api.tokens import Scope
from onyx_pipelines.audit import Trail
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines_tests.api.conftest import Api
from onyx_pipelines_tests.attacks.forging import forge_set
from onyx_pipelines_tests.dagster_server import DagsterServer
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, cut_manifest

DEAD = "http://127.0.0.1:9"


def backups(server: DagsterServer) -> list[dict[str, object]]:
    return [run for run in server.runs() if run["jobName"] == "nightly_backup"]


def tags_of(run: dict[str, object]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["tags"]}  # type: ignore[attr-defined]  # JSON


class TestTrigger:
    def test_it_puts_a_backup_into_dagsters_queue(
        self, api: Api, dagster_server: DagsterServer
    ) -> None:
        answer = api.client().post("/api/backup/trigger", json={"backup_type": "weekly"})

        assert answer.status_code == 200
        assert answer.json()["status"] == "started"
        (run,) = backups(dagster_server)
        assert run["status"] == "QUEUED"
        assert tags_of(run)["onyx/backup_id"] == answer.json()["backup_id"]
        assert tags_of(run)["onyx/launched_by"] == "restore"

    def test_fifty_at_once_start_one(self, api: Api, dagster_server: DagsterServer) -> None:
        with api.client() as client, ThreadPoolExecutor(50) as threads:
            answers = list(
                threads.map(lambda _: client.post("/api/backup/trigger", json={}), range(50))
            )

        assert {answer.status_code for answer in answers} == {200}
        statuses = [answer.json()["status"] for answer in answers]
        assert statuses.count("started") == 1
        assert statuses.count("already_running") == 49
        assert len({answer.json()["backup_id"] for answer in answers}) == 1
        assert len(backups(dagster_server)) == 1

    def test_while_the_lock_is_held_by_another_way_one_runs_already(
        self, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        with ExclusiveLock(volume_host.settings.state_dir, "backup", "some-set"):
            answer = api.client().post("/api/backup/trigger", json={})

        assert answer.json() == {"backup_id": "some-set", "status": "already_running"}
        assert backups(dagster_server) == []

    def test_the_same_key_starts_nothing_twice(
        self, api: Api, dagster_server: DagsterServer
    ) -> None:
        headers = {"Idempotency-Key": "deploy-42"}
        first = api.client().post("/api/backup/trigger", json={}, headers=headers)
        second = api.client().post("/api/backup/trigger", json={}, headers=headers)

        assert first.json() == second.json()
        assert first.json()["status"] == "started"
        assert len(backups(dagster_server)) == 1

    def test_chosen_components_are_what_is_launched(
        self, api: Api, dagster_server: DagsterServer
    ) -> None:
        answer = api.client().post("/api/backup/trigger", json={"components": ["volumes"]})

        assert answer.json()["status"] == "started"
        assert len(backups(dagster_server)) == 1

    def test_a_component_that_the_host_lacks_is_refused(self, api: Api) -> None:
        answer = api.client().post("/api/backup/trigger", json={"components": ["qdrant"]})

        assert answer.status_code == 409
        assert "has no qdrant" in answer.json()["detail"]

    def test_it_is_recorded_with_who_and_from_where(
        self, api: Api, volume_host: HostUnderTest
    ) -> None:
        api.client(Scope.OPERATE).post("/api/backup/trigger", json={})

        begun, ended = list(Trail.of(volume_host.settings).records())
        assert (begun.action, begun.origin.actor, begun.origin.address) == (
            "api backup",
            "operate",
            "127.0.0.1",
        )
        assert ended.result is not None

    def test_without_dagster_it_says_so(self, volume_host: HostUnderTest, api: Api) -> None:
        volume_host.set(DAGSTER_URL=DEAD)

        other = Api(create_app(volume_host.settings), api.tokens)
        answer = other.client().post("/api/backup/trigger", json={})

        assert answer.status_code == 503
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert "Dagster does not answer" in answer.json()["detail"]
        assert "command line" in answer.json()["remedy"]


class TestStatus:
    def test_a_finished_set_is_completed(self, api: Api, volume_host: HostUnderTest) -> None:
        backup_id = volume_host.run().backup_id

        assert api.client(Scope.READ).get(f"/api/backup/status/{backup_id}").json() == {
            "backup_id": backup_id,
            "status": "completed",
            "progress": 100.0,
            "components_completed": ["volumes"],
            "warnings": [],
        }

    def test_one_in_the_queue_is_in_progress(self, api: Api) -> None:
        backup_id = api.client().post("/api/backup/trigger", json={}).json()["backup_id"]

        status = api.client().get(f"/api/backup/status/{backup_id}").json()
        assert (status["status"], status["progress"]) == ("in_progress", 0.0)

    def test_bytes_that_lie_there_are_progress_against_the_last_set(
        self, api: Api, volume_host: HostUnderTest
    ) -> None:
        volume_host.run()
        size = volume_host.open().catalog.sets()[0].size_bytes
        backup_id = str(uuid.uuid4())
        folder = volume_host.backups / "sets" / backup_id / "volumes"
        folder.mkdir(parents=True)
        with ExclusiveLock(volume_host.settings.state_dir, "backup", backup_id):
            (folder / "half.part").write_bytes(b"x" * (size // 2))
            half = api.client().get(f"/api/backup/status/{backup_id}").json()["progress"]
            (folder / "half.part").write_bytes(b"")
            after = api.client().get(f"/api/backup/status/{backup_id}").json()["progress"]

        assert 30 <= half <= 70
        # A component that begins anew takes nothing back of what was shown.
        assert after == half

    def test_a_strangers_set_is_none(self, api: Api, volume_host: HostUnderTest) -> None:
        host, real = volume_host.open(), volume_host.run().backup_id
        forgery = forge_set(host.copies[0], real, at=datetime.now(UTC))

        status = api.client().get(f"/api/backup/status/{forgery}")
        listed = api.client().get("/api/backup/sets").json()
        restore = api.client().post(f"/api/backup/restore/{forgery}", json={"confirm": True})

        assert status.status_code == 404
        assert [each["backup_id"] for each in listed["sets"]] == [real]
        assert restore.status_code == 409
        assert "is not trusted" in restore.json()["detail"]

    def test_one_that_there_is_not_is_a_problem(self, api: Api) -> None:
        answer = api.client().get(f"/api/backup/status/{uuid.uuid4()}")

        assert answer.status_code == 404
        assert answer.headers["content-type"] == MEDIA_TYPE


class TestSets:
    def test_they_are_listed_held_and_released(self, api: Api, volume_host: HostUnderTest) -> None:
        backup_id = volume_host.run().backup_id
        client = api.client()

        held = client.put(f"/api/backup/sets/{backup_id}/hold", json={"reason": "audit"})
        listed = client.get("/api/backup/sets").json()
        released = client.delete(f"/api/backup/sets/{backup_id}/hold")

        assert held.json()["hold_reason"] == "audit"
        assert [each["backup_id"] for each in listed["sets"]] == [backup_id]
        assert listed["sets"][0]["held"] is True
        assert released.json()["held"] is False


class TestRestore:
    def test_without_confirm_the_plan_is_answered_and_nothing_launched(
        self, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        backup_id = volume_host.run().backup_id

        answer = api.client().post(f"/api/backup/restore/{backup_id}", json={"confirm": False})

        assert answer.status_code == 409
        assert answer.json()["plan"][0]["overwrites"] is True
        assert "not confirmed" in answer.json()["detail"]
        assert dagster_server.runs() == []

    def test_confirmed_it_is_launched_with_plan_and_estimate(
        self, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        backup_id = volume_host.run().backup_id
        volume_host.onyx("drill", "latest", "--json")

        answer = api.client().post(f"/api/backup/restore/{backup_id}", json={"confirm": True})

        assert answer.status_code == 200
        assert answer.json()["estimated_time_minutes"] == 1
        (run,) = dagster_server.runs()
        assert (run["jobName"], run["runId"]) == (
            "restore_from_backup",
            answer.json()["restore_id"],
        )
        state = api.client().get(f"/api/runs/{run['runId']}").json()
        assert state["status"] == "running"

    def test_a_set_that_there_is_not_is_a_problem(self, api: Api) -> None:
        answer = api.client().post(f"/api/backup/restore/{uuid.uuid4()}", json={"confirm": True})

        assert answer.status_code == 404

    def test_it_takes_the_scope_of_restoring(self, api: Api) -> None:
        answer = api.client(Scope.OPERATE).post(
            f"/api/backup/restore/{uuid.uuid4()}", json={"confirm": True}
        )

        assert answer.status_code == 403


class TestVerify:
    def test_it_is_launched_for_the_set_and_the_store(
        self, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        backup_id = volume_host.run().backup_id

        answer = api.client().post(
            f"/api/backup/verify/{backup_id}", json={"store": "local", "deep": True}
        )

        (run,) = dagster_server.runs()
        assert (answer.json()["run_id"], answer.json()["status"]) == (run["runId"], "running")
        assert run["jobName"] == "verify_backups"

    def test_a_set_with_a_damaged_manifest_is_verified_as_any_other(
        self, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        backup_id = volume_host.run().backup_id
        for store in (volume_host.backups, volume_host.offsite_dir):
            cut_manifest(store, backup_id)

        answer = api.client().post(f"/api/backup/verify/{backup_id}", json={})

        assert answer.status_code == 200
        assert [run["jobName"] for run in dagster_server.runs()] == ["verify_backups"]

    def test_a_store_that_there_is_not_launches_nothing(
        self, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        backup_id = volume_host.run().backup_id
        volume_host.set(OFFSITE_URL=None)
        without = replace(api, app=create_app(volume_host.settings)).client()

        answer = without.post(f"/api/backup/verify/{backup_id}", json={"store": "offsite"})

        assert answer.status_code >= 400
        assert answer.json()["detail"] == "There is no offsite store."
        assert dagster_server.runs() == []

    def test_it_takes_the_scope_of_operating(self, api: Api) -> None:
        client = api.client(Scope.READ)

        assert client.post(f"/api/backup/verify/{uuid.uuid4()}", json={}).status_code == 403


class TestDrill:
    def test_it_is_launched_for_the_set_and_can_be_cancelled(
        self, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        backup_id = volume_host.run().backup_id

        launched = api.client().post(f"/api/backup/drill/{backup_id}").json()
        cancelled = api.client().post(f"/api/runs/{launched['run_id']}/cancel").json()

        assert (launched["job"], launched["status"]) == ("restore_drill", "running")
        assert cancelled["status"] == "failed"
        assert [run["status"] for run in dagster_server.runs()] == ["CANCELED"]


class TestLoadTest:
    def test_it_is_launched_with_the_numbers_of_the_spec(
        self, volume_host: HostUnderTest, api: Api, dagster_server: DagsterServer
    ) -> None:
        volume_host.set(LOAD_TEST_URL="http://127.0.0.1:1")

        other = Api(create_app(volume_host.settings), api.tokens)
        body = {"concurrent_users": 20, "duration_seconds": 5, "scenario": "rag"}
        answer = other.client().post("/api/load-test/start", json=body)

        assert answer.status_code == 200
        assert answer.json()["estimated_duration_minutes"] >= 1
        (run,) = dagster_server.runs()
        assert (run["jobName"], run["runId"]) == ("load_test", answer.json()["test_id"])
        results = other.client().get(f"/api/load-test/results/{run['runId']}").json()
        assert (results["status"], results["metrics"]) == ("running", None)

    def test_without_a_target_nothing_is_started(self, api: Api) -> None:
        answer = api.client().post("/api/load-test/start", json={})

        assert answer.status_code == 409
        assert "ONYX_LOAD_TEST_URL is not set" in answer.json()["detail"]

    def test_results_that_there_are_not_are_a_problem(self, api: Api) -> None:
        assert api.client().get(f"/api/load-test/results/{uuid.uuid4()}").status_code == 404


class TestReports:
    def test_the_newest_is_served_as_a_page(self, api: Api, volume_host: HostUnderTest) -> None:
        assert api.client().get("/api/reports/restore-drills/latest").status_code == 404
        volume_host.run()
        volume_host.onyx("drill", "latest", "--json")

        page = api.client().get("/api/reports/restore-drills/latest")

        assert page.headers["content-type"].startswith("text/html")
        assert "PASSED" in page.text

    @pytest.mark.parametrize("kind", ["..", "etc", "%2e%2e"])
    def test_no_other_file_is(self, api: Api, kind: str) -> None:
        assert api.client().get(f"/api/reports/{kind}/latest").status_code in {404, 422}


def test_without_dagster_what_the_stores_know_is_still_answered(
    volume_host: HostUnderTest, api: Api
) -> None:
    backup_id = volume_host.run().backup_id
    volume_host.set(DAGSTER_URL=DEAD)

    client = Api(create_app(volume_host.settings), api.tokens).client()

    assert client.get("/api/backup/sets").json()["total"] == 1
    assert client.get(f"/api/backup/status/{backup_id}").json()["status"] == "completed"
    assert client.get(f"/api/backup/status/{uuid.uuid4()}").status_code == 503


@pytest.mark.parametrize("what", ["health", "summary"])
def test_without_prometheus_the_answer_says_why(api: Api, what: str) -> None:
    answer = api.client().get(f"/api/metrics/{what}")

    assert answer.status_code == 503
    assert "ONYX_PROMETHEUS_URL" in answer.json()["remedy"]


def test_a_request_that_takes_too_long_is_answered(
    api: Api, volume_host: HostUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CatalogCache, "listed", lambda _: time.sleep(0.6))
    volume_host.set(API_REQUEST_TIMEOUT_S=0.2)

    answer = Api(create_app(volume_host.settings), api.tokens).client().get("/api/backup/sets")

    assert answer.status_code == 504
    assert "Idempotency-Key" in answer.json()["remedy"]


def test_no_answer_holds_a_secret(api: Api, volume_host: HostUnderTest) -> None:
    backup_id = volume_host.run().backup_id
    client = api.client()
    told = [
        client.get("/api/backup/sets").text,
        client.get(f"/api/backup/status/{backup_id}").text,
        client.post(f"/api/backup/restore/{backup_id}", json={"confirm": False}).text,
        client.get("/openapi.json").text,
        json.dumps(
            [each.model_dump(mode="json") for each in Trail.of(volume_host.settings).records()]
        ),
    ]

    for secret in (*volume_host.secrets(), *api.tokens.values()):
        assert not any(secret in text for text in told)

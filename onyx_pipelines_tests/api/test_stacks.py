"""One API for several stacks: each request names one, and has nothing of another one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.tokens import Scope, TokenFile
from onyx_pipelines.audit import Trail
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import load_stacks
from onyx_pipelines.monitoring.metrics import AGE
from onyx_pipelines.sandbox.service_process import ServiceProcess
from onyx_pipelines_tests.api.conftest import make_api
from onyx_pipelines_tests.dagster_server import DagsterServer, dagster_web_server
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.requirements_of_tests import program
from onyx_pipelines_tests.two_stacks import STACKS, TwoStacks, make_two_stacks
from onyx_pipelines_tests.waiting import wait_until

pytestmark = pytest.mark.servers
PASSWORD = "not-the-default-one"
NO_STACK = {"/health", "/api/health", "/metrics"}
KEY = {"Idempotency-Key": "deploy-42"}


@pytest.fixture(scope="module")
def dagster_of_both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterServer]:
    home = tmp_path_factory.mktemp("dagster")
    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as patch:
            make_two_stacks(home, patch)
            server = running.enter_context(dagster_web_server(home))
        yield server


@dataclass(frozen=True)
class ApiOfBoth:
    """The application with a token for each stack."""

    app: FastAPI
    tokens: dict[str, str]

    def client(self, token_of: str = "blue", stack: str | None = None) -> TestClient:
        """Asks for the stack of its token, unless another one is named; "": for none."""
        stack = token_of if stack is None else stack
        token = self.tokens.get(token_of)
        client = TestClient(
            self.app,
            client=("127.0.0.1", 50_000),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            raise_server_exceptions=False,
        )
        client.params = {"stack": stack} if stack else {}
        return client


@pytest.fixture
def both(two_stacks: TwoStacks, dagster_of_both: DagsterServer) -> ApiOfBoth:
    dagster_of_both.delete_all()
    two_stacks.host.set(DAGSTER_URL=dagster_of_both.url, METRICS_PASSWORD=PASSWORD)
    return api_of(two_stacks)


def api_of(two_stacks: TwoStacks) -> ApiOfBoth:
    files = {stack: TokenFile(two_stacks.settings(stack).tokens_file) for stack in STACKS}
    tokens = {stack: files[stack].create("tests", Scope.RESTORE) for stack in STACKS}
    return ApiOfBoth(create_app(*load_stacks()), tokens)


def stacks_of_runs(server: DagsterServer) -> list[str]:
    tags = [{each["key"]: each["value"] for each in run["tags"]} for run in server.runs()]  # type: ignore[attr-defined]  # JSON
    return sorted(each["dagster/partition"] for each in tags)


class TestWhichStack:
    @pytest.mark.parametrize("named", ["", "red"])
    def test_is_asked_back_where_it_is_not_clear(self, both: ApiOfBoth, named: str) -> None:
        answer = both.client("blue", named).get("/api/backup/sets")

        assert answer.status_code == 422
        assert answer.json()["stacks"] == list(STACKS)
        assert "blue, green" in answer.json()["detail"]

    @pytest.mark.parametrize("named", ["", "red", "blue"])
    def test_is_told_to_nobody_without_a_token(self, both: ApiOfBoth, named: str) -> None:
        answer = both.client("nobody", named).get("/api/backup/sets")

        assert answer.status_code == 401
        assert "green" not in answer.text

    def test_needs_a_token_of_that_stack(self, both: ApiOfBoth) -> None:
        assert both.client("blue", "green").get("/api/backup/sets").status_code == 401
        assert both.client("green", "green").get("/api/backup/sets").status_code == 200

    def test_is_part_of_the_description_of_every_resource(self, both: ApiOfBoth) -> None:
        paths = both.app.openapi()["paths"]

        asked = {
            path: [
                each["schema"]["enum"]
                for each in said.get("parameters", ())
                if each["required"] and each["name"] == "stack"
            ]
            for path, operations in paths.items()
            for said in operations.values()
        }

        assert {path for path, names in asked.items() if not names} == NO_STACK
        assert [names for names in asked.values() if names] == [[[*STACKS]]] * (
            len(asked) - len(NO_STACK)
        )

    def test_is_what_health_says(self, both: ApiOfBoth) -> None:
        assert both.client("nobody", "").get("/api/health").json()["stacks"] == list(STACKS)

    def test_is_what_the_page_for_guests_says_of_each(self, both: ApiOfBoth) -> None:
        page = both.client("nobody", "").get("/health").text

        assert "The worst of 2 stacks is failing" in page
        assert "blue: failing" in page
        assert "green: failing" in page


class TestTheOnlyStack:
    def test_need_not_be_named_and_health_names_none(self, volume_host: HostUnderTest) -> None:
        api = make_api(volume_host)

        assert api.client().get("/api/backup/sets").status_code == 200
        assert set(api.client(None).get("/api/health").json()) == {"status", "version"}

    def test_is_not_taken_for_another_one(self, volume_host: HostUnderTest) -> None:
        answer = make_api(volume_host).client().get("/api/backup/sets", params={"stack": "blue"})

        assert answer.status_code == 422
        assert "There is no stack blue" in answer.json()["detail"]

    def test_may_be_named(self, two_stacks: TwoStacks) -> None:
        two_stacks.host.set(STACK="blue")
        token = TokenFile(two_stacks.host.settings.tokens_file).create("tests", Scope.READ)
        api = ApiOfBoth(create_app(*load_stacks()), {"blue": token})

        answers = [api.client("blue", named).get("/api/backup/sets") for named in ("", "blue")]

        assert [each.status_code for each in answers] == [200, 200]


class TestEachStack:
    def test_lists_its_own_sets(self, both: ApiOfBoth, two_stacks: TwoStacks) -> None:
        two_stacks.host.set(STACK="blue")
        made = two_stacks.host.run().backup_id

        listed = {
            stack: [
                each["backup_id"]
                for each in both.client(stack).get("/api/backup/sets").json()["sets"]
            ]
            for stack in STACKS
        }

        assert listed == {"blue": [made], "green": []}

    def test_is_backed_up_beside_the_other_one(
        self, both: ApiOfBoth, dagster_of_both: DagsterServer
    ) -> None:
        said = [both.client(stack).post("/api/backup/trigger", json={}).json() for stack in STACKS]
        again = both.client("blue").post("/api/backup/trigger", json={}).json()

        assert [each["status"] for each in said] == ["started", "started"]
        assert again == {**said[0], "status": "already_running"}
        assert stacks_of_runs(dagster_of_both) == list(STACKS)

    def test_has_keys_of_its_own(self, both: ApiOfBoth, dagster_of_both: DagsterServer) -> None:
        first, second, other = (
            both.client(stack).post("/api/backup/trigger", json={}, headers=KEY).json()
            for stack in ("blue", "blue", "green")
        )

        assert first == second
        assert other["status"] == "started"
        assert stacks_of_runs(dagster_of_both) == list(STACKS)

    def test_neither_sees_nor_ends_a_run_of_the_other_one(
        self, both: ApiOfBoth, dagster_of_both: DagsterServer
    ) -> None:
        both.client("blue").post("/api/backup/trigger", json={})
        (run,) = dagster_of_both.runs()
        path = f"/api/runs/{run['runId']}"

        assert both.client("green").get(path).status_code == 404
        assert both.client("green").post(f"{path}/cancel").status_code == 404
        assert both.client("blue").get(path).json()["status"] == "running"

    def test_records_in_its_own_audit_trail(self, both: ApiOfBoth, two_stacks: TwoStacks) -> None:
        both.client("green").post("/api/backup/trigger", json={})

        counts = [len(list(Trail.of(two_stacks.settings(stack)).records())) for stack in STACKS]
        assert counts == [0, 2]


def test_what_there_is_once_is_the_same_for_all(two_stacks: TwoStacks) -> None:
    two_stacks.configure("green", api_port=9999)

    with pytest.raises(SettingsError, match="disagree about api_port"):
        create_app(*load_stacks())


class TestMetrics:
    def test_of_all_stacks_are_one_exposition_without_duplicates(self, both: ApiOfBoth) -> None:
        page = both.client("nobody", "").get("/metrics", auth=("admin", PASSWORD))

        check_exposition(page.text)

    def test_are_written_into_one_file(self, two_stacks: TwoStacks) -> None:
        file = two_stacks.host.root / "onyx.prom"

        assert two_stacks.host.onyx("metrics", "write", str(file)).status == 0

        check_exposition(file.read_text(encoding="utf-8"))


def check_exposition(page: str) -> None:
    """By promtool and by prometheus_client's own parser: every metric once, each stack in it."""
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"], input=page, text=True, check=False
    )
    families = list(text_string_to_metric_families(page))
    series = [(one.name, *sorted(one.labels.items())) for each in families for one in each.samples]
    assert checked.returncode == 0
    assert page.count("# TYPE onyx_backup_sets gauge") == 1
    assert len({each.name for each in families}) == len(families)
    assert len(set(series)) == len(series)
    stacks = {dict(labels).get("stack") for name, *labels in series if name != AGE.name}
    assert stacks == {*STACKS}


@pytest.mark.slow
@pytest.mark.thorough
def test_one_dagster_backs_up_each_stack_into_its_own_place(
    both: ApiOfBoth, two_stacks: TwoStacks, dagster_of_both: DagsterServer
) -> None:
    daemon = ServiceProcess(two_stacks.host.root, "daemon")
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "onyx_pipelines.definitions"]
    wanted: dict[str, dict[str, object]] = {"blue": {}, "green": {"components": ["volumes"]}}
    made = {
        stack: both.client(stack).post("/api/backup/trigger", json=asked).json()["backup_id"]
        for stack, asked in wanted.items()
    }

    def is_done(stack: str) -> bool:
        status = both.client(stack).get(f"/api/backup/status/{made[stack]}").json()
        return bool(status["status"] == "completed")

    try:
        daemon.spawn(command, {"DAGSTER_HOME": str(dagster_of_both.home)})
        wait_until(lambda: all(map(is_done, STACKS)), "both are backed up")
    finally:
        daemon.stop()

    assert {each: two_stacks.sets(each) for each in STACKS} == {
        each: {made[each]} for each in STACKS
    }

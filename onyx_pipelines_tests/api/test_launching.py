"""Launching exactly once, and nothing left behind by an answer of failure: a real Dagster web
server, real servers of the API."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.launch_book import REMEMBERED_S, Entry, LaunchBook
from onyx_pipelines.api.problems import MEDIA_TYPE
from onyx_pipelines.api.tokens import Scope, TokenFile
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sandbox.service_process import ServiceProcess
from onyx_pipelines_tests.api.conftest import Api, make_api
from onyx_pipelines_tests.api.relay import relay
from onyx_pipelines_tests.api.serving import served
from onyx_pipelines_tests.dagster_server import DagsterServer, dagster_web_server
from onyx_pipelines_tests.fixtures_postgres import public_dir
from onyx_pipelines_tests.fixtures_sandbox import COMMAND, HostUnderTest

__all__ = ["public_dir"]

KEY = {"Idempotency-Key": "deploy-42"}
STORAGE = """
storage:
  postgres:
    postgres_db:
      scheme: postgresql+psycopg2
      hostname: 127.0.0.1
      port: {port}
      username: postgres
      password: {password}
      db_name: dagster
"""


@pytest.fixture
def restorable(api: Api, volume_host: HostUnderTest) -> str:
    """A host that can do everything; gives the id of its set."""
    volume_host.set(LOAD_TEST_URL="http://127.0.0.1:1")
    return volume_host.run().backup_id


def launches(backup_id: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every endpoint that launches: its path and a body."""
    return {
        "trigger": ("/api/backup/trigger", {"components": ["volumes"]}),
        "restore": (f"/api/backup/restore/{backup_id}", {"confirm": True}),
        "drill": (f"/api/backup/drill/{backup_id}", {}),
        "verify": (f"/api/backup/verify/{backup_id}", {"store": "local"}),
        "load test": ("/api/load-test/start", {"scenario": "rag"}),
    }


@contextmanager
def serving_process(host: HostUnderTest, name: str) -> Iterator[str]:
    """`onyx api serve` with this host's settings; gives its address."""
    process = ServiceProcess(host.root / name, "api")
    environment = {"ONYX_API_PORT": str(process.port)}
    try:
        process.serve(
            [*COMMAND, "api", "serve"], environment, ready_path="/api/health", timeout_s=60
        )
        yield process.url
    finally:
        process.stop()


def wait_for_runs(server: DagsterServer, statuses: list[str]) -> None:
    deadline = time.monotonic() + 60
    while (found := [str(run["status"]) for run in server.runs()]) != statuses:
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


class TestOneKey:
    @pytest.mark.parametrize("what", launches(""))
    def test_is_one_run_however_many_ask_at_once(
        self, what: str, restorable: str, api: Api, volume_host: HostUnderTest,
        dagster_server: DagsterServer,
    ) -> None:  # fmt: skip
        path, body = launches(restorable)[what]
        headers = {**KEY, "Authorization": f"Bearer {api.tokens[Scope.RESTORE]}"}

        def ask(server: str) -> httpx.Response:
            url = f"http://{server}{path}"
            return httpx.post(url, json=body, headers=headers, trust_env=False, timeout=60)

        with (
            served(create_app(volume_host.settings)) as server,
            ThreadPoolExecutor(12) as threads,
        ):
            answers = list(threads.map(ask, [server] * 12))
            later = ask(server)

        assert {each.status_code for each in answers} == {200}
        assert {each.text for each in [*answers, later]} == {answers[0].text}
        assert len(dagster_server.runs()) == 1

    @pytest.mark.slow
    @pytest.mark.thorough
    def test_is_one_run_for_two_processes_of_one_host(
        self, restorable: str, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        headers = {**KEY, "Authorization": f"Bearer {api.tokens[Scope.RESTORE]}"}
        path, body = launches(restorable)["restore"]
        with ExitStack() as stack:
            servers = [
                stack.enter_context(serving_process(volume_host, name)) for name in ("one", "two")
            ]
            threads = stack.enter_context(ThreadPoolExecutor(12))
            answers = list(
                threads.map(
                    lambda server: httpx.post(
                        server + path, json=body, headers=headers, trust_env=False, timeout=60
                    ),
                    servers * 6,
                )
            )

        assert {each.status_code for each in answers} == {200}
        assert len({each.text for each in answers}) == 1
        assert len(dagster_server.runs()) == 1

    @pytest.mark.parametrize("what", launches(""))
    def test_is_of_one_request(
        self, what: str, restorable: str, api: Api, volume_host: HostUnderTest,
        dagster_server: DagsterServer,
    ) -> None:  # fmt: skip
        client = Api(create_app(volume_host.settings), api.tokens).client()
        path, body = launches(restorable)[what]
        client.post("/api/backup/verify/" + restorable, json={"deep": True}, headers=KEY)

        answer = client.post(path, json=body, headers=KEY)

        assert answer.status_code == 422
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert "was used for another request" in answer.json()["detail"]
        assert len(dagster_server.runs()) == 1

    def test_is_of_one_body(self, api: Api, dagster_server: DagsterServer) -> None:
        api.client().post("/api/backup/trigger", json={"backup_type": "daily"}, headers=KEY)

        answer = api.client().post(
            "/api/backup/trigger", json={"backup_type": "weekly"}, headers=KEY
        )

        assert answer.status_code == 422
        assert len(dagster_server.runs()) == 1

    def test_is_of_one_token(self, api: Api, dagster_server: DagsterServer) -> None:
        api.client(Scope.OPERATE).post("/api/backup/trigger", json={}, headers=KEY)

        answer = api.client(Scope.RESTORE).post("/api/backup/trigger", json={}, headers=KEY)

        assert answer.status_code == 422
        assert len(dagster_server.runs()) == 1

    def test_is_of_one_token_also_where_another_has_its_name(
        self, api: Api, volume_host: HostUnderTest
    ) -> None:
        api.client(Scope.OPERATE).post("/api/backup/trigger", json={}, headers=KEY)
        tokens = TokenFile(volume_host.settings.tokens_file)
        tokens.revoke("operate")
        renewed = Api(api.app, {Scope.OPERATE: tokens.create("operate", Scope.OPERATE)})

        answer = renewed.client(Scope.OPERATE).post("/api/backup/trigger", json={}, headers=KEY)

        assert answer.status_code == 422

    def test_gives_the_same_answer_when_things_have_changed(
        self, api: Api, dagster_server: DagsterServer
    ) -> None:
        first = api.client().post("/api/backup/trigger", json={}, headers=KEY)
        api.client().post("/api/backup/trigger", json={}, headers={"Idempotency-Key": "other"})
        dagster_server.delete_all()

        assert api.client().post("/api/backup/trigger", json={}, headers=KEY).json() == first.json()
        assert dagster_server.runs() == []

    def test_does_not_remember_what_launched_nothing(
        self, restorable: str, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        volume_host.set(DAGSTER_URL="http://127.0.0.1:9")
        path, body = launches(restorable)["restore"]
        dead = Api(create_app(volume_host.settings), api.tokens).client()
        assert dead.post(path, json=body, headers=KEY).status_code == 503

        assert api.client().post(path, json=body, headers=KEY).status_code == 200
        assert len(dagster_server.runs()) == 1

    @pytest.mark.parametrize("key", ["", "x" * 201, "two words", "tab\t", "caf\xe9"])
    def test_is_printable_and_short(self, api: Api, key: str) -> None:
        answer = api.client().post(
            "/api/backup/trigger", json={}, headers={"Idempotency-Key": key.encode("latin-1")}
        )

        assert answer.status_code == 422
        assert "Idempotency-Key" in answer.json()["detail"]


class TestMemory:
    def entry(self, key: str, at: float) -> Entry:
        return Entry(str(uuid.uuid4()), key, "request", at, "", {}, settled=True)

    def test_a_key_is_forgotten_after_a_day(self, tmp_path: Path) -> None:
        now = [1_000_000.0]
        book = LaunchBook(tmp_path / "book", clock=lambda: now[0])
        book.put(self.entry("a", now[0]))
        now[0] += REMEMBERED_S - 1
        assert book.with_key("a") is not None

        now[0] += 2

        assert book.with_key("a") is None
        book.put(self.entry("a", now[0]))
        assert book.with_key("a") is not None

    def test_the_last_ten_thousand_are_kept(self, tmp_path: Path) -> None:
        book = LaunchBook(tmp_path / "book", clock=lambda: 20_000.0)
        with book._open() as file:
            file.executemany(
                "INSERT INTO launches VALUES (?, ?, '', ?, '', '{}', 1)",
                [(f"id {at}", f"key {at}", at) for at in range(12_000)],
            )

        book.put(self.entry("new", 20_000))

        assert book.with_key("key 1999") is None
        assert book.with_key("key 2000") is not None


class TestALostAnswer:
    """Dagster takes a run, and what it says of it does not arrive."""

    def test_is_looked_for(
        self, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        with relay(dagster_server.url) as line:
            line.swallow = b"launchRun"
            volume_host.set(DAGSTER_URL=line.url)
            client = Api(create_app(volume_host.settings), api.tokens).client()
            answer = client.post("/api/backup/trigger", json={})

        assert line.swallowed.is_set()
        assert answer.json()["status"] == "started"
        wait_for_runs(dagster_server, ["QUEUED"])

    def test_that_cannot_be_found_is_found_by_its_key_later(
        self, restorable: str, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        path, body = launches(restorable)["restore"]
        with relay(dagster_server.url) as line:
            line.swallow, line.down_after = b"launchRun", True
            volume_host.set(DAGSTER_URL=line.url)
            client = Api(create_app(volume_host.settings), api.tokens).client()
            failed = client.post(path, json=body, headers=KEY)
            line.swallow, line.is_down = b"", False
            again = client.post(path, json=body, headers=KEY)

        assert failed.status_code == 503
        (run,) = dagster_server.runs()
        assert again.json()["restore_id"] == run["runId"]

    def test_that_cannot_be_found_says_what_may_be_left_and_takes_it_away(
        self, restorable: str, api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
    ) -> None:
        path, body = launches(restorable)["restore"]
        headers = {"Authorization": f"Bearer {api.tokens[Scope.RESTORE]}"}
        with relay(dagster_server.url) as line:
            line.swallow, line.down_after = b"launchRun", True
            volume_host.set(DAGSTER_URL=line.url)
            with served(create_app(volume_host.settings)) as server:
                url = f"http://{server}{path}"
                failed = httpx.post(url, json=body, headers=headers, trust_env=False, timeout=60)
                line.swallow, line.is_down = b"", False
                wait_for_runs(dagster_server, ["CANCELED"])

        assert failed.status_code == 503
        assert "Whether it was launched is not known" in failed.json()["detail"]
        left = failed.json()["may_be_left"]["launch_id"]
        (run,) = dagster_server.runs()
        assert {"key": "onyx/launch_id", "value": left} in run["tags"]  # type: ignore[operator]  # JSON

    def test_that_cannot_be_found_is_taken_away_after_the_directory_was_gone_for_a_while(
        self,
        restorable: str,
        api: Api,
        volume_host: HostUnderTest,
        dagster_server: DagsterServer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("onyx_pipelines.api.launching._LOOK_AGAIN_S", 0.1)
        path, body = launches(restorable)["restore"]
        headers = {"Authorization": f"Bearer {api.tokens[Scope.RESTORE]}"}
        folder = volume_host.settings.state_dir / "api"
        aside = folder.with_name("aside")
        with relay(dagster_server.url) as line:
            line.swallow, line.down_after = b"launchRun", True
            volume_host.set(DAGSTER_URL=line.url)
            with served(create_app(volume_host.settings)) as server:
                httpx.post(
                    f"http://{server}{path}",
                    json=body,
                    headers=headers,
                    trust_env=False,
                    timeout=60,
                )
                folder.rename(aside)
                folder.write_text("in its place")
                time.sleep(1)
                folder.unlink()
                aside.rename(folder)
                line.swallow, line.is_down = b"", False

                wait_for_runs(dagster_server, ["CANCELED"])


def test_what_was_answered_with_504_is_not_launched_afterwards(
    api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
) -> None:
    volume_host.set(API_REQUEST_TIMEOUT_S=0.02)
    headers = {"Authorization": f"Bearer {api.tokens[Scope.OPERATE]}"}
    with served(create_app(volume_host.settings)) as server:
        url = f"http://{server}/api/backup/trigger"
        answer = httpx.post(url, json={}, headers=headers, trust_env=False, timeout=30)
        time.sleep(2)

    assert answer.status_code == 504
    assert dagster_server.runs() == []


@pytest.fixture
def mortal(public_dir: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL to kill, with a database for Dagster."""
    with PostgresServer(public_dir / "mortal") as server:
        with server.connect() as connection:
            connection.execute("CREATE DATABASE dagster")
        yield server


@pytest.mark.slow
@pytest.mark.thorough
def test_a_run_that_postgresql_died_over_does_not_stand_in_the_way(
    mortal: PostgresServer, volume_host: HostUnderTest, tmp_path: Path
) -> None:
    """Dagster has made the run and cannot put it into its queue any more."""
    home = tmp_path / "dagster"
    home.mkdir()
    storage = STORAGE.format(port=mortal.port, password=mortal.password)
    with dagster_web_server(home, storage=storage) as dagster:
        volume_host.set(DAGSTER_URL=dagster.url)
        api = make_api(volume_host)
        headers = {"Authorization": f"Bearer {api.tokens[Scope.OPERATE]}"}
        with served(api.app) as server, ThreadPoolExecutor(1) as threads:
            url = f"http://{server}/api/backup/trigger"

            def trigger() -> httpx.Response:
                return httpx.post(url, json={}, headers=headers, trust_env=False, timeout=90)

            blocking = mortal.connect("dagster")
            blocking.execute("BEGIN; LOCK TABLE event_logs IN ACCESS EXCLUSIVE MODE")
            asked = threads.submit(trigger)
            _wait_until_it_is_made(mortal)
            assert mortal.pid is not None
            # "Immediate": every process of it ends without another word.
            os.kill(mortal.pid, signal.SIGQUIT)
            failed = asked.result()
            blocking.close()
            while mortal.pid is not None:
                time.sleep(0.05)
            mortal.start()
            left = [run["status"] for run in dagster.runs()]
            again = trigger()
            runs = dagster.runs()

    assert failed.status_code == 503
    assert failed.json()["may_be_left"]["launch_id"]
    assert left in (["NOT_STARTED"], [])
    assert again.json()["status"] == "started"
    assert [run["status"] for run in runs] == ["QUEUED"]


def _wait_until_it_is_made(server: PostgresServer) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with server.connect("dagster") as connection:
            made = connection.execute("SELECT count(*) FROM runs").fetchone()
            waits = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            ).fetchone()
        if made == (1,) and waits and waits[0]:
            return
        time.sleep(0.05)
    raise TimeoutError("Dagster made no run")

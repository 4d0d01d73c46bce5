"""Servers set up otherwise: a standby, another currency, tables that others have locked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.postgres.late_extensions import LateExtensions
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import find_binaries
from onyx_pipelines.sources.source import ComponentStatus
from onyx_pipelines_tests.fixtures_postgres import (
    MakeDatabase,
    execute,
    facts_in,
    source_of,
    target_of,
)
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.requirements_of_tests import postgres_library
from onyx_pipelines_tests.restore.postgres.foreign import (
    drilled,
    german_locale,
    make_sets,
    messages,
    psql,
    run_case,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def german(public_dir: Path) -> Iterator[PostgresServer]:
    """A server that writes amounts of money as Germans do."""
    with PostgresServer(
        public_dir / "german",
        options={"lc_monetary": "de_DE.UTF-8"},
        environment=german_locale(public_dir / "german-locale"),
    ) as server:
        psql(server, "--command=CREATE DATABASE cash")
        run_case(server, "money", database="cash")
        run_case(server, "unlogged_on_a_standby")
        yield server


@pytest.fixture(scope="module")
def standby(public_dir: Path, german: PostgresServer) -> Iterator[PostgresServer]:
    """It follows the German one."""
    state = public_dir / "standby"
    state.mkdir(mode=0o755)
    server = PostgresServer(state)
    subprocess.run(
        [
            str(find_binaries(0, programs=("pg_dump", "pg_basebackup")).path("pg_basebackup")),
            *(f"--pgdata={server.data_dir}", "--write-recovery-conf", "--checkpoint=fast"),
        ],
        env=target_of(german).environment("postgres"),
        check=True,
        capture_output=True,
    )
    owner = german.data_dir.stat()
    if os.geteuid() == 0:
        for folder, _, files in os.walk(server.data_dir):
            for path in (Path(folder), *(Path(folder, name) for name in files)):
                os.chown(path, owner.st_uid, owner.st_gid)
    shutil.copy(german.data_dir.with_name("postgres.json"), state)
    with server:
        yield server


class TestMoney:
    def test_passes_its_drill_on_a_host_of_another_currency(
        self, public_dir: Path, german: PostgresServer
    ) -> None:
        sets = make_sets(public_dir / "sets-money", german)

        result = drilled(sets, sets.of("cash"))

        assert result.problems() == []

    def test_comes_back_on_its_own_server(self, public_dir: Path, german: PostgresServer) -> None:
        sets = make_sets(public_dir / "sets-money-again", german)

        result = sets.restore(sets.of("cash"))

        assert result.problems() == []
        amount = "--command=SELECT p::numeric FROM prices"
        assert psql(german, amount, database="cash") == "1234.56"


class TestAStandby:
    def test_is_backed_up_without_the_rows_that_it_does_not_have(
        self, public_dir: Path, standby: PostgresServer
    ) -> None:
        sets = make_sets(public_dir / "sets-standby", standby)
        sink = RecordingSink()

        report = source_of(standby, "replicated").back_up(sink, silent)
        result = drilled(sets, sets.of("replicated"))

        assert report.status is ComponentStatus.COMPLETED_WITH_WARNINGS
        assert "public.scratchpad" in report.warnings[0]
        assert result.problems() == []
        assert "its rows are left out" in messages(result, "replicated")
        assert facts_in(sink, "replicated").rows == 1


@pytest.fixture(scope="module")
def with_jobs(public_dir: Path) -> Iterator[PostgresServer]:
    """A server that loads pg_cron, which can be in one database only, and runs its jobs; and
    pgaudit."""
    postgres_library("pg_cron")
    postgres_library("pgaudit")
    options = {"shared_preload_libraries": "pg_cron,pgaudit", "cron.database_name": "crondb"}
    with PostgresServer(public_dir / "with-jobs", options=options) as server:
        run_case(server, "pg_cron")
        psql(server, "--command=CREATE DATABASE audited")
        execute(
            server,
            "audited",
            "CREATE EXTENSION pgaudit",
            "ALTER DATABASE audited SET pgaudit.log = 'write'",
            "CREATE TABLE t AS SELECT 1 AS i",
        )
        yield server


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


class TestAnExtensionThatTheServerMustLoad:
    JOBS = "--command=SELECT jobname, schedule, command FROM cron.job"

    def test_passes_its_drill_and_runs_no_job_there(
        self, public_dir: Path, with_jobs: PostgresServer
    ) -> None:
        sets = make_sets(public_dir / "sets-jobs", with_jobs)
        result = drilled(sets, sets.of("crondb", with_globals=True))

        assert result.problems() == []
        assert "1 extensions" not in messages(result, "crondb")

    def test_comes_back_with_its_jobs(self, public_dir: Path, with_jobs: PostgresServer) -> None:
        sets = make_sets(public_dir / "sets-jobs-again", with_jobs)
        objects = sets.of("crondb")
        psql(with_jobs, "--command=DELETE FROM cron.job", database="crondb")

        result = sets.restore(objects)

        assert result.problems() == []
        assert psql(with_jobs, self.JOBS, database="crondb") == "nightly|0 3 * * *|VACUUM"

    def test_comes_back_where_a_restore_was_killed_before_it(
        self, public_dir: Path, with_jobs: PostgresServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sets = make_sets(public_dir / "sets-jobs-killed", with_jobs)
        objects = sets.of("crondb")
        with monkeypatch.context() as patch:
            patch.setattr(LateExtensions, "bring", _killed)
            with pytest.raises(KeyboardInterrupt):
                sets.restore(objects)

        result = sets.restore(objects)

        assert result.problems() == []
        assert psql(with_jobs, self.JOBS, database="crondb") == "nightly|0 3 * * *|VACUUM"

    def test_is_named_where_it_cannot_be(
        self, public_dir: Path, with_jobs: PostgresServer, postgres_server: PostgresServer
    ) -> None:
        sets = make_sets(public_dir / "sets-jobs-elsewhere", with_jobs)

        result = sets.restore(sets.of("crondb"), databases=("crondb",), into="copy")

        assert [f.verdict for f in result.problems()] == [Verdict.COULD_NOT_VERIFY]
        assert "pg_cron" in result.problems()[0].message
        assert psql(with_jobs, "--command=SELECT i FROM t", database="copy") == "1"

    def test_that_watches_passes_its_drill_and_comes_back(
        self, public_dir: Path, with_jobs: PostgresServer
    ) -> None:
        sets = make_sets(public_dir / "sets-audited", with_jobs)
        objects = sets.of("audited", with_globals=True)

        result, restored = drilled(sets, objects), sets.restore(objects)

        assert result.problems() == []
        assert restored.problems() == []
        assert psql(with_jobs, "--command=SHOW pgaudit.log", database="audited") == "write"


def test_a_lock_of_somebody_else_is_waited_for_as_long_as_the_setting_says(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database()
    execute(postgres_server, database, "CREATE TABLE public.held (i int)")
    with postgres_server.connect(database) as other, other.transaction():
        other.execute("LOCK TABLE public.held IN ACCESS EXCLUSIVE MODE")

        with pytest.raises(SourceError, match="ONYX_PG_LOCK_TIMEOUT_S") as raised:
            source_of(postgres_server, database, lock_timeout_s=0.2).back_up(
                RecordingSink(), silent
            )

    assert raised.value.transient

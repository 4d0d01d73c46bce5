"""What goes wrong during a backup is an error that says what to do, and commits nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.errors import SourceError
from onyx_pipelines.progress import silent
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres import PostgresSource
from onyx_pipelines.sources.postgres.binaries import find_binaries
from onyx_pipelines_tests.fixtures_postgres import MakeDatabase, execute, source_of, target_of
from onyx_pipelines_tests.recording_sink import RecordingSink

MakePrograms = Callable[[str], Path]

_DUMP = 'case "$1" in --version) echo "pg_dump (PostgreSQL) 99.1"; exit 0;; esac\n'


@pytest.fixture
def make_programs(tmp_path: Path) -> MakePrograms:
    """`make_programs("exit 1")`: a directory whose pg_dump runs these lines of shell."""

    def make(script: str) -> Path:
        for program in ("pg_dump", "pg_dumpall"):
            path = tmp_path / program
            path.write_text(f"#!/bin/sh\n{_DUMP}{script}\n", encoding="utf-8")
            path.chmod(0o755)
        return tmp_path

    return make


@pytest.fixture
def sink() -> RecordingSink:
    return RecordingSink()


def _failure(source: PostgresSource, sink: RecordingSink) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source.back_up(sink, silent)
    return caught.value


def _once(action: Callable[[], object]) -> Callable[[str], object]:
    """A hook for RecordingSink that acts at the dump's first write."""
    done: list[str] = []

    def hook(path: str) -> None:
        if path.endswith(".dump") and not done:
            done.append(path)
            action()

    return hook


def _snapshots_of(server: PostgresServer, database: str) -> list[Any]:
    """Connections of ours to a database that are still there."""
    with server.connect() as connection:
        return connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s", (database,)
        ).fetchall()


def test_a_table_dropped_between_the_snapshot_and_the_dump_fails_at_once_and_may_be_retried(
    postgres_server: PostgresServer,
    make_database: MakeDatabase,
    make_programs: MakePrograms,
    sink: RecordingSink,
) -> None:
    database = make_database(template="onyx")
    # Our locks keep tables from being dropped; a view has none until pg_dump takes its own.
    execute(postgres_server, database, "CREATE VIEW app.short_lived AS SELECT 1 AS one")
    psql, real = (find_binaries(0).path(name) for name in ("psql", "pg_dump"))
    bindir = make_programs(
        f"'{psql}' -qc 'DROP VIEW app.short_lived' || exit 9\nexec '{real}' \"$@\""
    )

    error = _failure(source_of(postgres_server, database, bindir=bindir), sink)

    assert "short_lived" in error.what or "cache lookup" in error.what
    assert error.transient
    assert "run the backup again" in error.remedy
    assert sink.objects == {}


def test_a_killed_backend_is_transient_and_commits_nothing(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database(template="onyx")

    def kill() -> None:
        execute(
            postgres_server,
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{database}' AND application_name = 'pg_dump'",
        )

    sink = RecordingSink(_once(kill))
    error = _failure(source_of(postgres_server, database), sink)

    assert error.transient
    assert "pg_dump failed (1)" in error.what
    assert sink.objects == {}
    assert _snapshots_of(postgres_server, database) == []


def test_losing_the_connection_that_reads_the_facts_is_transient_and_commits_nothing(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database(template="onyx")
    execute(
        postgres_server,
        database,
        "CREATE TABLE app.slow AS SELECT repeat(md5(i::text), 30000) AS long"
        " FROM generate_series(1, 60) i",
    )

    def kill() -> None:
        execute(
            postgres_server,
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{database}' AND application_name = 'onyx-pipelines'",
        )

    sink = RecordingSink(_once(kill))
    error = _failure(source_of(postgres_server, database), sink)

    assert error.transient
    assert sink.objects == {}


def test_a_writer_that_fails_ends_pg_dump_and_both_connections(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database(template="onyx")

    def fail() -> None:
        raise ConnectionResetError("the store went away")

    sink = RecordingSink(_once(fail))
    with pytest.raises(ConnectionResetError, match="the store went away"):
        source_of(postgres_server, database).back_up(sink, silent)

    assert sink.objects == {}
    assert _snapshots_of(postgres_server, database) == []


def test_pg_dump_that_fails_after_half_of_its_output_commits_nothing(
    postgres_server: PostgresServer, make_programs: MakePrograms, sink: RecordingSink
) -> None:
    bindir = make_programs("head -c 300000 /dev/zero; echo 'no space for a sort' >&2; exit 1")

    error = _failure(source_of(postgres_server, "onyx", bindir=bindir), sink)

    assert "no space for a sort" in error.what
    assert not error.transient
    assert sink.objects == {}


def test_pg_dump_that_stalls_is_ended_and_the_failure_is_transient(
    postgres_server: PostgresServer,
    make_programs: MakePrograms,
    sink: RecordingSink,
    tmp_path: Path,
) -> None:
    bindir = make_programs(f"echo $$ > '{tmp_path}/pid'; echo PGDMP; exec sleep 600")
    started = time.monotonic()

    error = _failure(
        source_of(postgres_server, "onyx", bindir=bindir, stall_timeout_s=0.5), sink
    )

    pid = (tmp_path / "pid").read_text(encoding="utf-8").strip()
    assert not Path("/proc", pid).exists()
    assert error.transient
    assert "wrote nothing for 0.5 s" in error.what
    assert "ONYX_STALL_TIMEOUT_S" in error.remedy
    assert time.monotonic() - started < 10
    assert sink.objects == {}


def test_a_wrong_password_is_permanent_names_the_setting_and_is_not_repeated(
    postgres_server: PostgresServer, sink: RecordingSink
) -> None:
    target = target_of(postgres_server, password="not-the-password")

    error = _failure(source_of(postgres_server, "onyx", target=target), sink)

    assert not error.transient
    assert "ONYX_PG_PASSWORD" in error.remedy
    assert "not-the-password" not in str(error) + repr(error)


def test_a_password_that_the_program_repeats_is_masked(
    postgres_server: PostgresServer, make_programs: MakePrograms, sink: RecordingSink
) -> None:
    bindir = make_programs('echo "could not log in with $PGPASSWORD" >&2; exit 1')

    error = _failure(source_of(postgres_server, "onyx", bindir=bindir), sink)

    assert "could not log in with [secret]" in error.what
    assert postgres_server.password not in str(error)


def test_the_password_stands_in_no_command_line_while_the_programs_run(
    postgres_server: PostgresServer,
) -> None:
    commands: list[bytes] = []

    def look() -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                commands.append(path.read_bytes())
            except OSError:
                continue

    source_of(postgres_server, "onyx").back_up(RecordingSink(_once(look)), silent)

    dumps = [command for command in commands if b"--snapshot=" in command]
    assert dumps
    assert not any(postgres_server.password.encode() in command for command in dumps)


def test_an_unreachable_server_is_transient_and_named(
    postgres_server: PostgresServer, sink: RecordingSink
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    target = target_of(postgres_server, port=port)

    error = _failure(source_of(postgres_server, "onyx", target=target), sink)

    assert error.transient
    assert f"127.0.0.1:{port}" in error.what
    assert "ONYX_PG_HOST" in error.remedy


def test_a_server_without_tls_is_permanent_where_tls_is_demanded(
    postgres_server: PostgresServer, sink: RecordingSink
) -> None:
    target = target_of(postgres_server, sslmode="require")

    error = _failure(source_of(postgres_server, "onyx", target=target), sink)

    assert not error.transient
    assert "ONYX_PG_SSLMODE" in error.remedy


def test_an_unknown_database_is_named_along_with_those_that_exist(
    postgres_server: PostgresServer, sink: RecordingSink
) -> None:
    error = _failure(source_of(postgres_server, "onyx", "onxy"), sink)

    assert "no database onxy" in error.what
    assert "litellm, onyx" in error.remedy
    assert not error.transient
    assert sink.objects == {}


def test_an_unknown_maintenance_database_names_its_setting(
    postgres_server: PostgresServer, sink: RecordingSink
) -> None:
    error = _failure(source_of(postgres_server, "*", maintenance_database="nowhere"), sink)

    assert "nowhere" in error.what
    assert "ONYX_PG_MAINTENANCE_DATABASE" in error.remedy
    assert not error.transient


def test_a_table_that_may_not_be_read_is_named(
    postgres_server: PostgresServer,
    make_database: MakeDatabase,
    make_role: Any,
    sink: RecordingSink,
) -> None:
    database = make_database()
    user, password = make_role()
    execute(postgres_server, database, "CREATE TABLE public.salaries (amount int)")
    target = target_of(postgres_server, user=user, password=password)

    error = _failure(source_of(postgres_server, database, target=target), sink)

    assert "permission denied for table salaries" in error.what
    assert "pg_read_all_data" in error.remedy
    assert not error.transient
    assert sink.objects == {}


def test_rows_hidden_by_a_policy_are_an_error_and_not_left_out(
    postgres_server: PostgresServer,
    make_database: MakeDatabase,
    make_role: Any,
    sink: RecordingSink,
) -> None:
    database = make_database()
    user, password = make_role("IN ROLE pg_read_all_data")
    execute(
        postgres_server,
        database,
        "CREATE TABLE public.tenants (id int PRIMARY KEY, tenant text)",
        "INSERT INTO public.tenants VALUES (1, 'one'), (2, 'two')",
        "ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY only_one ON public.tenants USING (tenant = 'one')",
    )
    target = target_of(postgres_server, user=user, password=password)

    error = _failure(source_of(postgres_server, database, target=target), sink)

    assert "tenants" in error.what
    assert "BYPASSRLS" in error.remedy
    assert sink.objects == {}


def test_an_exclusive_lock_taken_between_our_locks_and_pg_dumps_is_given_way_to(
    postgres_server: PostgresServer,
    make_database: MakeDatabase,
    make_programs: MakePrograms,
    sink: RecordingSink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("onyx_pipelines.sources.postgres.snapshot._DUMP_LOCK_WAIT_MS", 300)
    database = make_database(template="onyx")
    psql, real = (find_binaries(0).path(name) for name in ("psql", "pg_dump"))
    bindir = make_programs(
        f"'{psql}' -qc 'ALTER TABLE app.users ADD COLUMN late int' >/dev/null 2>&1 &\n"
        f"sleep 0.5; exec '{real}' \"$@\""
    )

    error = _failure(source_of(postgres_server, database, bindir=bindir), sink)

    assert error.transient
    assert "lock" in error.what
    assert sink.objects == {}

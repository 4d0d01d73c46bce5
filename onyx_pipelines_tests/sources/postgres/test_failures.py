"""What goes wrong during a backup is an error that says what to do, and commits nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres import PostgresSource
from onyx_pipelines.sources.postgres.binaries import find_binaries
from onyx_pipelines.sources.postgres.content import list_tables
from onyx_pipelines.sources.postgres.target import is_transient
from onyx_pipelines_tests.fixtures_postgres import (
    MakeDatabase,
    execute,
    source_of,
    target_of,
)
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.waiting import PATIENCE_S

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


def _left_connections(server: PostgresServer, database: str) -> list[Any]:
    """Those to a database that do not end within seconds; a server notices an end a bit later."""
    deadline = time.monotonic() + PATIENCE_S
    with server.connect() as connection:
        while True:
            left = connection.execute(
                "SELECT pid, query FROM pg_stat_activity WHERE datname = %s", (database,)
            ).fetchall()
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.05)


def _with_long_rows(server: PostgresServer, database: str) -> None:
    """Enough that a dump of it cannot stand in pipes and buffers: 50 MB of text."""
    execute(
        server,
        database,
        "CREATE TABLE public.long AS SELECT repeat(md5(i::text), 32000) AS text"
        " FROM generate_series(1, 50) i",
    )


def test_a_table_dropped_before_it_could_be_locked_is_transient_and_commits_nothing(
    postgres_server: PostgresServer,
    make_database: MakeDatabase,
    sink: RecordingSink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = make_database(template="onyx")

    def list_then_drop(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
        names = list_tables(connection)
        execute(postgres_server, database, "DROP TABLE app.documents")
        return names

    monkeypatch.setattr("onyx_pipelines.sources.postgres.snapshot.list_tables", list_then_drop)

    error = _failure(source_of(postgres_server, database), sink)

    assert 'relation "app.documents" does not exist' in error.what
    assert error.transient
    assert "run the backup again" in error.remedy
    assert sink.objects == {}


@pytest.mark.parametrize(
    ("said", "transient"),
    [
        ('ERROR:  relation "app.gone" does not exist', True),
        ("ERROR:  cache lookup failed for function 16423", True),
        ("ERROR:  canceling statement due to statement timeout", True),
        ("FATAL:  the database system is starting up", True),
        ("server closed the connection unexpectedly", True),
        ("the connection is closed", True),
        ("FATAL:  sorry, too many clients already", True),
        ('ERROR:  invalid snapshot identifier: "00000004-00000052-1"', True),
        ('ERROR:  snapshot "00000004-00000052-1" does not exist', True),
        ('FATAL:  database "gone" does not exist', False),
        ('FATAL:  role "nobody" does not exist', False),
        ('FATAL:  password authentication failed for user "postgres"', False),
        ("connection failed: server does not support SSL, but SSL was required", False),
        ("connection failed: SSL error: certificate verify failed", False),
        ("ERROR:  invalid page in block 7 of relation base/5/16384", False),
    ],
)
def test_only_what_passes_by_itself_is_transient(
    said: str,
    transient: bool,
) -> None:
    assert is_transient(said, "") is transient


def test_a_killed_backend_is_transient_and_commits_nothing(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database()
    _with_long_rows(postgres_server, database)

    def kill() -> None:
        execute(
            postgres_server,
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{database}' AND query LIKE 'COPY%'",
        )

    sink = RecordingSink(_once(kill))
    error = _failure(source_of(postgres_server, database), sink)

    assert error.transient
    assert "pg_dump failed (1)" in error.what
    assert sink.objects == {}
    assert _left_connections(postgres_server, database) == []


def test_losing_the_connection_that_holds_the_snapshot_is_transient_and_commits_nothing(
    postgres_server: PostgresServer,
    make_database: MakeDatabase,
    make_programs: MakePrograms,
    sink: RecordingSink,
) -> None:
    database = make_database(template="onyx")
    psql, real = (find_binaries(0).path(name) for name in ("psql", "pg_dump"))
    kill = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    bindir = make_programs(f"'{psql}' -qc '{kill}' >/dev/null || exit 9\nexec '{real}' \"$@\"")

    error = _failure(source_of(postgres_server, database, bindir=bindir), sink)

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
    assert _left_connections(postgres_server, database) == []


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

    error = _failure(source_of(postgres_server, "onyx", bindir=bindir, stall_timeout_s=0.5), sink)

    pid = (tmp_path / "pid").read_text(encoding="utf-8").strip()
    assert not Path("/proc", pid).exists()
    assert error.transient
    assert "wrote nothing for 0.5 s" in error.what
    assert "ONYX_STALL_TIMEOUT_S" in error.remedy
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

    assert "read the tables public.salaries" in error.what
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
    assert "LOCK TABLE app.users" in error.what
    assert "exclusive lock" in error.remedy
    assert sink.objects == {}

"""The facts' own connection: a server that hangs, names that could be hijacked, the environment."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.snapshot import ContentReader, open_snapshot
from onyx_pipelines_tests.fixtures_postgres import (
    MakeDatabase,
    execute,
    facts_in,
    source_of,
    target_of,
)
from onyx_pipelines_tests.recording_sink import RecordingSink


def test_a_server_that_hangs_while_it_counts_is_a_transient_failure_that_names_the_table(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onyx_pipelines.sources.postgres.snapshot._CANCEL_S", 0.2)
    target = target_of(postgres_server)

    with open_snapshot(target, "onyx") as snapshot:
        backend = snapshot.connection.info.backend_pid
        reader = ContentReader(target, snapshot, fingerprint_max_bytes=2**40, stall_timeout_s=0.3)
        os.kill(backend, signal.SIGSTOP)
        try:
            with pytest.raises(SourceError) as caught, reader:
                reader.facts()
            threads = [thread.name for thread in threading.enumerate()]
        finally:
            os.kill(backend, signal.SIGCONT)

    assert "postgres-facts" not in threads
    assert caught.value.transient
    assert "counting table app.chat_sessions was not done 0.3 s after the dump" in caught.value.what
    assert "ONYX_STALL_TIMEOUT_S" in caught.value.remedy


def test_functions_and_operators_of_others_are_not_called_with_our_rights(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database()
    execute(
        postgres_server,
        database,
        "CREATE TABLE public.victims (id int PRIMARY KEY)",
        "CREATE SEQUENCE public.numbers",
        "CREATE FUNCTION public.trap(name, text) RETURNS boolean LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'trapped'; END $$",
        "CREATE OPERATOR public.!~ (LEFTARG = name, RIGHTARG = text, FUNCTION = public.trap)",
        "CREATE OPERATOR public.<> (LEFTARG = name, RIGHTARG = text, FUNCTION = public.trap)",
        f"ALTER DATABASE {database} SET search_path = public, pg_catalog",
    )
    sink = RecordingSink()

    source_of(postgres_server, database).back_up(sink, silent)

    facts = facts_in(sink, database)
    assert [table.name for table in facts.tables] == ["public.victims"]
    assert [sequence.name for sequence in facts.sequences] == ["public.numbers"]


def test_programs_get_libpqs_variables_and_no_other_services_secrets(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONYX_S3_SECRET_ACCESS_KEY", "not for pg_dump")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "not for pg_dump")
    monkeypatch.setenv("PGSSLROOTCERT", "/etc/ssl/ca.pem")

    environment = target_of(postgres_server).environment("onyx")

    assert "not for pg_dump" not in environment.values()
    assert environment["PGSSLROOTCERT"] == "/etc/ssl/ca.pem"
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["PGDATABASE"] == "onyx"


def test_choosing_no_database_is_an_error_and_not_an_empty_backup(
    postgres_server: PostgresServer,
) -> None:
    sink = RecordingSink()

    with pytest.raises(SourceError, match="No database of PostgreSQL") as caught:
        source_of(postgres_server).back_up(sink, silent)

    assert "ONYX_PG_DATABASES" in caught.value.remedy
    assert sink.objects == {}


def test_a_database_that_is_named_twice_is_read_once(postgres_server: PostgresServer) -> None:
    report = source_of(postgres_server, "litellm", "litellm").back_up(RecordingSink(), silent)

    assert report.summary["databases_count"] == 1

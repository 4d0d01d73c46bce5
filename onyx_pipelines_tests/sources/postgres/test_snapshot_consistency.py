"""Dump and facts are of one moment, whatever is written meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.content import Inventory, read_inventory
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines_tests.fixtures_postgres import (
    MakeDatabase,
    dump_in,
    execute,
    facts_in,
    facts_now,
    restore,
    source_of,
)
from onyx_pipelines_tests.recording_sink import RecordingSink

# One tuple for each writer; no two writers touch the same rows, so they cannot deadlock.
_WRITES = (
    (
        "INSERT INTO app.messages (session_id, role, content, tokens, created_at)"
        " SELECT 1, 'user', md5(random()::text), 1, now() FROM generate_series(1, 20)",
        "DELETE FROM app.messages WHERE id = (SELECT min(id) FROM app.messages)",
    ),
    (
        "UPDATE app.documents SET title = md5(random()::text) WHERE random() < 0.2",
        "UPDATE app.users SET display_name = md5(random()::text)",
    ),
)


@contextmanager
def _hammering(server: PostgresServer, database: str) -> Iterator[threading.Event]:
    """Writers change tables for as long as the block lasts; the event is set by the first round."""
    stop, wrote = threading.Event(), threading.Event()

    def write(statements: tuple[str, ...]) -> None:
        with server.connect(database) as connection:
            while not stop.is_set():
                for statement in statements:
                    connection.execute(statement.encode())
                wrote.set()

    writers = [threading.Thread(target=write, args=(statements,)) for statements in _WRITES]
    for writer in writers:
        writer.start()
    try:
        yield wrote
    finally:
        stop.set()
        for writer in writers:
            writer.join()


@pytest.fixture
def hammered(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> tuple[DatabaseFacts, DatabaseFacts, DatabaseFacts]:
    """Facts of a backup under write load, of its restored copy, and of the database afterwards."""
    database, copy = make_database(template="onyx"), make_database()
    sink = RecordingSink()
    with _hammering(postgres_server, database) as wrote:
        assert wrote.wait(20)
        source_of(postgres_server, database).back_up(sink, silent)
    facts = facts_in(sink, database)
    restore(postgres_server, dump_in(sink, database), copy)
    return (
        facts,
        facts_now(postgres_server, copy, like=facts),
        facts_now(postgres_server, database),
    )


def test_facts_equal_the_restored_dump_while_writers_change_every_table(
    hammered: tuple[DatabaseFacts, DatabaseFacts, DatabaseFacts],
) -> None:
    facts, restored, afterwards = hammered

    content = {(table.name, table.rows, table.fingerprint) for table in facts.tables}
    assert content == {(table.name, table.rows, table.fingerprint) for table in restored.tables}
    assert content != {(table.name, table.rows, table.fingerprint) for table in afterwards.tables}
    assert facts.schema_items == restored.schema_items
    assert facts.schema_items == restored.schema_items
    assert facts.extensions == restored.extensions
    assert facts.rows == restored.rows > 3000


def test_restored_sequences_are_not_behind_the_facts(
    hammered: tuple[DatabaseFacts, DatabaseFacts, DatabaseFacts],
) -> None:
    facts, restored, _ = hammered

    values = {sequence.name: sequence.last_value for sequence in restored.sequences}
    assert {sequence.name for sequence in facts.sequences} == set(values)
    assert all(values[sequence.name] >= sequence.last_value for sequence in facts.sequences)


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE app.messages",
        "ALTER TABLE app.messages ALTER COLUMN tokens TYPE bigint",
        "DROP TABLE app.messages",
    ],
)
def test_a_table_that_is_being_backed_up_is_neither_truncated_nor_rewritten(
    postgres_server: PostgresServer, make_database: MakeDatabase, statement: str
) -> None:
    database, copy = make_database(template="onyx"), make_database()
    attempts: list[BaseException] = []

    def attempt(path: str) -> None:
        if path.endswith(".dump") and not attempts:
            with pytest.raises(psycopg.errors.LockNotAvailable) as caught:
                execute(postgres_server, database, "SET lock_timeout = '200ms'", statement)
            attempts.append(caught.value)

    sink = RecordingSink(attempt)
    source_of(postgres_server, database).back_up(sink, silent)
    restore(postgres_server, dump_in(sink, database), copy)

    assert attempts
    facts = facts_in(sink, database)
    assert facts_now(postgres_server, copy, like=facts).tables == tuple(
        table.model_copy(update={"size_bytes": restored.size_bytes})
        for table, restored in zip(
            facts.tables, facts_now(postgres_server, copy, like=facts).tables, strict=True
        )
    )


@pytest.mark.parametrize("statement", ["TRUNCATE app.messages", "DROP TABLE app.messages"])
def test_a_table_is_safe_as_soon_as_the_snapshot_is_taken(
    postgres_server: PostgresServer,
    make_database: MakeDatabase,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
) -> None:
    database = make_database(template="onyx")
    refusals = []

    def attempt_then_read(*arguments: Any) -> Inventory:
        with pytest.raises(psycopg.errors.LockNotAvailable) as caught:
            execute(postgres_server, database, "SET lock_timeout = '200ms'", statement)
        refusals.append(caught.value)
        return read_inventory(*arguments)

    monkeypatch.setattr(
        "onyx_pipelines.sources.postgres.snapshot.read_inventory", attempt_then_read
    )
    sink = RecordingSink()

    source_of(postgres_server, database).back_up(sink, silent)

    assert len(refusals) == 1
    assert facts_in(sink, database).tables == facts_now(postgres_server, database).tables

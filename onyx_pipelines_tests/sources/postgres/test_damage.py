"""Damage to a restored copy shows in its facts, and nothing shows in those of a healthy one."""

from __future__ import annotations

import psycopg
import pytest

from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.postgres_server import PostgresServer
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

RECENT_MESSAGES = {
    "view app.recent_messages",
    *(
        f"column app.recent_messages.{name}"
        for name in ("id", "session_id", "role", "content", "tokens", "created_at")
    ),
}


def _entries(facts: DatabaseFacts) -> dict[str, tuple[object, ...]]:
    """Everything that a restore must bring back, by kind and name."""
    return {
        **{f"rows {t.name}": (t.rows,) for t in facts.tables},
        **{f"content {t.name}": (t.fingerprint, t.sample_modulus) for t in facts.tables},
        **{f"position {s.name}": (s.last_value, s.is_called) for s in facts.sequences},
        **{f"extension {e.name}": (e.version,) for e in facts.extensions},
        **{f"{item.kind} {item.name}": (item,) for item in facts.schema_items},
        "large objects": (facts.large_objects,),
        "encoding": (facts.encoding,),
    }


def _damaged(expected: DatabaseFacts, found: DatabaseFacts) -> set[str]:
    before, after = _entries(expected), _entries(found)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.fixture(scope="module")
def backed_up(postgres_server: PostgresServer) -> RecordingSink:
    """A backup of the sample database."""
    sink = RecordingSink()
    source_of(postgres_server, "onyx").back_up(sink, silent)
    return sink


@pytest.mark.parametrize(
    ("damage", "shown"),
    [
        ("SELECT", set()),
        (
            "DELETE FROM app.messages WHERE id = (SELECT max(id) FROM app.messages)",
            {"rows app.messages", "content app.messages"},
        ),
        (
            "UPDATE app.documents SET attributes = attributes || '{\"pages\": 41}'"
            " WHERE title = 'Document 7'",
            {"content app.documents"},
        ),
        ("SELECT setval('app.messages_id_seq', 5)", {"position app.messages_id_seq"}),
        ("ALTER SEQUENCE app.messages_id_seq CYCLE", {"sequence app.messages_id_seq"}),
        ("DROP INDEX app.messages_by_session", {"index app.messages_by_session"}),
        (
            "DROP EXTENSION pg_trgm CASCADE",
            {"extension pg_trgm", "index app.documents_by_title", "comment extension pg_trgm"},
        ),
        ("DROP VIEW app.recent_messages", RECENT_MESSAGES),
        ("DROP FUNCTION app.message_count", {"function app.message_count(bigint)"}),
        ("ALTER TABLE app.users ADD x int", {"content app.users", "column app.users.x"}),
        (
            "ALTER TABLE app.messages DROP CONSTRAINT messages_tokens_check",
            {"constraint app.messages messages_tokens_check"},
        ),
        ("ALTER TABLE app.users ALTER email DROP NOT NULL", {"column app.users.email"}),
        ("ALTER TYPE app.role ADD VALUE 'system'", {"type app.role"}),
        ("SELECT lo_create(0)", {"large objects"}),
    ],
)
def test_damage_to_a_restored_copy_shows_and_nothing_else_does(
    postgres_server: PostgresServer,
    make_database: MakeDatabase,
    backed_up: RecordingSink,
    damage: str,
    shown: set[str],
) -> None:
    copy = make_database()
    restore(postgres_server, dump_in(backed_up, "onyx"), copy)
    expected = facts_in(backed_up, "onyx")

    execute(postgres_server, copy, damage)

    assert _damaged(expected, facts_now(postgres_server, copy, like=expected)) == shown


def test_what_a_failed_concurrent_index_left_behind_is_not_missed(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database, copy = make_database(), make_database()
    execute(postgres_server, database, "CREATE TABLE public.t AS SELECT 1 AS a UNION ALL SELECT 1")
    with pytest.raises(psycopg.errors.UniqueViolation):
        execute(postgres_server, database, "CREATE UNIQUE INDEX CONCURRENTLY bad ON public.t (a)")
    sink = RecordingSink()
    source_of(postgres_server, database).back_up(sink, silent)

    restore(postgres_server, dump_in(sink, database), copy)

    expected = facts_in(sink, database)
    assert _damaged(expected, facts_now(postgres_server, copy, like=expected)) == set()


def test_a_sequence_says_which_way_it_goes(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database()
    execute(
        postgres_server,
        database,
        "CREATE SEQUENCE public.countdown INCREMENT -2 START -10 CYCLE",
        "SELECT nextval('public.countdown')",
    )

    (sequence,) = facts_now(postgres_server, database).sequences

    assert (sequence.last_value, sequence.is_called) == (-10, True)
    assert (sequence.increment, sequence.cycles) == (-2, True)

"""The sample databases look like the product's, are the same every time, and have their size."""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path

import pytest

from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sandbox.sample_postgres import DATABASES, load_sample_databases
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines_tests.fixtures_postgres import (
    dump_in,
    facts_in,
    facts_now,
    postgres_server,
    public_dir,
    source_of,
)
from onyx_pipelines_tests.recording_sink import RecordingSink

__all__ = ["postgres_server", "public_dir"]


@pytest.fixture(scope="module")
def loaded(postgres_server: PostgresServer) -> RecordingSink:
    """A backup of both databases."""
    sink = RecordingSink()
    source_of(postgres_server, *DATABASES).back_up(sink, silent)
    return sink


def _content(facts: DatabaseFacts) -> dict[str, tuple[int, str | None]]:
    return {table.name: (table.rows, table.fingerprint) for table in facts.tables}


def test_there_are_users_chats_messages_documents_and_spending(loaded: RecordingSink) -> None:
    onyx, litellm = (facts_in(loaded, name) for name in DATABASES)

    assert _content(onyx).keys() == {
        "app.users",
        "app.chat_sessions",
        "app.messages",
        "app.documents",
    }
    assert _content(litellm).keys() == {'public."LiteLLM_SpendLogs"'}
    assert all(rows > 0 for rows, _ in _content(onyx).values())
    assert {item.kind for item in onyx.schema_items} >= {"index", "view", "function", "sequence"}
    assert [extension.name for extension in onyx.extensions] == ["pg_trgm", "plpgsql"]


def test_loading_again_changes_nothing(
    postgres_server: PostgresServer, loaded: RecordingSink
) -> None:
    load_sample_databases(postgres_server, size=3)

    assert _content(facts_now(postgres_server, "onyx")) == _content(facts_in(loaded, "onyx"))


def test_the_same_size_gives_the_same_rows_on_another_server(
    public_dir: Path, loaded: RecordingSink
) -> None:
    directory = Path(tempfile.mkdtemp(dir=public_dir))
    directory.chmod(0o755)

    with PostgresServer(directory) as other:
        load_sample_databases(other, size=0.2)
        content = {name: _content(facts_now(other, name)) for name in DATABASES}

    assert content == {name: _content(facts_in(loaded, name)) for name in DATABASES}


def test_it_has_about_its_size_and_compresses_as_prose_does(loaded: RecordingSink) -> None:
    dump = dump_in(loaded, "onyx")

    assert 0.2 * 16e6 < len(dump) < 0.2 * 24e6
    assert 0.25 < len(zlib.compress(dump, 6)) / len(dump) < 0.5

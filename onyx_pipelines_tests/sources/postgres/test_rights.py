"""A role that is no superuser: which grant a backup lacks is named, by itself, before anything is
written; with those of the page it is whole, and what only a superuser may dump is said."""

from __future__ import annotations

from typing import Any

import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres import PostgresSource
from onyx_pipelines.sources.postgres.rights import reading
from onyx_pipelines.sources.source import ComponentStatus
from onyx_pipelines_tests.fixtures_postgres import (
    MakeDatabase,
    dump_in,
    execute,
    facts_in,
    source_of,
    target_of,
)
from onyx_pipelines_tests.recording_sink import RecordingSink

# As docs/postgresql.md has them.
GRANTS = {
    "to connect": "GRANT CONNECT ON DATABASE {database} TO {role}",
    "to read": "GRANT pg_read_all_data TO {role}",
    "to pass policies": "ALTER ROLE {role} BYPASSRLS",
    "to read large objects": "ALTER ROLE {role} IN DATABASE {database}"
    " SET lo_compat_privileges = on",
}
MADE = (
    "CREATE SCHEMA app",
    "CREATE TABLE app.users (id serial PRIMARY KEY, tenant text)",
    "INSERT INTO app.users (tenant) VALUES ('one'), ('two')",
    "CREATE TABLE app.parts (id int) PARTITION BY LIST (id)",
    "CREATE TABLE app.hidden (id int)",
    "INSERT INTO app.hidden VALUES (1)",
    "ALTER TABLE app.hidden ENABLE ROW LEVEL SECURITY",
    "SELECT lo_from_bytea(70001, 'content')",
)


class Backup:
    """Of a database by a role, of which each right can be given."""

    def __init__(
        self, server: PostgresServer, database: str, role: tuple[str, str], **options: Any
    ) -> None:
        self.server, self.database = server, database
        name, password = role
        quoted = name.replace('"', '""')
        self.grants = {
            each: grant.format(database=database, role=f'"{quoted}"')
            for each, grant in GRANTS.items()
        }
        target = target_of(server, user=name, password=password)
        self.source: PostgresSource = source_of(server, database, target=target, **options)

    def give(self, *rights: str) -> None:
        execute(self.server, self.database, *(self.grants[each] for each in rights))


@pytest.fixture
def backup(postgres_server: PostgresServer, make_database: MakeDatabase, make_role: Any) -> Backup:
    database = make_database()
    execute(postgres_server, database, *MADE, f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")
    return Backup(postgres_server, database, make_role(ending=' "o'), with_globals=True)


@pytest.mark.parametrize("missing", GRANTS)
def test_the_one_grant_that_is_missing_is_named_and_is_enough(backup: Backup, missing: str) -> None:
    sink = RecordingSink()
    backup.give(*(each for each in GRANTS if each != missing))

    with pytest.raises(SourceError) as examined:
        backup.source.describe()
    with pytest.raises(SourceError) as refused:
        backup.source.back_up(sink, silent)
    backup.give(missing)

    assert examined.value.remedy == f"As a superuser: {backup.grants[missing]}."
    assert refused.value.remedy == examined.value.remedy
    assert not [path for path in sink.objects if path.endswith(".dump")]
    assert backup.database in backup.source.describe()


def test_all_that_is_missing_is_named_at_once(backup: Backup) -> None:
    backup.give("to connect")

    with pytest.raises(SourceError) as raised:
        backup.source.describe()

    rest = [backup.grants[each] for each in GRANTS if each != "to connect"]
    assert raised.value.remedy == f"As a superuser: {'; '.join(rest)}."
    assert "app.hidden, app.parts, app.users" in raised.value.what
    assert "app.users_id_seq" in raised.value.what
    assert "1 large object in" in raised.value.what


def test_with_all_grants_a_backup_is_whole(backup: Backup) -> None:
    sink = RecordingSink()
    backup.give(*GRANTS)

    report = backup.source.back_up(sink, silent)

    assert report.warnings == ()
    assert facts_in(sink, backup.database).rows == 3
    assert facts_in(sink, backup.database).large_objects == 1


def test_what_only_a_superuser_may_dump_is_left_out_and_said(
    postgres_server: PostgresServer, make_database: MakeDatabase, make_role: Any
) -> None:
    database = make_database()
    backup = Backup(postgres_server, database, make_role("IN ROLE pg_read_all_data"))
    sink = RecordingSink()
    execute(
        postgres_server,
        database,
        "CREATE FOREIGN DATA WRAPPER w",
        "CREATE SERVER s FOREIGN DATA WRAPPER w",
        "CREATE USER MAPPING FOR postgres SERVER s OPTIONS (password 'hidden')",
        "CREATE SUBSCRIPTION theirs CONNECTION 'host=nowhere.invalid' PUBLICATION p"
        " WITH (connect = false)",
        "COMMENT ON SUBSCRIPTION theirs IS 'from there'",
    )

    try:
        report = backup.source.back_up(sink, silent)
        said = backup.source.describe()
    finally:
        execute(
            postgres_server,
            database,
            "ALTER SUBSCRIPTION theirs SET (slot_name = NONE)",
            "DROP SUBSCRIPTION theirs",
        )

    assert report.status is ComponentStatus.COMPLETED_WITH_WARNINGS
    assert "subscriptions theirs: only a superuser" in report.warnings[0]
    assert "user mappings postgres on s: only a superuser" in report.warnings[1]
    assert "left out: subscriptions theirs" in said
    names = [f"{item.kind} {item.name}" for item in facts_in(sink, database).schema_items]
    assert not [name for name in names if "theirs" in name]
    assert b"theirs" not in dump_in(sink, database)


def test_before_version_14_reading_is_granted_schema_by_schema() -> None:
    assert reading("backup", 13, ["app", "public"]) == (
        "GRANT USAGE ON SCHEMA app, public TO backup; GRANT SELECT ON ALL TABLES IN SCHEMA app,"
        " public TO backup; GRANT SELECT ON ALL SEQUENCES IN SCHEMA app, public TO backup"
    )

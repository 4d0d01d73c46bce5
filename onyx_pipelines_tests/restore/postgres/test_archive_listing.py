"""What is taken out of a dump's script: whole statements, whatever names and texts hold."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from onyx_pipelines.restore.postgres.archive_listing import (
    entry_lists,
    renamed,
    statements_of,
)
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import find_binaries
from onyx_pipelines_tests.fixtures_postgres import MakeDatabase, execute, target_of

# NUL is what PostgreSQL cannot hold.
characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
names = st.text(characters.filter(lambda c: c != "\n"), min_size=1, max_size=20)
texts = st.text(st.one_of(characters, st.sampled_from("'\";\n\\")), max_size=60)


def name(text: str) -> str:
    return sql.Identifier(text).as_string()


def literal(text: str) -> str:
    """As pg_dump writes it."""
    escaped = text.replace("'", "''")
    return "E'" + escaped.replace("\\", "\\\\") + "'" if "\\" in text else f"'{escaped}'"


statements = st.one_of(
    st.builds(lambda db, t: f"COMMENT ON DATABASE {name(db)} IS {literal(t)}", names, texts),
    st.builds(lambda db, owner: f"ALTER DATABASE {name(db)} OWNER TO {name(owner)}", names, names),
    st.builds(
        lambda role, db, t: (
            f"ALTER ROLE {name(role)} IN DATABASE {name(db)} SET search_path TO {literal(t)}"
        ),
        names,
        names,
        texts,
    ),
    st.builds(
        lambda db, role: f"GRANT CONNECT ON DATABASE {name(db)} TO {name(role)}", names, names
    ),
)


@given(st.lists(statements, max_size=5))
def test_every_statement_comes_out_as_it_was(wanted: list[str]) -> None:
    script = "--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\n"
    script += "".join(f"{statement};\n\n--\n-- Name: x; Type: y\n--\n" for statement in wanted)

    assert statements_of(script) == wanted


@given(names, names, names)
def test_a_renamed_statement_is_the_one_about_the_other_name(
    database: str, final: str, owner: str
) -> None:
    statement = f"ALTER DATABASE {name(database)} OWNER TO {name(owner)}"

    assert renamed(statement, database, final) == (
        f"ALTER DATABASE {name(final)} OWNER TO {name(owner)}"
    )


@given(texts)
def test_what_a_comment_says_is_left_as_it_is(text: str) -> None:
    statement = f"COMMENT ON DATABASE {name('old')} IS {literal(text + ' DATABASE old ')}"

    assert renamed(statement, "old", "new").endswith(literal(text + " DATABASE old "))


MADE = (
    "CREATE TABLE whole (i int) PARTITION BY LIST (i)",
    "CREATE TABLE part PARTITION OF whole DEFAULT",
    "CREATE INDEX by_i ON whole (i)",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER loud AFTER INSERT ON whole FOR EACH ROW EXECUTE FUNCTION f()",
    "COMMENT ON TRIGGER loud ON whole IS 'loud'",
    "ALTER TABLE part DISABLE TRIGGER loud",
    "CREATE MATERIALIZED VIEW seen AS SELECT i FROM whole",
    "GRANT SELECT ON whole TO pg_monitor",
    "CREATE FUNCTION g() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "CREATE EVENT TRIGGER ddl ON ddl_command_end EXECUTE FUNCTION g()",
)


def test_triggers_grants_and_what_needs_them_come_last(
    postgres_server: PostgresServer, make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Several jobs would change the trigger of a partition before its table has it."""
    database, dump = make_database(), tmp_path / "dump"
    execute(postgres_server, database, *MADE)
    binaries = find_binaries(0)
    subprocess.run(
        [binaries.path("pg_dump"), "--format=custom", f"--file={dump}"],
        env=target_of(postgres_server).environment(database),
        check=True,
    )

    lists = entry_lists(dump, binaries, with_grants=True)

    kinds = [line.split(" ", 3)[3].partition(" public ")[0] for line in lists.last.split("\n")]
    assert sorted(kinds) == [
        *("ACL", "COMMENT", "EVENT TRIGGER - ddl postgres", "MATERIALIZED VIEW DATA"),
        *("TRIGGER", "TRIGGER"),
    ]
    assert "INDEX public by_i" in lists.after
    assert "TRIGGER" not in lists.after
